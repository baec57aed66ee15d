"""The client's end of `run/live.sock`: one JSON object a line, replies matched by id.

Whoever can open the socket owns the data folder; that is the whole authentication of this link.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from parkwatch.rules.fault import Fault

LINE_BYTES_MAX = 64 * 1024 * 1024
FRAMES_MAX = 10_000
CALL_DEADLINE_S = 10.0


class LinkFault(Fault):
    """The daemon refused or is not there; `status` is the HTTP status that fits, `item` the
    present state of the alarm where a version was stale."""

    def __init__(
        self,
        code: str,
        what: str,
        remedy: str,
        *,
        status: int = 503,
        item: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code, what, remedy)
        self.status = status
        self.item = item


def not_running(path: Path) -> LinkFault:
    """The fault of a socket that nobody answers."""
    return LinkFault(
        "SYS-101",
        f"没有守护进程在此数据目录运行 no daemon answers at {path}",
        "先启动 parkwatch run,或用 --data 指定其数据目录 start it or name its folder",
    )


def encode(frame: Mapping[str, Any]) -> bytes:
    """One frame as a line."""
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def unwrap(reply: Mapping[str, Any]) -> Any:
    """The data of a reply; a refusal raises LinkFault."""
    if reply["ok"]:
        return reply["data"]
    error = reply["error"]
    raise LinkFault(
        error["code"],
        error["what"],
        error["remedy"],
        status=error.get("status", 422),
        item=reply.get("item"),
    )


class Link:
    """An open connection; `call` asks, `frames` yields what is streamed after `subscribe`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._frames: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(FRAMES_MAX)
        self._next = 0
        self._task = asyncio.create_task(self._read(), name="link.read")

    @classmethod
    async def connect(cls, path: Path, deadline_s: float = 5.0) -> Link:
        """Open the socket, or LinkFault SYS-101 when nobody listens."""
        try:
            async with asyncio.timeout(deadline_s):
                reader, writer = await asyncio.open_unix_connection(str(path), limit=LINE_BYTES_MAX)
        except (OSError, TimeoutError) as error:
            raise not_running(path) from error
        return cls(reader, writer)

    async def call(self, op: str, *, deadline_s: float = CALL_DEADLINE_S, **fields: Any) -> Any:
        """Ask and wait for the answer; LinkFault for a refusal, a lost link or a deadline."""
        if self._task.done():
            raise _lost()
        self._next += 1
        number = self._next
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            self._writer.write(encode({"id": number, "op": op, **fields}))
            async with asyncio.timeout(deadline_s):
                await self._writer.drain()
                return unwrap(await future)
        except (OSError, TimeoutError) as error:
            raise _lost() from error
        finally:
            self._waiting.pop(number, None)

    async def frames(self) -> AsyncIterator[dict[str, Any]]:
        """What the daemon streams, until the link is lost."""
        while (frame := await self._frames.get()) is not None:
            yield frame

    async def close(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _read(self) -> None:
        try:
            while line := await self._reader.readline():
                frame = json.loads(line)
                if frame.get("type") == "reply":
                    future = self._waiting.get(frame["id"])
                    if future is not None and not future.done():
                        future.set_result(frame)
                else:
                    await self._frames.put(frame)
        except (OSError, ValueError):
            pass  # A broken link ends like a closed one: waiting calls and frames learn it below.
        finally:
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(_lost())
            if self._frames.full():
                self._frames.get_nowait()  # The link is lost: the end must fit, a frame need not.
            self._frames.put_nowait(None)


def _lost() -> LinkFault:
    return LinkFault(
        "SYS-102",
        "与守护进程的连接中断 link to the daemon lost",
        "稍后重试;若持续,请查看 parkwatch status retry; see parkwatch status",
    )


def call_once(path: Path, op: str, *, deadline_s: float = CALL_DEADLINE_S, **fields: Any) -> Any:
    """One question over a connection of its own, without an event loop (command line)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(deadline_s)
        try:
            sock.connect(str(path))
            sock.sendall(encode({"id": 1, "op": op, **fields}))
            with sock.makefile("rb") as lines:
                while line := lines.readline(LINE_BYTES_MAX):
                    frame = json.loads(line)
                    if frame.get("type") == "reply":
                        return unwrap(frame)
        except OSError as error:
            raise not_running(path) from error
    raise _lost()
