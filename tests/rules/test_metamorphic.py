"""The same told another way changes no transition; a gap neither raises nor clears, of any kind."""

from dataclasses import replace
from random import Random

import pytest
from every_kind import (
    A_PLC,
    NAMES,
    RECIPES,
    RULES,
    T0,
    WORK,
    A,
    B,
    Park,
    S,
    alarm_of,
    formula,
    site,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playing import Case, Reading, Step, played, streamed
from random_parks import UNKNOWN, case
from retelling import (
    as_seen,
    busier,
    gapped,
    never_stale,
    only_readings,
    owners,
    repeated,
    restarted,
    shuffled,
    without_ages,
)

from parkwatch.rules.grade import Grade
from parkwatch.rules.measures import Slope
from parkwatch.rules.quality import BAD, Reason
from parkwatch.rules.site import Limit

pytestmark = pytest.mark.timeout(300)  # To make a case that fails smaller takes a while.
EXAMPLES = settings(
    max_examples=200, deadline=None,
    suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow],
)  # fmt: skip
CHANCE = st.randoms(use_true_random=False)
SCALAR = (
    "parkwatch.rules.evaluate.evaluation.SCALAR_MAX",
    "parkwatch.rules.measures.formulas.SCALAR_MAX",
)
NEWS = ("raise", "reraise", "rise", "fall", "return")
NEW = Limit(
    3, "rate", 9, "high", 0.013, Grade.BLUE, measure=Slope(3, 77 * S), kind="rate",
    alarm="hd/tank:new", enable=formula("x > 5", x=2), shadow=True,
)  # fmt: skip
"""A rule that no random park has."""


def paths(evaluation: int, formulas: int) -> pytest.MonkeyPatch:
    patch = pytest.MonkeyPatch()
    for name, value in zip(SCALAR, (evaluation, formulas), strict=True):
        patch.setattr(name, value)
    return patch


@EXAMPLES
@given(rng=CHANCE)
def test_how_readings_are_cut_into_batches_changes_nothing(rng: Random) -> None:
    """Within a moment, and over several; causes included."""
    one = case(rng)
    said = played(one)
    assert played(one, size=rng.randrange(1, 5)) == said
    assert streamed(one, lambda: rng.randrange(1, 9)) == said


@EXAMPLES
@given(rng=CHANCE)
def test_the_vector_path_means_what_the_scalar_path_means(rng: Random) -> None:
    one = case(rng)
    patch = paths(99, 99)
    try:
        scalar = played(one)
        for name, value in zip(SCALAR, rng.choice(((0, 0), (0, 99), (99, 0))), strict=True):
            patch.setattr(name, value)
        assert played(one) == scalar
        assert streamed(one, lambda: rng.randrange(1, 30)) == scalar
    finally:
        patch.undo()


@EXAMPLES
@given(rng=CHANCE)
def test_when_advance_is_called_changes_nothing(rng: Random) -> None:
    one = case(rng)
    assert played(busier(one, rng)) == played(one)


@EXAMPLES
@given(rng=CHANCE, cut=st.integers(0, 45))
def test_a_restart_at_any_sample_changes_nothing(rng: Random, cut: int) -> None:
    """What was measured over a formula may not be in the cause yet; all else is the same."""
    went_on, took_over = restarted(case(rng), cut)
    assert as_seen(took_over) == as_seen(went_on)


@EXAMPLES
@given(rng=CHANCE, cut=st.integers(0, 45))
def test_a_restart_of_another_site_changes_nothing_that_both_have(rng: Random, cut: int) -> None:
    """The points in another order, and one rule more."""
    one = case(rng)
    more = replace(one.site, limits=[NEW, *one.site.limits])
    went_on, took_over = restarted(one, cut, shuffled(more, rng))
    assert as_seen(took_over, but=NEW.alarm) == as_seen(went_on)


