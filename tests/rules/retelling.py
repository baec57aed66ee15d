"""The same case told in another way, and what must then be the same: how readings are batched, how
often time is asked for, when the daemon restarts, in which order a site is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from playing import Case, Player, Reading, Step, by_alarm, seen

from parkwatch.rules.engine import Engine
from parkwatch.rules.measures import Age, Apart, Formula, Measure
from parkwatch.rules.quality import GOOD
from parkwatch.rules.site import Limit, Site
from parkwatch.rules.transition import Transition


def busier(case: Case, rng: Random) -> Case:
    """Time is asked for in between, too."""
    steps: list[Step] = []
    for step in case.steps:
        rest = step.pause
        for _ in range(rng.randrange(4)):
            some = rng.choice((0, 1, rest // 2, rest - 1, rest))
            some = min(max(some, 0), rest)
            steps.append(Step(some))
            rest -= some
        steps.append(replace(step, pause=rest))
    return replace(case, steps=tuple(steps))


def everything(site: Site) -> Step:
    """Every point is read once, so that each has a value to be read again."""
    return Step(0, tuple(Reading(point.index, 0.0, GOOD) for point in site.points))


def restarted(
    case: Case, cut: int, site: Site | None = None
) -> tuple[list[Transition], list[Transition]]:
    """What an engine says from step `cut` on, and what one says that took over there, of the same
    or another site. Both read every channel at that moment, as after a start; it comes when the
    formulas of the moment before are evaluated."""
    steps = (everything(case.site), *case.steps)
    first = Player(Engine(case.site, case.start), case.start).play((*steps[: cut + 1], Step(1)))
    site = site or case.site
    second = Player(Engine(site, first.at), first.at)
    second.engine.restore(first.engine.snapshot(), [], first.at)
    first.said.clear()
    # The moment ends, so that formulas saw it: the first engine read it twice.
    rest = (Step(0, tuple(first.last.values())), Step(1), *steps[cut + 1 :], Step(1))
    place = places(case.site, site)
    first.play(rest)
    second.play(moved_step(step, place) for step in rest)
    return first.said, second.said


def as_seen(said: Sequence[Transition], *, but: str = "") -> list[object]:
    """By alarm within a moment; without one alarm."""
    return [s for s in by_alarm(seen(said)) if s[1] != but]


# Sites in another order --------------------------------------------------------------------


def places(site: Site, other: Site) -> dict[int, int]:
    """Where each point of a site stands in another."""
    there = {point.id: point.index for point in other.points}
    return {point.index: there[point.id] for point in site.points}


def moved_step(step: Step, place: dict[int, int]) -> Step:
    rows = tuple(replace(r, point=place.get(r.point, r.point)) for r in step.readings)
    check = None if step.check is None else place[step.check]
    return replace(step, readings=rows, check=check)


def shuffled(site: Site, rng: Random) -> Site:
    """The same points in another order."""
    order = list(site.points)
    rng.shuffle(order)
    points = [replace(point, index=i) for i, point in enumerate(order)]
    place = places(site, replace(site, points=points))
    limits = [_moved(limit, place) for limit in site.limits]
    return replace(site, points=points, limits=limits)


def _moved(limit: Limit, place: dict[int, int]) -> Limit:
    changed: dict[str, object] = {"point": place.get(limit.point, -1)}
    if limit.measure is not None:
        changed["measure"] = _moved_measure(limit.measure, place)
    if limit.enable is not None:
        changed["enable"] = _moved_measure(limit.enable, place)
    return replace(limit, **changed)  # type: ignore[arg-type]


def _moved_measure(measure: Measure, place: dict[int, int]) -> Measure:
    if isinstance(measure, Formula):
        return replace(measure, points=tuple(place[p] for p in measure.points))
    if isinstance(measure, Apart):
        peers = tuple(place[p] for p in measure.peers)
        return replace(measure, point=place[measure.point], peers=peers)
    return replace(measure, point=place[measure.point])


# Gaps and repetitions ----------------------------------------------------------------------


def without_ages(case: Case) -> Case:
    limits = [limit for limit in case.site.limits if not isinstance(limit.measure, Age)]
    return replace(case, site=replace(case.site, limits=limits))


def never_stale(case: Case) -> Case:
    points = [replace(point, stale_ns=10**18) for point in case.site.points]
    return replace(case, site=replace(case.site, points=points))


def repeated(case: Case, rng: Random) -> Case:
    """At some moments points read again what they read before."""
    last: dict[int, Reading] = {}
    steps = []
    for step in case.steps:
        again = [r for r in last.values() if rng.randrange(2)] if step.pause > 1 else []
        steps.append(replace(step, pause=step.pause - 1) if again else step)
        if again:
            steps[-1:] = [Step(step.pause // 2, tuple(again))]
            steps.append(replace(step, pause=step.pause - step.pause // 2))
        last |= {r.point: r for r in step.readings}
    return replace(case, steps=tuple(steps))


def gapped(
    case: Case, lost: Sequence[int], begin: int, end: int, rng: Random, qualities: Sequence[int]
) -> tuple[Case, int, int]:
    """Some points cannot be known in steps [begin, end): the case, and from when to when.

    It begins with a bad reading of each; then bad ones, each its own, or none.
    """
    steps = list(case.steps)
    begin_at = case.start + sum(step.pause for step in steps[: begin + 1])
    end_at = case.start + sum(step.pause for step in steps[: end + 1])
    for i in range(begin, min(end, len(steps))):
        rows = [r for r in steps[i].readings if r.point not in lost]
        for point in lost:
            if i == begin or rng.randrange(2):
                value = rng.choice((float("nan"), 0.0, 60.0))
                rows.append(Reading(point, value, rng.choice(qualities)))
        rng.shuffle(rows)
        steps[i] = replace(steps[i], readings=tuple(rows))
    return replace(case, steps=tuple(steps)), begin_at, end_at


def owners(limit: Limit) -> set[int]:
    """Every point that a condition looks at."""
    found = set() if limit.measure is not None else {limit.point}
    for measure in (limit.measure, limit.enable):
        if isinstance(measure, Formula):
            found |= set(measure.points)
        elif measure is not None:
            found.add(measure.point)
    return found


def only_readings(case: Case) -> Case:
    """A link's mask ends with the next reading, and so may a check, whatever it reads."""
    steps = tuple(replace(step, link=None, check=None) for step in case.steps)
    return replace(case, steps=steps)
