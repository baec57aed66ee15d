"""What makes the values of one unit doubtful although every frame was good: no I/O, no clock.

A heart that stands, settings that differ, a buffer of zeros, values that leap. Each doubt degrades
towards alarm: bad is UNKNOWN and clears nothing, uncertain still alarms; none hides a value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from parkwatch.drivers.config import Register
from parkwatch.drivers.place import Heartbeat, Identity, SelfCheck
from parkwatch.drivers.registers import raw_number, text_of
from parkwatch.rules.quality import BAD, BAD_FAULT, UNCERTAIN, Reason
from parkwatch.rules.site import SECOND_NS

DOUBTFUL = UNCERTAIN | Reason.DOUBTFUL
SPARE = BAD | Reason.OUT_OF_SERVICE
IDENTITY_NS = 3600 * SECOND_NS
"""Settings are read at connect and this often."""
RETRY_NS = 60 * SECOND_NS
HOLD_NS = 10 * SECOND_NS
"""So long a device that came back as nothing but zeros is not believed, and so long what leapt
together is doubtful after the last leap."""
LEAP, TOGETHER_MIN, TOGETHER_SHARE = 0.2, 4, 0.8
"""Of the range, in one scan; that many channels at least, and that share of the unit's."""
STATE = 1.0
"""The span of what is on or off: a trip changes many of them at once."""
_FLOATS = ("f32", "f64")
Say = Callable[[str, str], None]


class Pulse:
    """The heartbeat of a unit; it lives until it has stood for too long."""

    def __init__(self, heartbeat: Heartbeat) -> None:
        self._place = heartbeat.place
        self._still_ns = heartbeat.still_ns
        self._last: float | None = None
        self._moved: int | None = None

    def reset(self) -> None:
        """Nothing is known of it: the unit was away."""
        self._last = self._moved = None

    def stands(self, words: Sequence[int] | None, at: int) -> bool:
        """Whether it stands, with what was read of it at `at` (None: nothing)."""
        if words is not None:
            number = raw_number(self._place, words)
            if number != self._last:
                self._last, self._moved = number, at
        if self._moved is None:
            self._moved = at
        return at - self._moved >= self._still_ns


class Settings:
    """What the device says of itself, against the configuration or against what was first seen."""

    def __init__(self, identities: Sequence[Identity], say: Say) -> None:
        self._identities = identities
        self._say = say
        self._first: dict[Identity, float | str] = {}
        self._wrong: dict[Identity, str] = {}
        self._spare: set[Identity] = set()
        self._told: str | None = None
        self._unread: list[str] = []
        self.checked: str | None = None
        """What is wrong with the self-check; None where nothing has been read of it."""
        self._due = 0
        self.quality: Mapping[int, int] = {}
        """What the settings make of points, by index; points that they say nothing of are left
        out."""

    def snapshot(self) -> dict[str, float | str]:
        """What was first seen of each, by name: another device in its place is found by it."""
        return {each.name: seen for each, seen in self._first.items()}

    def restore(self, state: Mapping[str, float | str]) -> None:
        """The reverse of `snapshot`; a setting that is no longer read is forgotten."""
        self._first = {each: state[each.name] for each in self._identities if each.name in state}

    def due(self, now: int) -> bool:
        """Whether they are to be read."""
        return bool(self._identities) and now >= self._due

    def again(self) -> None:
        """Read them with the next scan: another device may have been put in its place."""
        self._due = 0

    def read(self, words: Mapping[Identity, Sequence[int]], now: int, *, lost: bool) -> None:
        """Judge what was read of each; what was not keeps what was known of it. `lost`: some of it
        was not answered at all, and is asked for again soon."""
        self._due = now + (RETRY_NS if lost else IDENTITY_NS)
        unread = [each.name for each in self._identities if each not in words]
        if unread and unread != self._unread:
            text = ", ".join(unread)
            self._say("settings_unread", f"设置读不到 settings are not answered: {text}")
        self._unread = unread
        for each, found in words.items():
            self._wrong.pop(each, None)
            fault = self._judge(each, found)
            if fault:
                self._wrong[each] = fault
        self.quality = self._qualities()
        self._tell()

    def check(self, wrong: str) -> None:
        """What the self-check says, empty where it is right."""
        if wrong != self.checked:
            self.checked = wrong
            self._tell()

    def _judge(self, each: Identity, words: Sequence[int]) -> str:
        """What is wrong with a setting, empty where nothing is."""
        seen: float | str
        if each.place.type == "ascii":
            seen = text_of(each.place, words)
        else:
            raw = raw_number(each.place, words)
            (self._spare.add if raw in each.spare else self._spare.discard)(each)
            seen = float(f"{raw * each.scale:.15g}")
        expected = each.expected or (self._first.setdefault(each, seen),)
        if any(_same(seen, one) for one in expected):
            return ""
        should = " / ".join(_named(each, one) for one in expected)
        return f"{each.name} {_named(each, seen)} ≠ {should}"

    def _qualities(self) -> Mapping[int, int]:
        made = {point: SPARE for each in self._spare for point in each.points}
        for each in self._wrong:
            worse = BAD_FAULT if each.essential else DOUBTFUL
            made |= {point: max(worse, made.get(point, 0)) for point in each.points}
        return made

    def _tell(self) -> None:
        text = "; ".join(filter(None, (self.checked, *self._wrong.values())))
        if not text and self._unread:
            return  # What was not read has not been found right.
        if text != self._told:
            self._told = text
            if text:
                self._say("settings", f"盘上设置不符 the device's settings differ: {text}")
            else:
                self._say(
                    "settings_over", "盘上设置相符 the device's settings are as they should be"
                )


