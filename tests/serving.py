"""A daemon in this loop on a real folder, whose field is silent but for what a test feeds."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from applying import H2S, Folder

from parkwatch.daemon.app.app import App
from parkwatch.daemon.app.door import Door
from parkwatch.daemon.app.reload import reload
from parkwatch.daemon.app.webchild import WebChild
from parkwatch.daemon.config.applied import choose
from parkwatch.daemon.config.load import load
from parkwatch.daemon.pipeline.link import Link
from parkwatch.drivers.modbus.runner import BusRunner
from parkwatch.rules.batch import Batch
from parkwatch.rules.quality import GOOD

WaitAsync = Callable[..., Awaitable[None]]


class Park:
    """A daemon in this loop whose field is silent but for what a test feeds."""

    def __init__(self, folder: Folder, wait: WaitAsync) -> None:
        self.folder = folder
        self.wait = wait
        self.app: App | None = None
        self.reloads = 0

    @property
    def running(self) -> App:
        assert self.app is not None
        return self.app

    async def serve(self, stop: asyncio.Event, door: Door) -> None:
        data = self.folder.data
        app = App(choose(self.folder.path, data, os.environ, strict=False), data, door)
        await app.start()
        self.app = app
        await app.run(stop)
        while not stop.is_set():
            self.app = await reload(self.running, data)
            self.reloads += 1
            await self.running.run(stop)
        await self.running.stop("test")
        await door.close()

    async def feed(self, value: float, name: str = H2S) -> None:
        app = self.running
        site, now = app.resolved.site, np.array([app.clock.now()])
        index = next(point.index for point in site.points if point.id == name)
        await app.pipeline.batch(
            Batch(
                np.array([index], np.int32), np.array([value]), np.array([GOOD], np.uint8),
                now, now,
            )
        )  # fmt: skip

    async def until(self, alarm: str, holds: Callable[[Any], bool], value: float) -> Any:
        """Feed a value until the alarm is so."""

        async def so() -> bool:
            await self.feed(value)
            return holds(self.running.engine.alarm(alarm))

        await self.wait(so, alarm, deadline_s=20)
        return self.running.engine.alarm(alarm)

    async def ask(self, op: str, **fields: Any) -> Any:
        """As the command line does, over the socket."""
        link = await Link.connect(self.folder.data / "run" / "live.sock")
        try:
            return await link.call(op, deadline_s=30, **fields)
        finally:
            await link.close()

    async def apply(self, *, two: bool = False, close: bool = False) -> Any:
        """Apply what people edit."""
        loaded = load(self.folder.path, os.environ, data=self.folder.data)
        return await self.ask(
            "apply", sources=[{"name": each.name, "text": each.text} for each in loaded.sources],
            origin=str(loaded.path), persons=["zhangwei", "liqiang"] if two else [],
            user="cli:test", reason="改造", close=close,
        )  # fmt: skip


async def _idle(*_: object) -> None:
    await asyncio.Event().wait()


@asynccontextmanager
async def serving(folder: Folder, wait: WaitAsync) -> AsyncIterator[Park]:
    park = Park(folder, wait)
    for name in ("run", "spool", "history", "secrets"):
        (folder.data / name).mkdir(parents=True, exist_ok=True)
    stop = asyncio.Event()
    task = asyncio.create_task(park.serve(stop, Door(folder.data)))
    await wait(lambda: park.app is not None or task.done(), "the daemon serves")
    try:
        yield park
    finally:
        stop.set()
        await task


def silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """No device is polled and no web child started."""
    monkeypatch.setattr(BusRunner, "run", _idle)
    monkeypatch.setattr(WebChild, "run", _idle)
