"""The outbox on its way: `sending` is written before the call, the result after it.

One target a try. Sent is not delivered, is not read, is not acknowledged. What was in `sending`
when a daemon died is sent once more, marked as a repeat: only that can have gone out twice.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol

import apprise

from parkwatch.daemon.config.resolve import Channel
from parkwatch.daemon.outbox import messages as outbox
from parkwatch.daemon.outbox.messages import Delivery, Message
from parkwatch.daemon.pipeline.commit import Committer, Entry, Group
from parkwatch.rules.site import SECOND_NS

log = logging.getLogger("parkwatch.notify")
LOOK_S = 0.25
TAKE_MAX = 64
THREADS = 8
TRY_S = 15.0
BACK_OFF_S = (5, 15, 60, 120, 300)
EXPIRES_NS = {
    "red": 30 * 60 * SECOND_NS,
    "orange": 60 * 60 * SECOND_NS,
    "yellow": 4 * 3600 * SECOND_NS,
    "blue": 12 * 3600 * SECOND_NS,
}
RED_RESERVE = 5
"""Of a channel's messages a minute so many are kept for red."""


@dataclass(slots=True)
class _Bucket:
    """Tokens of one channel; refilled by time, never more than a minute's worth."""

    per_minute: int
    tokens: float
    filled: int

    def take(self, now: int, *, red: bool) -> bool:
        self.tokens = min(
            self.per_minute, self.tokens + (now - self.filled) / 60e9 * self.per_minute
        )
        self.filled = now
        floor = 0 if red else min(RED_RESERVE, self.per_minute // 2)
        if self.tokens - 1 < floor:
            return False
        self.tokens -= 1
        return True


class Told(Protocol):
    """Who learns that a channel fails or works again."""

    def __call__(self, channel: str, *, failed: bool, text: str) -> None:
        """`text` is the last result."""


class Sender:
    """Takes what is pending, most urgent first, and sends it through apprise."""

    def __init__(
        self,
        reader: sqlite3.Connection,
        committer: Committer,
        channels: Mapping[str, Channel],
        now: Callable[[], int],
        told: Told,
    ) -> None:
        self._reader = reader
        self._committer = committer
        self._channels = channels
        self._now = now
        self._told = told
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="notify")
        self._buckets = {
            c.id: _Bucket(c.per_minute, c.per_minute, now()) for c in channels.values()
        }
        self._flying: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._slip: BaseException | None = None

    def wake(self) -> None:
        """There may be something new."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        try:
            for message in outbox.ambiguous(self._reader):
                again = replace(message, text=f"(重复 repeat){message.text}")
                self._fly(again)
            while True:
                self._wake.clear()
                if self._slip is not None:
                    raise self._slip
                await self._round()
                try:
                    async with asyncio.timeout(LOOK_S):
                        await self._wake.wait()
                except TimeoutError:
                    continue  # Something may have become due meanwhile.
        finally:
            for task in self._flying.values():
                task.cancel()
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def _round(self) -> None:
        now = self._now()
        for message in outbox.pending(self._reader, now, TAKE_MAX):
            if message.key in self._flying:
                continue
            if now - message.created > EXPIRES_NS[message.grade]:
                await self._mark(message, "expired", "过期 too old to help")
            elif self._buckets[message.channel].take(now, red=message.grade == "red"):
                self._fly(message)

    def _fly(self, message: Message) -> None:
        task = asyncio.create_task(self._send(message), name=f"notify.{message.key}")
        self._flying[message.key] = task
        task.add_done_callback(lambda done: self._landed(message.key, done))

    def _landed(self, key: str, task: asyncio.Task[None]) -> None:
        """A try that ended by a slip of ours must end the daemon, not vanish."""
        self._flying.pop(key, None)
        if not task.cancelled() and task.exception() is not None:
            self._slip = task.exception()
            self._wake.set()

    async def _send(self, message: Message) -> None:
        message = replace(message, attempt=message.attempt + 1)
        await self._mark(message, "sending", "")
        ok, result = await self._try(message)
        self._told(message.channel, failed=not ok, text=result)
        if ok:
            await self._mark(message, "sent", result)
            return
        pause_s = BACK_OFF_S[min(message.attempt, len(BACK_OFF_S)) - 1]
        due = self._now() + pause_s * SECOND_NS
        if due - message.created > EXPIRES_NS[message.grade]:
            await self._mark(message, "failed", result)
        else:
            await self._mark(message, "pending", result, due)

    async def _try(self, message: Message) -> tuple[bool, str]:
        url = self._channels[message.channel].url
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(TRY_S):
                return await loop.run_in_executor(self._threads, _notify, url, message)
        except TimeoutError:
            return False, f"超时 no answer in {TRY_S:.0f} s"

    async def _mark(self, message: Message, state: str, result: str, due: int = 0) -> None:
        now = self._now()
        delivery = Delivery(message.key, message.attempt, state, result, "apprise", now, due)
        body = {
            "key": message.key,
            "attempt": message.attempt,
            "state": state,
            "result": result,
            "provider": "apprise",
        }
        group = Group(entries=[Entry("delivery", body)], deliveries=[delivery])
        await self._committer.submit(group, now)


def _notify(url: str, message: Message) -> tuple[bool, str]:
    """One call of one service, its own throttle off: pacing is ours, red first."""
    service = apprise.Apprise.instantiate(url)
    if service is None:
        return False, "地址无效 not an apprise URL"
    service.request_rate_per_sec = 0
    sent = service.notify(title=message.title, body=message.text, notify_type="warning")
    return bool(sent), "已受理 accepted" if sent else "服务拒绝或无应答 refused or no answer"
