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
from dataclasses import dataclass, field, replace
from typing import Protocol

from parkwatch.daemon.config.resolve import Channel
from parkwatch.daemon.journal.journal import Entry
from parkwatch.daemon.notify import ways
from parkwatch.daemon.notify.ways import Result
from parkwatch.daemon.outbox import messages as outbox
from parkwatch.daemon.outbox.messages import Delivery, Message
from parkwatch.daemon.pipeline.commit import Committer
from parkwatch.daemon.pipeline.writer import Group
from parkwatch.rules.site import SECOND_NS

log = logging.getLogger("parkwatch.notify")
LOOK_S = 0.25
GAP_S = 0.05
"""Between two looks: a flood of commits must not keep the loop reading the outbox."""
TAKE_MAX = 500
TRIES_AT_ONCE = 3
"""Of one channel; each channel has threads of its own, so that none waits for a dead one."""
TRY_S = 15.0
CLOSE_S = 3.0
BACK_OFF_S = (5, 15, 60, 120, 300)
HELD_NS = 20 * SECOND_NS
"""Not even tried for so long: over the person's next channel (at most 30 s, ux.md)."""
FAILS_MIN = 2
"""So many failed tries in a row make a channel's alarm."""
EXPIRES_NS = {
    "red": 30 * 60 * SECOND_NS,
    "orange": 60 * 60 * SECOND_NS,
    "yellow": 4 * 3600 * SECOND_NS,
    "blue": 12 * 3600 * SECOND_NS,
}
RED_RESERVE = 5
"""Of a channel's messages a minute so many are kept for red."""


class Told(Protocol):
    """Who learns that a channel fails or works again."""

    def __call__(self, channel: str, *, failed: bool, text: str) -> None:
        """`text` is the last result."""


class Roads(Protocol):
    """What the sender asks of the policy."""

    @property
    def channels(self) -> Mapping[str, Channel]:
        """Channels by id."""

    def instead(self, message: Message, now: int) -> Message | None:
        """The same message over the person's next channel."""

    def address(self, message: Message) -> str:
        """Whom a webhook names in `to`."""


