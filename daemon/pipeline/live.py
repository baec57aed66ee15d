"""The daemon's end of `run/live.sock`: what is committed goes out, commands come in.

Owner only (mode 0600 in an owner-only folder). A client that does not read is cut off, never
waited for: the stream of the alarms owes nothing to a screen.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from parkwatch.daemon.journal.journal import Record
from parkwatch.daemon.pipeline.link import LINE_BYTES_MAX, encode
from parkwatch.rules.fault import Fault

log = logging.getLogger("parkwatch.live")
OUT_FRAMES_MAX = 5_000
VALUES_S = 0.25
HEALTH_EVERY = 4  # in ticks of VALUES_S

Answer = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]
"""Answers one request: `{"ok": true, "data": …}` or `{"ok": false, "error": …, "item": …}`."""


class _Client:
    """One connection: a bounded queue out, so that a slow reader is seen and cut off."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.out: asyncio.Queue[bytes] = asyncio.Queue(OUT_FRAMES_MAX)
        self.subscribed = False

    def put(self, line: bytes) -> None:
        try:
            self.out.put_nowait(line)
        except asyncio.QueueFull:
            log.warning("a client of live.sock does not read: cut off")
            self.writer.transport.abort()


class LiveServer:
    """Serves `live.sock`: requests through `answer`, streams through `publish` and `tick`."""

    def __init__(self, path: Path, answer: Answer) -> None:
        self._path = path
        self._answer = answer
        self._clients: set[_Client] = set()
        self._server: asyncio.Server | None = None

    @property
    def consoles(self) -> int:
        """How many clients are subscribed."""
        return sum(client.subscribed for client in self._clients)

    async def start(self) -> None:
        """Bind the socket; a socket file left by a killed daemon is replaced (the lock is ours)."""
        self._path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(
                self._serve, str(self._path), limit=LINE_BYTES_MAX
            )
        finally:
            os.umask(before)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for client in list(self._clients):
            client.writer.transport.abort()
        self._path.unlink(missing_ok=True)

    def publish(self, frames: Sequence[Mapping[str, Any]]) -> None:
        """Put frames on every subscribed client's queue."""
        watching = [client for client in self._clients if client.subscribed]
        if watching:
            lines = b"".join(encode(frame) for frame in frames)
            for client in watching:
                client.put(lines)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = _Client(writer)
        self._clients.add(client)
        sending = asyncio.create_task(_send(client), name="live.send")
        try:
            while line := await reader.readline():
                await self._request(client, line)
        except (OSError, ValueError) as error:
            log.info("live.sock client ended: %s", error)
        finally:
            self._clients.discard(client)
            sending.cancel()
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await sending

    async def _request(self, client: _Client, line: bytes) -> None:
        request = json.loads(line)
        if request.get("op") == "subscribe":
            client.subscribed = True
            reply: dict[str, Any] = {"ok": True, "data": {}}
        else:
            try:
                reply = await self._answer(request)
            except Fault as fault:
                reply = {
                    "ok": False,
                    "error": {"code": fault.code, "what": fault.what, "remedy": fault.remedy},
                }
        client.put(encode({"type": "reply", "id": request.get("id"), **reply}))


async def _send(client: _Client) -> None:
    while True:
        line = await client.out.get()
        client.writer.write(line)
        await client.writer.drain()


def record_frame(record: Record) -> dict[str, Any]:
    """A journal record as a frame of the live stream."""
    return {
        "type": "record",
        "seq": record.seq,
        "time": str(record.time),
        "kind": record.kind,
        "body": dict(record.body),
    }
