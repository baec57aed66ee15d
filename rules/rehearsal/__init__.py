"""Rehearsals: what the rules make of a written series, on a virtual clock, held against
expectations. The same engine as the daemon's; nothing of a rehearsal depends on when it runs.

At equal times readings come first, then what people do, then what is expected. Points without a
series are silent: they become stale, and a zone that they leave with one detector is a zone with
one detector. Only what their own silence raises is no part of what a test expects: alarms that they
own, links of their devices, `blind-*` of their zones. An alarm that is expected by name counts
always. Shadow alarms count only where a test asks for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from parkwatch.rules.alarms.why import line
from parkwatch.rules.batch import Batch
from parkwatch.rules.engine import Engine
from parkwatch.rules.rehearsal.series import Sample, written
from parkwatch.rules.site import SECOND_NS, Limit, Site
from parkwatch.rules.transition import Command, Transition

START_NS = 1_767_196_800 * SECOND_NS
"""2026-01-01 00:00 in China: when a rehearsal begins unless it says so itself."""
NORMAL, SHADOW_ACTIVE = "normal", "active"
ROLE = "shift-lead"
AROUND = 5
RAISING = frozenset({"raise", "reraise", "rise"})


@dataclass(frozen=True, slots=True)
class Seen:
    """An alarm as a test writes or finds it; empty where it says nothing. `state` is the shown
    one; `normal`: it must not be there. `why` explains what was found, Chinese and English."""

    id: str
    grade: str = ""
    state: str = ""
    peak: str = ""
    shadow: bool = False
    why: tuple[str, str] = ("", "")

    def matches(self, found: Seen | None) -> bool:
        """Whether what was found is as written."""
        if found is None:
            return self.state == NORMAL
        pairs = ((self.grade, found.grade), (self.state, found.state), (self.peak, found.peak))
        return all(asked in ("", got) for asked, got in pairs)


@dataclass(frozen=True, slots=True)
class Expect:
    """What must be there `at_ns` after the start; `only`: and nothing else."""

    at_ns: int
    alarms: Sequence[Seen]
    only: bool = True
    line: int = 0


@dataclass(frozen=True, slots=True)
class Act:
    """What a person does; `refused` is the code with which it must be refused."""

    at_ns: int
    action: str
    alarm: str
    role: str = ROLE
    refused: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """One test. `series` by point index, a reading every `every_ns` from the start on; `rest`:
    points that read the same until the end."""

    name: str
    series: Mapping[int, Sequence[Sample | None]]
    expects: Sequence[Expect]
    acts: Sequence[Act] = ()
    rest: Mapping[int, Sample] = field(default_factory=dict)
    every_ns: int = SECOND_NS
    start_ns: int = START_NS
    line: int = 0

    @property
    def marks(self) -> list[Act | Expect]:
        """What happens and what is expected; at one moment acts come first."""
        return [*self.acts, *self.expects]

    @property
    def steps(self) -> int:
        """How many moments of readings there are."""
        longest = max(map(len, self.series.values()), default=0)
        until = max((mark.at_ns for mark in self.marks), default=0) // self.every_ns + 1
        return max(longest, until if self.rest else 0)


@dataclass(frozen=True, slots=True)
class Miss:
    """A wrong expectation or act: pairs of expected and got (None: nothing), the series around."""

    at_ns: int
    line: int
    wrong: Sequence[tuple[Seen | None, Seen | None]] = ()
    said: str = ""
    series: Mapping[str, Sequence[tuple[int, str]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, order=True)
class Rule:
    """One level of one alarm; an armed and a shadow rule of one alarm are two."""

    alarm: str
    level: int
    shadow: bool = False


class Coverage:
    """Which rules were announced at their own level, and ended after that, at least once.

    A level that was jumped over proves nothing of its own set point and is not covered.
    """

    def __init__(self, site: Site) -> None:
        self.raised: dict[Rule, bool] = dict.fromkeys(rules_of(site), False)
        self.returned: dict[Rule, bool] = dict.fromkeys(self.raised, False)

    def take(self, transitions: Iterable[Transition]) -> None:
        """Look at what an engine said, in its order."""
        for t in transitions:
            level, shadow = int(t.cause.get("level", 0)), bool(t.cause.get("shadow"))
            rule = Rule(t.alarm, level, shadow)
            if t.event in RAISING and rule in self.raised:
                self.raised[rule] = True
            if t.event in ("fall", "return"):
                for upper in self._above(t.alarm, level, shadow=shadow):
                    self.returned[upper] = True

    def _above(self, alarm: str, level: int, *, shadow: bool) -> list[Rule]:
        """Levels that were raised before and are over now."""
        return [
            rule
            for rule in (Rule(alarm, above, shadow) for above in range(level + 1, 5))
            if self.raised.get(rule)
        ]

    @property
    def percent(self) -> float:
        """Covered rules of all, 100 where there is none."""
        covered = sum(self.returned.values())
        return 100.0 * covered / len(self.returned) if self.returned else 100.0


def rules_of(site: Site) -> list[Rule]:
    """Every rule that the configuration makes: levels of limits, and the votes of zones."""
    found = {Rule(alarm_of(site, limit), limit.level, limit.shadow) for limit in site.limits}
    for limit in site.limits:
        if limit.votes and not limit.shadow:
            point = site.points[limit.point]
            found.add(Rule(f"{point.zone}:vote-{point.gas.lower()}", 1))
    return sorted(found)


def alarm_of(site: Site, limit: Limit) -> str:
    """The id of the alarm that a limit belongs to."""
    return limit.alarm or f"{site.points[limit.point].id}:{limit.group}"


def rehearse(site: Site, test: Rehearsal, coverage: Coverage) -> list[Miss]:
    """Run one test on an engine of its own; what was not as expected, in order of time."""
    return _Run(site, test, coverage).misses


class _Run:
    def __init__(self, site: Site, test: Rehearsal, coverage: Coverage) -> None:
        self._site, self._test, self._coverage = site, test, coverage
        self._engine = Engine(site, test.start_ns)
        self._shadows: dict[str, Transition] = {}
        self._silent = _silence(site, {*test.series, *test.rest})
        self.misses: list[Miss] = []
        marks: dict[int, list[Act | Expect]] = {}
        for each in test.marks:
            marks.setdefault(each.at_ns, []).append(each)
        stamps = {step * test.every_ns: step for step in range(test.steps)}
        for at in sorted({*stamps, *marks}):
            self._keep(self._engine.advance(test.start_ns + at))
            if at in stamps:
                self._read(stamps[at], at)
            for each in marks.get(at, ()):
                if isinstance(each, Act):
                    self._act(each)
                else:
                    self._expect(each)

    def _keep(self, said: Sequence[Transition]) -> None:
        self._coverage.take(said)
        for t in said:
            if t.cause.get("shadow"):
                self._shadows[t.alarm] = t
                if t.event == "return":
                    del self._shadows[t.alarm]

    def _read(self, step: int, at: int) -> None:
        """Feed what stands at one step of all series."""
        read = dict(self._test.rest)
        for point, samples in self._test.series.items():
            sample = samples[step] if step < len(samples) else None
            if sample is not None:
                read[point] = sample
        if not read:
            return
        points = sorted(read)
        stamps = np.full(len(points), self._test.start_ns + at, dtype=np.int64)
        self._keep(
            self._engine.feed(
                Batch(
                    np.array(points, dtype=np.int32),
                    np.array([read[p].value for p in points], dtype=np.float64),
                    np.array([read[p].quality for p in points], dtype=np.uint8),
                    stamps,
                    stamps,
                )
            )
        )

    def _act(self, act: Act) -> None:
        view = self._engine.alarm(act.alarm)
        occurrence, version = (view.occurrence, view.version) if view is not None else (0, 0)
        command = Command(
            f"{self._test.name}/{act.at_ns}/{act.action}/{act.alarm}", act.action, act.alarm,
            occurrence, version, "rehearsal", act.role, "rehearsal",
        )  # fmt: skip
        outcome = self._engine.command(command, self._test.start_ns + act.at_ns)
        self._keep(outcome.transitions)
        if outcome.code != act.refused:
            asked = act.refused or "ok"
            said = f"{act.action} {act.alarm}: 期望 expected {asked}, 得到 got "
            said += f"{outcome.code} {outcome.what}" if outcome.code else "ok"
            self._miss(act, said=said)

    def _expect(self, expect: Expect) -> None:
        found = {(seen.id, seen.shadow): seen for seen in self._seen()}
        named = {(seen.id, seen.shadow) for seen in expect.alarms}
        wrong: list[tuple[Seen | None, Seen | None]] = [
            (seen, found.get((seen.id, seen.shadow)))
            for seen in expect.alarms
            if not seen.matches(found.get((seen.id, seen.shadow)))
        ]
        if expect.only:
            wrong += [
                (None, seen)
                for key, seen in sorted(found.items())
                if key not in named and not seen.shadow and not self._silent.explains(seen.id)
            ]
        if wrong:
            self._miss(expect, wrong=wrong)

    def _seen(self) -> Iterable[Seen]:
        for view in self._engine.alarms():
            why = (line(view, "zh"), line(view, "en"))
            yield Seen(view.alarm, str(view.grade), view.state, str(view.peak), why=why)
        for t in self._shadows.values():
            why = (line(t, "zh"), line(t, "en"))
            yield Seen(t.alarm, str(t.grade), SHADOW_ACTIVE, str(t.peak), shadow=True, why=why)

    def _miss(
        self,
        mark: Act | Expect,
        *,
        wrong: Sequence[tuple[Seen | None, Seen | None]] = (),
        said: str = "",
    ) -> None:
        around = _around(self._site, self._test, mark.at_ns)
        self.misses.append(Miss(mark.at_ns, mark.line, wrong, said, around))


@dataclass(frozen=True, slots=True)
class _Silence:
    """What silent points raise by their silence alone."""

    owners: frozenset[str]
    zones: frozenset[str]

    def explains(self, alarm: str) -> bool:
        owner, _, group = alarm.rpartition(":")
        return owner in self.owners or (owner in self.zones and group.startswith("blind-"))


def _silence(site: Site, read: set[int]) -> _Silence:
    silent = [point for point in site.points if point.index not in read]
    owners = {point.id for point in silent} | {point.device for point in silent}
    owners |= {site.devices[p.device].gateway for p in silent if p.device in site.devices}
    return _Silence(frozenset(owners), frozenset(point.zone for point in silent))


def _around(site: Site, test: Rehearsal, at_ns: int) -> Mapping[str, Sequence[tuple[int, str]]]:
    """What the series say within some steps of a moment: time and sample as written."""
    middle = at_ns // test.every_ns
    steps = range(max(0, middle - AROUND), middle + AROUND + 1)
    return {
        site.points[point].id: [
            (step * test.every_ns, written(samples[step] if step < len(samples) else None))
            for step in steps
        ]
        for point, samples in test.series.items()
    }
