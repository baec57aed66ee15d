"""The outbox on its way: `sending` is written before the call, the result after it.

One target a try. Sent is not delivered, is not read, is not acknowledged. What was in `sending`
when a daemon died is sent once more, marked as a repeat: only that can have gone out twice.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from parkwatch.daemon.notify import ways
from parkwatch.daemon.notify.dispatch import TRIES_AT_ONCE, Dispatcher, Roads, Step
from parkwatch.daemon.notify.ways import Result
from parkwatch.daemon.outbox import messages as outbox
from parkwatch.daemon.outbox.messages import Message
from parkwatch.daemon.pipeline.commit import Committer

log = logging.getLogger("parkwatch.notify")
LOOK_S = 0.25
GAP_S = 0.05
"""Between two looks: a flood of commits must not keep the loop reading the outbox."""
TAKE_MAX = 500
TRY_S = 15.0
CLOSE_S = 3.0


class Told(Protocol):
    """Who learns that a channel fails or works again."""

    def __call__(self, channel: str, *, failed: bool, text: str) -> None:
        """`text` is the last result."""


class Sender:
    """Carries out what the dispatcher decides: commits, calls, answers; `ended` says whether an
    alarm's occurrence is over."""

    def __init__(
        self,
        outbox_reader: sqlite3.Connection,
        committer: Committer,
        roads: Roads,
        now: Callable[[], int],
        told: Told,
        *,
        ended: Callable[[str, int], bool],
    ) -> None:
        self._reader = outbox_reader
        self._committer = committer
        self._roads = roads
        self._now = now
        self._told = told
        known = lambda key: outbox.known(outbox_reader, key)  # noqa: E731 - one reader, one use
        self._core = Dispatcher(roads, now(), ended, known)
        self._threads = {
            channel: ThreadPoolExecutor(TRIES_AT_ONCE, f"notify.{channel}")
            for channel in roads.channels
        }
        self._tasks: set[asyncio.Task[None]] = set()
        self._slip: BaseException | None = None
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """There may be something new."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled; then what is under way gets a few seconds to end."""
        try:
            await asyncio.get_running_loop().run_in_executor(None, ways.warm_up)
            now = self._now()
            await self._carry_out(self._core.restart(outbox.ambiguous(self._reader), now))
            while True:
                self._wake.clear()
                if self._slip is not None:
                    raise self._slip
                await self._round()
                await asyncio.sleep(GAP_S)
                try:
                    async with asyncio.timeout(LOOK_S):
                        await self._wake.wait()
                except TimeoutError:
                    continue  # Something may have become due meanwhile.
        finally:
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=CLOSE_S)
            for task in self._tasks:
                task.cancel()
            for threads in self._threads.values():
                threads.shutdown(wait=False, cancel_futures=True)

    async def _round(self) -> None:
        now = self._now()
        try:
            step = self._decide(now)
        except sqlite3.OperationalError as error:
            log.warning("outbox: %s", error)  # Busy: the next look is a moment away.
            return
        await self._carry_out(step)

    def _decide(self, now: int) -> Step:
        """History first: nothing of it may go out."""
        before = self._core.looks_back(now)
        if before is not None:
            step = self._core.forget(outbox.history(self._reader, before, TAKE_MAX), now)
            if step.group is not None:
                self._wake.set()
                return step
        return self._core.look(outbox.pending(self._reader, now, TAKE_MAX), now)

    async def _carry_out(self, step: Step) -> None:
        """On disk first; the next look sees what was written."""
        if step.group is not None:
            await self._committer.submit(step.group, self._now())
        for message in step.calls:
            task = asyncio.create_task(self._send(message), name=f"notify.{message.key}")
            self._tasks.add(task)
            task.add_done_callback(self._landed)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._slip = self._slip or task.exception()
            self._wake.set()

    async def _send(self, message: Message) -> None:
        result = await self._try(message)
        step = self._core.answered(message, result, self._now())
        failed = self._core.fails(message.channel)
        if failed is not None:
            self._told(message.channel, failed=failed, text=result.text)
        await self._carry_out(step)

    async def _try(self, message: Message) -> Result:
        """The thread is busy until its call ends, also when nobody waits for that any more."""
        channel, to = self._roads.channels[message.channel], self._roads.address(message)
        loop = asyncio.get_running_loop()
        call = self._threads[channel.id].submit(ways.send, channel, message, to)
        call.add_done_callback(lambda _: self._ended(loop, channel.id))
        try:
            async with asyncio.timeout(TRY_S):
                return await asyncio.shield(asyncio.wrap_future(call))
        except TimeoutError:
            return Result(ok=False, text=f"超时 no answer in {TRY_S:.0f} s", unsure=True)

    def _ended(self, loop: asyncio.AbstractEventLoop, channel: str) -> None:
        """In the lane's thread: a call that ends after the daemon's loop frees nothing."""
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._free, channel)

    def _free(self, channel: str) -> None:
        self._core.freed(channel)
        self._wake.set()