@pytest.mark.parametrize("path", [0, 99])
def test_a_rule_says_the_same_beside_one_that_has_its_points_in_a_formula(
    path: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one moment it is enabled and its points are lost: NEW has one of them."""
    monkeypatch.setattr(SCALAR[0], path)
    alone = site("apart", enable=formula("work", work=WORK))
    beside = replace(alone, limits=[NEW, *alone.limits])
    known = [Reading(B, 5.0), Reading(A, 30.0), Reading(A_PLC, 5.0)]
    lost = [replace(reading, quality=BAD | Reason.FAULT) for reading in known]
    off, on = Reading(WORK, 0.0), Reading(WORK, 1.0)
    before = [Step(5 * S, (*known, off))] * 13
    one = Case(alone, (*before, Step(S, (*known, on)), Step(0, (*lost, on)), Step(S)), T0)
    said = as_seen(played(one))
    assert (T0 + 66 * S, alarm_of("apart"), "raise") in [s[:3] for s in said]
    assert as_seen(played(replace(one, site=beside)), but=NEW.alarm) == said
    went_on, took_over = restarted(one, 5, beside)
    assert as_seen(took_over, but=NEW.alarm) == as_seen(went_on)


@EXAMPLES
@given(rng=CHANCE)
def test_reading_again_what_was_read_changes_nothing(rng: Random) -> None:
    """So silence shorter than stale is the last value going on, for every kind but clocks."""
    one = never_stale(without_ages(only_readings(case(rng))))
    assert as_seen(played(repeated(one, rng))) == as_seen(played(one))


@EXAMPLES
@given(rng=CHANCE)
def test_a_gap_neither_raises_nor_clears(rng: Random) -> None:
    """Alarms all of whose points cannot be known for a while, from the end of the gap's first
    moment on. A clock runs on; a dose and changes that were seen may still raise."""
    one = only_readings(case(rng))
    lost = rng.sample(range(len(one.site.points)), rng.choice((1, 2, 4, 7)))
    begin = rng.randrange(len(one.steps))
    one, since, until = gapped(one, lost, begin, begin + rng.randrange(2, 20), rng, UNKNOWN)
    rules = by_name(one)
    for t in played(one):
        if not since < t.received < until or t.event not in NEWS:
            continue
        own = rules.get((t.alarm, t.origin), [])
        if not own or not set().union(*(owners(limit) for limit in own)) <= set(lost):
            continue
        kinds = {limit.kind for limit in own}
        clears = t.event in ("fall", "return")
        assert "age" in kinds or (not clears and kinds & {"exposure", "chatter"}), t


def by_name(one: Case) -> dict[tuple[str, str], list[Limit]]:
    """The rules of each alarm."""
    found: dict[tuple[str, str], list[Limit]] = {}
    for limit in one.site.limits:
        name = limit.alarm or f"{one.site.points[limit.point].id}:{limit.group}"
        found.setdefault((name, "shadow" if limit.shadow else "live"), []).append(limit)
    return found


CLOCKS = {"age"}
SEEN_COUNTS = {"exposure", "chatter"}


@pytest.mark.parametrize("name", sorted(set(RULES) - CLOCKS))
@pytest.mark.parametrize("quality", sorted(set(UNKNOWN)))
def test_a_gap_of_all_points_clears_no_alarm_of_any_kind(name: str, quality: int) -> None:
    """Twice as long as its recipe took, and again with the off-delay running."""
    for off_delay_ns in (0, 7 * S):
        park = Park(name, off_delay_ns=off_delay_ns)
        at = park.cook(name)
        assert (alarm_of(name).rpartition("/")[2], "raise") in [t[1:] for t in park.told()]
        if off_delay_ns:
            park.rows(at, [(i, over(name, i)) for i in range(len(NAMES))])
            at += 1
        lose(park, at, quality, RECIPES[name][0] * S)
        assert not [t for t in park.told() if t[1] == alarm_of(name).rpartition("/")[2]]


@pytest.mark.parametrize("name", sorted(set(RULES) - CLOCKS))
@pytest.mark.parametrize("quality", sorted(set(UNKNOWN)))
def test_a_gap_of_all_points_raises_no_alarm_of_any_kind(name: str, quality: int) -> None:
    """Its on-delay runs when the gap begins; and it was not even true yet."""
    last = alarm_of(name).rpartition("/")[2]
    park = Park(name, on_delay_ns=0)
    park.cook(name)
    up = next(at for at, alarm, event in park.told() if (alarm, event) == (last, "raise"))
    for begin in (up + 4 * S, up - S):
        park = Park(name, on_delay_ns=9 * S)
        park.cook(name, until=begin // S)
        park.wait(begin)
        lose(park, begin + 1, quality, 2 * RECIPES[name][0] * S)
        raised = [t for t in park.told() if t[1] == last]
        assert not raised or RULES[name].kind in SEEN_COUNTS


def lose(park: Park, at: int, quality: int, lasts: int) -> None:
    for i in range(21):
        rows = [(point, (float("nan"), 0.0)[i % 2]) for point in range(len(NAMES))]
        park.rows(at + i * lasts // 20, rows, quality)
    park.wait(at + lasts)


def over(name: str, point: int) -> float:
    """What ends the conditions of values; windows need longer."""
    return 30.0 if RULES[name].side == "low" and NAMES[point] == "level" else 0.0