def _same(seen: float | str, expected: float | str) -> bool:
    if isinstance(seen, str) or isinstance(expected, str):
        return seen == expected
    return math.isclose(seen, expected, rel_tol=1e-6)


def _named(each: Identity, seen: float | str) -> str:
    if isinstance(seen, str):
        return f'"{seen}"'
    return next((name for code, name in each.names if code == seen), f"{seen:g}")


def orders_that_fit(check: SelfCheck, words: Sequence[int], orders: Sequence[str]) -> list[str]:
    """The word orders in which a self-check register holds what it must."""
    return [
        order
        for order in orders
        if math.isclose(raw_number(check.place.turned(order), words), check.value, rel_tol=1e-6)
    ]


@dataclass(slots=True)
class Zeroed:
    """A device that came back with a buffer of zeros: not believed until something moves in it."""

    _lively: bool = False
    _since: int | None = None

    def opened(self, now: int) -> None:
        self._since = now if self._lively else None

    def doubts(self, words: Sequence[Sequence[int]], now: int) -> bool:
        """Whether what was read (values, status and heartbeat) is such a buffer; before the unit
        was lost something of it was not zero."""
        if any(any(each) for each in words):
            self._lively, self._since = True, None
            return False
        if self._since is not None and now - self._since >= HOLD_NS:
            self._since = None  # Nothing but zeros for long: it is what the device measures.
        return self._since is not None


@dataclass(slots=True)
class Leaps:
    """Values that leap: many at once by a power dip or warm-up, one by a tear."""

    say: Say
    _last: dict[int, float] = field(default_factory=dict)
    _together: int | None = None

    def forget(self) -> None:
        """What was before the unit was lost is nothing to compare with."""
        self._last.clear()
        self._together = None

    def doubts(self, rows: Sequence[tuple[Register, float]], now: int) -> frozenset[int]:
        """The points whose values are doubtful, of what one scan has read with a value."""
        leapt, torn, count = 0, set(), 0
        for register, value in rows:
            before = self._last.get(register.point)
            self._last[register.point] = value
            span = register.high - register.low
            if register.type == "bit" or register.mask or span <= STATE:
                continue
            count += 1
            if before is None:
                continue
            way = abs(value - before)
            leapt += way >= LEAP * span
            if way > span and register.words > 1 and register.type not in _FLOATS:
                torn.add(register.point)
        if leapt >= TOGETHER_MIN and leapt >= TOGETHER_SHARE * count:
            if self._together is None:
                self.say("leap", f"{leapt}/{count} 通道同时跳变 channels leapt at once")
            self._together = now
        elif self._together is not None and now - self._together >= HOLD_NS:
            self._together = None
        if self._together is not None:
            return frozenset(register.point for register, _ in rows)
        return frozenset(torn)
