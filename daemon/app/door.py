"""What outlives a reload: `live.sock` with its clients, the web child, the drivers' sources, and
engine time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parkwatch.daemon.app.clock import Clock
from parkwatch.daemon.app.sources import Sources
from parkwatch.daemon.app.webchild import WebChild
from parkwatch.daemon.pipeline.live import Answer, LiveServer
from parkwatch.rules.fault import Fault

CHANGES = frozenset({"apply", "arm"})
"""Questions that are answered by a reload."""
RELOAD_S_MAX = 60.0
"""A question that comes during a reload waits for its end, at most so long."""


@dataclass(slots=True)
class Wish:
    """A new configuration that somebody asks for, and the answer that is waited for."""

    request: Mapping[str, Any]
    answer: asyncio.Future[dict[str, Any]]


class Door:
    """Questions go to whoever serves; while nobody does they wait. `wish` is done when a new
    configuration is asked for; one at a time."""

    def __init__(self, data: Path) -> None:
        self.live = LiveServer(data / "run" / "live.sock", self._answer)
        self.web = WebChild(data)
        self.sources = Sources()
        self.wish: asyncio.Future[Wish] = asyncio.get_running_loop().create_future()
        self._clock: Clock | None = None
        self._serving: Answer | None = None
        self._open = asyncio.Event()
        self._applying = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def clock(self, at_least: int) -> Clock:
        """The clock of this process: pinned once, so that no reload takes a jump of the host's."""
        if self._clock is None:
            self._clock = Clock(at_least=at_least)
        return self._clock

    async def serve(self, answer: Answer) -> None:
        """From here on `answer` is asked; the first time the socket is opened and web started."""
        self._serving = answer
        self._open.set()
        if self._task is None:
            await self.live.start()
            self._task = asyncio.create_task(self.web.run(), name="web")

    @property
    def web_task(self) -> asyncio.Task[None]:
        """The task that keeps the web child; it must not end."""
        assert self._task is not None, "served before"
        return self._task

    def take(self) -> Wish:
        """The wish that was made; the next one may come."""
        wish = self.wish.result()
        self.wish = asyncio.get_running_loop().create_future()
        return wish

    def hold(self) -> None:
        """Whoever served is about to end: questions wait."""
        self._open.clear()

    async def close(self) -> None:
        """End the web child and the socket."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.live.close()

    async def _answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if request.get("op") in CHANGES:
            return await self._apply(request)
        try:
            async with asyncio.timeout(RELOAD_S_MAX):
                await self._open.wait()
        except TimeoutError as error:
            raise Fault(
                "SYS-103",
                f"换用配置已逾 {RELOAD_S_MAX:.0f} s the configuration is still being changed",
                "查看守护进程日志 see the daemon's log",
            ) from error
        assert self._serving is not None
        return await self._serving(request)

    async def _apply(self, request: Mapping[str, Any]) -> dict[str, Any]:
        async with self._applying:
            answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
            self.wish.set_result(Wish(request, answer))
            return {"ok": True, "data": await answer}
