"""What the answers of one Modbus unit mean: words in, rows with value and quality out.

No I/O and no clock. A value is trusted only with its status of the same scan; what the device says
of itself (heartbeat, settings, self-check) counts for all that it says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from parkwatch.drivers.config import ModbusUnit, Register, Span
from parkwatch.drivers.doubt import DOUBTFUL, SPARE, Leaps, Pulse, Settings, Zeroed, orders_that_fit
from parkwatch.drivers.place import ORDERS, Place, Status, weightiest
from parkwatch.drivers.registers import decode, raw_number
from parkwatch.rules.batch import Batch
from parkwatch.rules.quality import (
    BAD,
    BAD_COMMS,
    BAD_FAULT,
    BAD_STALE,
    GOOD,
    REASON_MASK,
    STATUS_MASK,
    Reason,
)

DECIMALS_MAX = 6
SETTINGS_GROUP = 1
"""Settings are read in frames of their own: one that a device refuses must take no value along."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one Span brought: words read at `at` (engine ns), or none and the quality byte that says
    why."""

    at: int
    words: Sequence[int] | None = None
    quality: int = GOOD


@dataclass(slots=True)
class Rows:
    """Readings of points, row by row."""

    points: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    qualities: list[int] = field(default_factory=list)
    received: list[int] = field(default_factory=list)

    def add(self, point: int, value: float, quality: int, at: int) -> None:
        self.points.append(point)
        self.values.append(value)
        self.qualities.append(quality)
        self.received.append(at)

    def batch(self) -> Batch:
        stamps = np.array(self.received, dtype=np.int64)
        return Batch(
            np.array(self.points, dtype=np.int32),
            np.array(self.values, dtype=np.float64),
            np.array(self.qualities, dtype=np.uint8),
            stamps,
            stamps,
            driver="modbus",
        )


@dataclass(frozen=True, slots=True)
class _Cell:
    """A register, and where the numbers that decide about it come from."""

    register: Register
    span: Span
    first: int
    """Its first word in the span's answer."""
    status: tuple[tuple[Span, Status], ...]
    plain: bool
    """Whether its words alone decide."""


