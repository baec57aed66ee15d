"""What the sender decides: what goes out now, over what, and what a provider's answer means.

No waiting, no thread and no clock here: the sender calls it in the daemon's loop, and so does a
world on a virtual clock. Every decision is a Group that has to be committed before anything that
follows from it is done: `sending` is on disk before the call.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from parkwatch.daemon.config.resolve import Channel
from parkwatch.daemon.journal.journal import Entry
from parkwatch.daemon.notify.ways import Result
from parkwatch.daemon.outbox.messages import Delivery, Message
from parkwatch.daemon.pipeline.writer import Group
from parkwatch.rules.site import SECOND_NS

TRIES_AT_ONCE = 3
"""Of one channel; each channel has threads of its own, so that none waits for a dead one."""
BACK_OFF_S = (5, 15, 60, 120, 300)
HELD_NS = 20 * SECOND_NS
"""Not even tried for so long: over the person's next channel (at most 30 s, ux.md)."""
HISTORY_NS = 120 * SECOND_NS
"""What waited longer than that beside a newer word is history: only the newest state helps."""
LOOK_BACK_NS = 10 * SECOND_NS
"""How often history is looked for while there is none."""
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
HANDED_MAX = 10_000
REPEAT = "(重复 repeat)"
OVER = "(已结束 over)"
CALLS = frozenset({"raise", "rise", "realarm", "unshelved", "late", "escalate"})
"""Kinds that call somebody to an alarm: said to be over where it has ended meanwhile."""


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
    """One channel: its tries under way, its tokens (at most a minute's worth), its failures in a
    row."""

    channel: Channel
    tokens: float
    filled: int
    busy: int = 0
    fails: int = 0

    def take(self, now: int, *, red: bool) -> bool:
        """A place and a token, if there are both; the last tokens are kept for red."""
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
class Step:
    """What to do next, decided at engine time `now`: commit `group` (where it says anything), then
    call the provider with each of `calls` as it stands, text and attempt included."""

    now: int
    deliveries: list[Delivery] = field(default_factory=list)
    instead: list[Message] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    calls: list[Message] = field(default_factory=list)

    @property
    def group(self) -> Group | None:
        """The transaction of this step."""
        if not self.entries:
            return None
        return Group(self.entries, messages=self.instead, deliveries=self.deliveries)


class Dispatcher:
    """The sender's memory between two looks; all that must outlive it is in the outbox.

    `ended` says whether an alarm's occurrence is over, `known` whether a message key is in the
    outbox already.
    """

    def __init__(
        self,
        roads: Roads,
        now: int,
        ended: Callable[[str, int], bool],
        known: Callable[[str], bool],
    ) -> None:
        self._roads = roads
        self._ended = ended
        self._known = known
        self._lanes = {c.id: Lane(c, c.per_minute, now) for c in roads.channels.values()}
        self._handed: OrderedDict[str, None] = OrderedDict()
        self._look_back = self._started = now

    def restart(self, ambiguous: Sequence[Message], now: int) -> Step:
        """What was being sent when the daemon died is sent once more, and says so from now on.

        Pacing does not hold these back: each was already counted once.
        """
        step = Step(now)
        for message in ambiguous:
            lane = self._open(step, message)
            if lane is not None:
                lane.busy += 1
                self._call(step, message, mark=REPEAT)
        return step

    def looks_back(self, now: int) -> int | None:
        """The time before which history is to be looked for, None where not now."""
        return now - HISTORY_NS if now >= self._look_back else None

    def forget(self, history: Sequence[Message], now: int) -> Step:
        """History gives way to the newest word that waits behind it."""
        step = Step(now)
        for message in history:
            self._write(step, message, "superseded", "有更新的消息 a newer word waits")
        if not history:
            self._look_back = now + LOOK_BACK_NS
        return step

    def look(self, waiting: Sequence[Message], now: int) -> Step:
        """What is sent, expires, fails or is handed over now; `waiting`: due, most urgent first."""
        step = Step(now)
        for message in waiting:
            lane = self._open(step, message)
            if lane is None:
                continue
            if lane.take(now, red=message.grade == "red"):
                self._call(step, message)
            elif message.attempt == 0 and now - max(message.due, self._started) > HELD_NS:
                # A channel that is stuck or out of tokens: the next one too; this one still tries.
                self._hand_over(step, message)
        return step

    def answered(self, message: Message, result: Result, now: int) -> Step:
        """A provider's answer to a call of `look` or `restart`, or that there was none."""
        step = Step(now)
        lane = self._lanes[message.channel]
        lane.fails = 0 if result.ok else lane.fails + 1
        if result.ok:
            self._write(step, message, "sent", result.text)
            return step
        pause_s = BACK_OFF_S[min(message.attempt, len(BACK_OFF_S)) - 1]
        due = now + pause_s * SECOND_NS
        mark = REPEAT if result.unsure else ""
        if result.final or due > message.created + _expires(message):
            self._write(step, message, "failed", result.text)
        else:
            self._write(step, message, "pending", result.text, due=due, mark=mark)
        self._hand_over(step, message)
        return step

    def freed(self, channel: str) -> None:
        """A call has ended, answered or given up: there is room for another."""
        self._lanes[channel].busy -= 1

    def fails(self, channel: str) -> bool | None:
        """Whether a channel fails; None while one failed try proves nothing."""
        fails = self._lanes[channel].fails
        return None if 0 < fails < FAILS_MIN else fails > 0

    # Pieces ----------------------------------------------------------------------------------

    def _call(self, step: Step, message: Message, mark: str = "") -> None:
        message = replace(message, attempt=message.attempt + 1, state="sending")
        self._write(step, message, "sending", mark, mark=mark)
        text = message.text if message.text.startswith(mark) else f"{mark}{message.text}"
        if message.kind in CALLS and self._ended(message.alarm, message.occurrence):
            text = f"{OVER}{text}"
        step.calls.append(replace(message, text=text))

    def _open(self, step: Step, message: Message) -> Lane | None:
        """The lane of a message that may still go; what may not is written so."""
        if step.now - message.created > _expires(message):
            self._write(step, message, "expired", "过期 too old to help")
            return None
        lane = self._lanes.get(message.channel)
        if lane is None:
            self._write(step, message, "failed", "渠道已不存在 the channel is gone")
            self._hand_over(step, message)
        return lane

    def _hand_over(self, step: Step, message: Message) -> None:
        """Once, over the person's next channel."""
        if message.key in self._handed:
            return
        self._handed[message.key] = None
        if len(self._handed) > HANDED_MAX:
            self._handed.popitem(last=False)
        instead = self._roads.instead(message, step.now)
        if instead is not None and not self._known(instead.key):
            step.instead.append(instead)
            step.entries.append(Entry("message", instead.body()))

    def _write(
        self,
        step: Step,
        message: Message,
        state: str,
        result: str,
        *,
        due: int = 0,
        mark: str = "",
    ) -> None:
        lane = self._lanes.get(message.channel)
        provider = lane.channel.kind if lane is not None else ""
        delivery = Delivery(
            message.key, message.attempt, state, result, provider, step.now, due, mark
        )
        step.deliveries.append(delivery)
        body = {
            "key": message.key,
            "attempt": message.attempt,
            "state": state,
            "result": result,
            "provider": provider,
        }
        step.entries.append(Entry("delivery", body))


def _expires(message: Message) -> int:
    return EXPIRES_NS.get(message.grade, EXPIRES_NS["blue"])