@dataclass(slots=True)
class Lane:
    """One channel: its threads, its tokens (at most a minute's worth), its failures in a row."""

    channel: Channel
    tokens: float
    filled: int
    threads: ThreadPoolExecutor
    busy: int = 0
    fails: int = 0

    def take(self, now: int, *, red: bool) -> bool:
        """A thread and a token, if there are both; the last tokens are kept for red."""
        per_minute = self.channel.per_minute
        gained = (now - self.filled) / (60 * SECOND_NS) * per_minute
        self.tokens = min(per_minute, self.tokens + gained)
        self.filled = now
        floor = 0 if red else min(RED_RESERVE, per_minute // 2)
        if self.busy >= TRIES_AT_ONCE or self.tokens - 1 < floor:
            return False
        self.tokens -= 1
        self.busy += 1
        return True


@dataclass(slots=True)
class _Flying:
    """Tries under way by message key, and what a slip of ours in one of them raised."""

    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    slip: BaseException | None = None


class Sender:
    """Takes what is pending, most urgent first, and sends it over its channel."""

    def __init__(
        self,
        outbox_reader: sqlite3.Connection,
        committer: Committer,
        roads: Roads,
        now: Callable[[], int],
        told: Told,
    ) -> None:
        self._reader = outbox_reader
        self._committer = committer
        self._roads = roads
        self._now = now
        self._told = told
        self._lanes = {c.id: _lane(c, now()) for c in roads.channels.values()}
        self._flying = _Flying()
        self._handed: set[str] = set()
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """There may be something new."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled; then what is under way gets a few seconds to end."""
        try:
            await asyncio.get_running_loop().run_in_executor(None, ways.warm_up)
            await self._repeat_ambiguous()
            while True:
                self._wake.clear()
                if self._flying.slip is not None:
                    raise self._flying.slip
                await self._round()
                await asyncio.sleep(GAP_S)
                try:
                    async with asyncio.timeout(LOOK_S):
                        await self._wake.wait()
                except TimeoutError:
                    continue  # Something may have become due meanwhile.
        finally:
            tasks = list(self._flying.tasks.values())
            if tasks:
                await asyncio.wait(tasks, timeout=CLOSE_S)
            for task in tasks:
                task.cancel()
            for lane in self._lanes.values():
                lane.threads.shutdown(wait=False, cancel_futures=True)

    async def _repeat_ambiguous(self) -> None:
        """Pacing does not hold these back: each was already counted once."""
        for message in outbox.ambiguous(self._reader):
            lane = self._lanes.get(message.channel)
            if lane is None:
                await self._mark(message, "failed", "渠道已不存在 the channel is gone")
                continue
            lane.busy += 1
            self._fly(lane, replace(message, text=f"(重复 repeat){message.text}"))

    async def _round(self) -> None:
        now = self._now()
        try:
            waiting = outbox.pending(self._reader, now, TAKE_MAX)
        except sqlite3.OperationalError as error:
            log.warning("outbox: %s", error)  # Busy: the next look is a moment away.
            return
        for message in waiting:
            lane = self._lanes.get(message.channel)
            if message.key in self._flying.tasks:
                continue
            if now - message.created > EXPIRES_NS.get(message.grade, EXPIRES_NS["blue"]):
                await self._mark(message, "expired", "过期 too old to help")
            elif lane is None:
                await self._mark(message, "failed", "渠道已不存在 the channel is gone")
            elif lane.take(now, red=message.grade == "red"):
                self._fly(lane, message)
            elif message.attempt == 0 and now - message.due > HELD_NS:
                await self._hand_over(message, now)

    def _fly(self, lane: Lane, message: Message) -> None:
        task = asyncio.create_task(self._send(lane, message), name=f"notify.{message.key}")
        self._flying.tasks[message.key] = task
        task.add_done_callback(lambda done: self._landed(message.key, done))

    def _landed(self, key: str, task: asyncio.Task[None]) -> None:
        """A try that ended by a slip of ours must end the daemon, not vanish."""
        self._flying.tasks.pop(key, None)
        if not task.cancelled() and task.exception() is not None:
            self._flying.slip = task.exception()
        self._wake.set()

    async def _send(self, lane: Lane, message: Message) -> None:
        message = replace(message, attempt=message.attempt + 1)
        try:
            await self._mark(message, "sending", "")
        except BaseException:
            lane.busy -= 1
            raise
        result = await self._try(lane, message)
        self._tell(lane, result)
        if result.ok:
            await self._mark(message, "sent", result.text)
            return
        now = self._now()
        pause_s = BACK_OFF_S[min(message.attempt, len(BACK_OFF_S)) - 1]
        due = now + pause_s * SECOND_NS
        expires = message.created + EXPIRES_NS.get(message.grade, EXPIRES_NS["blue"])
        instead = self._instead(message, now) if message.attempt == 1 else None
        if result.final or due > expires:
            await self._mark(message, "failed", result.text, instead=instead)
        else:
            await self._mark(message, "pending", result.text, due=due, instead=instead)

    async def _try(self, lane: Lane, message: Message) -> Result:
        """The thread is busy until its call ends, also when nobody waits for that any more."""
        to = self._roads.address(message)
        loop = asyncio.get_running_loop()
        call = lane.threads.submit(ways.send, lane.channel, message, to)
        call.add_done_callback(lambda _: self._ended(loop, lane))
        try:
            async with asyncio.timeout(TRY_S):
                return await asyncio.shield(asyncio.wrap_future(call))
        except TimeoutError:
            return Result(ok=False, text=f"超时 no answer in {TRY_S:.0f} s")

    def _ended(self, loop: asyncio.AbstractEventLoop, lane: Lane) -> None:
        """In the lane's thread: a call that ends after the daemon's loop frees nothing."""
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._free, lane)

    def _free(self, lane: Lane) -> None:
        lane.busy -= 1
        self._wake.set()

    def _tell(self, lane: Lane, result: Result) -> None:
        lane.fails = 0 if result.ok else lane.fails + 1
        if result.ok or lane.fails >= FAILS_MIN:
            self._told(lane.channel.id, failed=not result.ok, text=result.text)

    def _instead(self, message: Message, now: int) -> Message | None:
        if message.key in self._handed:
            return None
        self._handed.add(message.key)
        return self._roads.instead(message, now)

    async def _hand_over(self, message: Message, now: int) -> None:
        """A channel that is stuck or out of tokens: the next one too; this one still tries."""
        instead = self._instead(message, now)
        if instead is not None:
            group = Group(entries=[_announced(instead)], messages=[instead])
            await self._committer.submit(group, now)

    async def _mark(
        self,
        message: Message,
        state: str,
        result: str,
        *,
        due: int = 0,
        instead: Message | None = None,
    ) -> None:
        now = self._now()
        lane = self._lanes.get(message.channel)
        provider = lane.channel.kind if lane is not None else ""
        delivery = Delivery(message.key, message.attempt, state, result, provider, now, due)
        body = {
            "key": message.key,
            "attempt": message.attempt,
            "state": state,
            "result": result,
            "provider": provider,
        }
        more = [instead] if instead is not None else []
        entries = [Entry("delivery", body), *(_announced(each) for each in more)]
        await self._committer.submit(Group(entries, messages=more, deliveries=[delivery]), now)


def _lane(channel: Channel, now: int) -> Lane:
    threads = ThreadPoolExecutor(TRIES_AT_ONCE, f"notify.{channel.id}")
    return Lane(channel, channel.per_minute, now, threads)


def _announced(message: Message) -> Entry:
    """The `message` record of a message that no transition made."""
    return Entry(
        "message",
        {
            "key": message.key,
            "alarm": message.alarm,
            "occurrence": message.occurrence,
            "text": message.text,
            "person": message.person,
        },
    )
