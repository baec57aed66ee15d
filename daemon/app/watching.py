"""Each second a look at our own parts, and what follows: alarms told, history stopped and resumed,
the reserve given up and made again."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

from parkwatch.daemon.app import disk
from parkwatch.daemon.app.clock import Clock
from parkwatch.daemon.app.disk import Shortage, Space
from parkwatch.daemon.app.selfwatch import Sample, SelfWatch
from parkwatch.daemon.history.service import History
from parkwatch.daemon.journal.journal import Entry
from parkwatch.daemon.pipeline.pipeline import IDLE_S, QUEUE_MAX, Pipeline
from parkwatch.daemon.store.database import JournalFault
from parkwatch.daemon.store.reserve import Reserve

log = logging.getLogger("parkwatch.selfwatch")
LOOK_S = 1.0
DISK_S = 2.0
"""A disk that has not said by then how much room it has is asked again when it does."""


class Watching:
    """The task that watches the daemon's own parts; `manned` counts consoles of people who may
    act."""

    def __init__(
        self, data: Path, pipeline: Pipeline, clock: Clock, history: History, reserve: Reserve
    ) -> None:
        self._data = data
        self._pipeline = pipeline
        self._clock = clock
        self._history = history
        self._reserve = reserve
        self._asked: asyncio.Task[Space] | None = None
        self._watch = SelfWatch(self._active, reserve.size)
        self.manned: Callable[[], int] = int
        self.lag_s = 0.0
        """How late the loop or an evaluation was at the last look."""

    def _active(self, alarm: str) -> bool:
        view = self._pipeline.engine.alarm(alarm)
        return view is not None and view.live_level > 0

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._act(self._watch.shortage)
            before = loop.time()
            await asyncio.sleep(LOOK_S)
            self.lag_s = max(loop.time() - before - LOOK_S, self._evaluation_s())
            for condition in self._watch.look(await self._sample()):
                self._pipeline.system(condition)

    def _evaluation_s(self) -> float:
        last = self._pipeline.counters.last_turn
        return max(0.0, time.monotonic() - last - IDLE_S) if last else 0.0

    async def _sample(self) -> Sample:
        # Twice: a process that is stopped between the two clocks reads a jump that is none.
        skew_ns = min(self._clock.skew_ns(), self._clock.skew_ns(), key=abs)
        queue = min(1.0, self._pipeline.depth / QUEUE_MAX)
        space = await self._space()
        return Sample(self._clock.now(), skew_ns, self.lag_s, queue, self.manned(), space)

    async def _space(self) -> Space | None:
        """From a thread: a disk may hang. One question at a time."""
        if self._asked is None:
            self._asked = asyncio.create_task(asyncio.to_thread(disk.space, self._data))
        await asyncio.wait([self._asked], timeout=DISK_S)
        if not self._asked.done():
            return None
        asked, self._asked = self._asked, None
        try:
            return asked.result()
        except OSError as error:
            log.warning("statvfs: %s", error)
            return None

    async def _act(self, short: Shortage) -> None:
        if short.reserve:
            if self._reserve.release():
                log.warning("the disk is nearly full: the reserve is released")
        elif not self._reserve.held:
            await asyncio.to_thread(self._reserve.make)
        if short.history and not self._history.paused:
            log.warning("the disk is short of space: history stops")
            self._history.pause(self._clock.now())
        elif self._history.paused and not short.history:
            since, lost = self._history.resume()
            body = {
                "who": "system/history:gap", "what": "history", "why": "disk", "from": since,
                "to": self._clock.now(), "points": "all", "lost": lost,
            }  # fmt: skip
            try:
                await self._pipeline.record(Entry("gap", body))
            except JournalFault as fault:
                log.critical("%s", fault)  # Whoever ends the daemon has been told of it.