class UnitDesk:
    """Reads the answers of a unit, scan by scan. `say` (kind, text) tells of what it finds."""

    def __init__(self, unit: ModbusUnit, say: Callable[[str, str], None]) -> None:
        self._cells = [_cell(register) for register in unit.registers]
        self._heartbeat, self._self_check = unit.heartbeat, unit.self_check
        self._pulse = Pulse(unit.heartbeat) if unit.heartbeat else None
        self._identities = {_span(each.place, SETTINGS_GROUP): each for each in unit.identities}
        self.settings = Settings(unit.identities, say)
        self._zeroed = Zeroed()
        self._leaps = Leaps(say)
        self._spans = tuple(dict.fromkeys(self._needed()))
        self._answers: Mapping[Span, Answer] = {}
        self._decoded: list[tuple[Sequence[int], tuple[float, int]] | None] = [None] * len(
            self._cells
        )

    def spans(self, now: int) -> Sequence[Span]:
        """What the next scan has to read: settings at connect and hourly."""
        if self.settings.due(now):
            return (*self._spans, *self._identities)
        return self._spans

    def opened(self, now: int) -> None:
        """The device answers (again): what it said before is not held against it."""
        self.settings.again()
        self._zeroed.opened(now)
        self._leaps.forget()
        if self._pulse is not None:
            self._pulse.reset()

    def scanned(self, answers: Mapping[Span, Answer]) -> Rows:
        """The rows of one scan: of every point whose span has an answer, good or bad."""
        rows = Rows()
        if not answers:
            return rows
        self._answers = answers
        at = max(answer.at for answer in answers.values())
        told = self._of_the_unit(answers, at)
        fresh: list[tuple[Register, float]] = []
        for n, cell in enumerate(self._cells):
            answer = answers.get(cell.span)
            if answer is None:
                continue
            value, quality = self._again(n, cell, answer, told)
            rows.add(cell.register.point, value, quality, answer.at)
            if not math.isnan(value):
                fresh.append((cell.register, value))
        leapt = self._leaps.doubts(fresh, at)
        if leapt:
            rows.qualities = [
                DOUBTFUL if quality == GOOD and point in leapt else quality
                for point, quality in zip(rows.points, rows.qualities, strict=True)
            ]
        return rows

    def lost(self, quality: int, at: int) -> Rows:
        """Every point of the unit with this quality."""
        rows = Rows()
        for cell in self._cells:
            rows.add(cell.register.point, math.nan, quality, at)
        return rows

    def raw(self, point: int) -> Answer | None:
        """The newest words of a point, None before the first answer."""
        for cell in self._cells:
            answer = self._answers.get(cell.span)
            if cell.register.point == point and answer is not None:
                return Answer(answer.at, _words(cell, answer), answer.quality)
        return None

    def _needed(self) -> Iterable[Span]:
        for cell in self._cells:
            yield cell.span
            yield from (span for span, _ in cell.status)
            for factor in (cell.register.times, cell.register.decimals):
                if factor is not None:
                    yield _span(factor)
        for other in (self._heartbeat, self._self_check):
            if other is not None:
                yield _span(other.place)

    def _of_the_unit(self, answers: Mapping[Span, Answer], at: int) -> list[int]:
        """The qualities that hold for every point of the unit."""
        told = []
        if self._heartbeat is not None and self._pulse is not None:
            answer = answers.get(_span(self._heartbeat.place))
            if self._pulse.stands(answer.words if answer else None, at):
                told.append(BAD_STALE)
        read = [a.words for s, a in answers.items() if not s.group and a.words is not None]
        if self._zeroed.doubts(read, at):
            told.append(BAD_COMMS)
        if not self._order_fits(answers):
            told.append(BAD_FAULT)
        self._read_settings(answers, at)
        return told

    def _order_fits(self, answers: Mapping[Span, Answer]) -> bool:
        """Whether the self-check register holds what it must; where it was not read, as before."""
        check = self._self_check
        answer = answers.get(_span(check.place)) if check is not None else None
        if check is not None and answer is not None and answer.words is not None:
            fits = orders_that_fit(check, answer.words, ORDERS)
            wrong = ""
            if check.place.order not in fits:
                hint = f', order = "{fits[0]}"?' if fits else ""
                seen = raw_number(check.place, answer.words)
                wrong = f"自检 self-check {seen:g} ≠ {check.value:g}{hint}"
            self.settings.check(wrong)
        return not self.settings.checked

    def _read_settings(self, answers: Mapping[Span, Answer], at: int) -> None:
        asked = {each: answers[span] for span, each in self._identities.items() if span in answers}
        if asked:
            words = {each: a.words for each, a in asked.items() if a.words is not None}
            lost = any(a.quality == BAD_COMMS for a in asked.values())
            self.settings.read(words, at, lost=lost)

    def _again(self, n: int, cell: _Cell, answer: Answer, told: list[int]) -> tuple[float, int]:
        """The same, decoded once as long as plain words stay as they are."""
        if answer.words is None or told or self.settings.quality or not cell.plain:
            return self._read(cell, answer, told)
        words = _sliced(cell, answer.words)
        before = self._decoded[n]
        if before is None or before[0] != words:
            before = self._decoded[n] = (words, decode(cell.register, words))
        return before[1]

    def _read(self, cell: _Cell, answer: Answer, told: list[int]) -> tuple[float, int]:
        """Value and quality of one point."""
        register = cell.register
        if answer.words is None:
            return math.nan, answer.quality
        settings = self.settings.quality.get(register.point, GOOD)
        factor, unread = self._factor(register)
        value, quality = decode(register, _sliced(cell, answer.words), factor)
        said = [quality, settings, unread, *told, *map(self._judged, cell.status)]
        whole = weightiest([*said, SPARE] if register.spare else said)
        if whole & STATUS_MASK >= BAD:
            return math.nan, whole
        if math.isnan(value):
            # The device says that there is more than it can say: never less than full scale.
            over = whole & REASON_MASK == Reason.OVER_RANGE
            return (register.high, whole) if over else (math.nan, quality)
        return value, whole

    def _judged(self, rule: tuple[Span, Status]) -> int:
        """What a status register says; one that nobody has read says that nothing is known."""
        span, status = rule
        answer = self._answers.get(span)
        if answer is None or answer.words is None:
            return BAD_COMMS
        number = raw_number(status.place, answer.words)
        return status.judge(int(number)) if math.isfinite(number) else BAD_FAULT

    def _factor(self, register: Register) -> tuple[float, int]:
        """What other registers multiply a value with, and the quality where they do not say."""
        factor = 1.0
        for place in (register.times, register.decimals):
            if place is None:
                continue
            answer = self._answers.get(_span(place))
            if answer is None or answer.words is None:
                return 1.0, BAD_COMMS
            number = raw_number(place, answer.words)
            if place is register.times and 0 < number < math.inf:
                factor *= number
            elif place is register.decimals and 0 <= number <= DECIMALS_MAX:
                factor /= 10**number
            else:
                return 1.0, BAD_FAULT
        return factor, GOOD


def _cell(register: Register) -> _Cell:
    r = register
    place = Place(r.function, r.address, r.type, r.order, r.mask, 0, r.frame)
    first = r.address - place.span[1]
    plain = not (r.status or r.spare or r.times or r.decimals)
    return _Cell(r, _span(place), first, tuple((_span(s.place), s) for s in r.status), plain)


def _span(place: Place, group: int = 0) -> Span:
    function, address, count = place.span
    return Span(function, address, count, group, exact=place.frame is not None)


def _sliced(cell: _Cell, words: Sequence[int]) -> Sequence[int]:
    return words[cell.first : cell.first + cell.register.words]


def _words(cell: _Cell, answer: Answer) -> Sequence[int] | None:
    return None if answer.words is None else _sliced(cell, answer.words)
