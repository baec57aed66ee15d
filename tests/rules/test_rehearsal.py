"""Rule tests on the engine: series, expectations, coverage; and the replay of stored readings."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_park import ALONE, LEVEL, O2, T0, A, B, S, site

from parkwatch.rules.grade import Grade
from parkwatch.rules.quality import BAD, UNCERTAIN, Reason
from parkwatch.rules.rehearsal import (
    Act,
    Coverage,
    Expect,
    Miss,
    Rehearsal,
    Rule,
    Seen,
    rehearse,
    rules_of,
)
from parkwatch.rules.rehearsal.replay import Compared, Piece, Replayed, compare, in_order, replay
from parkwatch.rules.rehearsal.series import STEPS_MAX, Sample, SeriesError, samples, written
from parkwatch.rules.site import Limit, Site

GAS = "hd/panel-1/ch4-01:gas"
OTHER = "hd/panel-1/ch4-02:gas"
VOTE = "hd/tank:vote-ch4"
CLEAN = Sample(0.0)


# Series -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0 0 30x2", [0, 0, 30, 30]),
        ("  1.5\n-2x1 +3e1 ", [1.5, -2, 30]),
        ("0..60x4 9", [0, 20, 40, 60, 9]),
        ("5..-5x3", [5, 0, -5]),
        ("- -x2 1", [None, None, None, 1]),
        ("", []),
    ],
)
def test_a_series_is_what_its_tokens_say(text: str, values: list[float | None]) -> None:
    assert [None if s is None else s.value for s in samples(text)] == values
    assert all(s is None or s.quality == 0 for s in samples(text))


def test_a_series_carries_qualities() -> None:
    fault, over, doubtful, held = samples(
        "bad:fault bad:over_range@55 uncertain:doubtful@12 bad:stale"
    )
    assert fault is not None
    assert (fault.quality, math.isnan(fault.value)) == (BAD | Reason.FAULT, True)
    assert over == Sample(55.0, BAD | Reason.OVER_RANGE)
    assert doubtful == Sample(12.0, UNCERTAIN | Reason.DOUBTFUL)
    assert held is not None
    assert held.quality == BAD | Reason.STALE
    assert len(samples("uncertain:over-rangex3")) == 3


@pytest.mark.parametrize(
    ("text", "number", "token"),
    [
        ("0 abc 1", 2, "abc"),
        ("0 1x", 2, "1x"),
        ("1x0", 1, "1x0"),
        ("0..5", 1, "0..5"),
        ("0..5x1", 1, "0..5x1"),
        ("0 1 bad:tired", 3, "bad:tired"),
        ("bad", 1, "bad"),
        ("good:fault", 1, "good:fault"),
        ("uncertain:doubtful", 1, "uncertain:doubtful"),
        ("nan", 1, "nan"),
        ("inf", 1, "inf"),
        ("1e999", 1, "1e999"),
        (f"0 0x{STEPS_MAX}", 2, f"0x{STEPS_MAX}"),
        ("1,2", 1, "1,2"),
        ("\u0661", 1, "\u0661"),
        ("1x9999999999", 1, "1x9999999999"),
    ],
)
def test_a_token_that_means_nothing_is_named(text: str, number: int, token: str) -> None:
    with pytest.raises(SeriesError) as caught:
        samples(text)
    assert (caught.value.number, caught.value.token) == (number, token)
    assert caught.value.fix
    assert all(caught.value.what)


@given(st.lists(st.none() | st.integers(-9999, 9999).map(lambda n: Sample(n / 4)), max_size=20))
def test_what_is_written_is_read_again(given_samples: list[Sample | None]) -> None:
    assert samples(" ".join(map(written, given_samples))) == given_samples


# Rehearsals ---------------------------------------------------------------------------------------


def expect(at: float, *alarms: Seen, only: bool = True) -> Expect:
    return Expect(round(at * S), alarms, only, line=7)


def run(
    series: dict[int, str], expects: Sequence[Expect], park: Site | None = None, **more: object
) -> list[Miss]:
    park = park or site()
    read = {point: samples(text) for point, text in series.items()}
    test = Rehearsal("t", read, expects, **more)  # type: ignore[arg-type]
    return rehearse(park, test, Coverage(park))


YELLOW, ORANGE = Seen(GAS, "yellow", "unack_active"), Seen(GAS, "orange", "unack_active")


def test_a_leak_goes_to_yellow_and_orange_in_its_time() -> None:
    leak = {A: "0 0 30x5 60x10", B: "0x20"}
    assert not run(
        leak,
        [expect(4), expect(5, YELLOW), expect(7.9, YELLOW), expect(8, ORANGE), expect(16, ORANGE)],
    )


def test_a_wrong_expectation_says_expected_got_and_the_series_around() -> None:
    (miss,) = run({A: "0 0 30x5 60x10", B: "0x15"}, [expect(9, YELLOW)])
    ((expected, got),) = miss.wrong
    assert (miss.at_ns, miss.line, expected) == (9 * S, 7, YELLOW)
    assert got is not None
    assert (got.id, got.grade, got.state) == (GAS, "orange", "unack_active")
    assert "达到高限50%LEL" in got.why[0]
    assert "at or beyond the high limit 50 %LEL" in got.why[1]
    around = miss.series["hd/panel-1/ch4-01"]
    assert [at // S for at, _ in around] == list(range(4, 15))
    assert [text for _, text in around] == ["30"] * 3 + ["60"] * 8


def test_exactly_means_nothing_else_and_at_least_does_not() -> None:
    leak = {A: "30x10", B: "30x10"}
    (miss,) = run(leak, [expect(5, YELLOW)])
    assert [(a, b and b.id) for a, b in miss.wrong] == [(None, OTHER)]
    assert not run(leak, [expect(5, YELLOW, only=False)])
    (miss,) = run(leak, [expect(5, YELLOW, Seen(OTHER, state="normal"), only=False)])
    assert [a and a.id for a, _ in miss.wrong] == [OTHER]
    (miss,) = run(leak, [expect(1, YELLOW, only=False)])
    assert miss.wrong == [(YELLOW, None)]
    assert not run(leak, [expect(1, Seen(OTHER, state="normal"))])


def test_silence_is_left_out_unless_it_is_expected_by_name() -> None:
    fault = "hd/panel-1/ch4-02:fault"
    quiet = [expect(30), expect(30, Seen(fault), only=False), expect(30, Seen(fault, "blue"))]
    assert not run({A: "0x40"}, quiet)
    (miss,) = run({A: "0x5"}, [expect(30)])  # what has a series and falls silent is no surprise
    assert [b and b.id for _, b in miss.wrong] == ["hd/panel-1/ch4-01:fault"]


def test_a_silent_neighbour_is_no_witness_and_one_at_rest_is() -> None:
    leak = {A: "0x20 60x10"}
    (miss,) = run(leak, [expect(22, ORANGE)])
    assert [b and b.id for _, b in miss.wrong] == [VOTE]
    assert not run(leak, [expect(22, ORANGE)], rest={B: CLEAN, ALONE: CLEAN, O2: Sample(20.9)})


def test_bad_readings_and_gaps_hold_what_was() -> None:
    series = {A: "60x3 bad:stale - - - 0x100", B: "0x120"}
    held = Seen(GAS, "orange", "unack_active")
    lost = Seen("hd/panel-1/ch4-01:fault", "orange")
    assert not run(series, [expect(6, held, Seen(VOTE), only=False)])
    assert not run(series, [expect(5, lost, held, only=False)])
    assert not run(series, [expect(60, Seen(GAS, state="latched_unack"), only=False)])


def test_people_act_and_are_refused() -> None:
    series = {A: "0 60x10 0x100", B: "0x120"}
    ack, reset = Act(5 * S, "ack", GAS), Act(6 * S, "reset", GAS, refused="ALM-411")
    later = Act(80 * S, "reset", GAS)
    assert not run(
        series,
        [expect(5, Seen(GAS, state="ack_active")), expect(79, Seen(GAS, state="latched_ack")),
         expect(80)],
        acts=[ack, reset, later],
    )  # fmt: skip
    (miss,) = run(series, [expect(0)], acts=[replace(reset, refused="", line=9)])
    assert miss.line == 9
    assert "ALM-411" in miss.said
    (miss,) = run(series, [expect(0)], acts=[replace(ack, refused="ALM-403")])
    assert "期望 expected ALM-403, 得到 got ok" in miss.said
    (miss,) = run(series, [expect(0)], acts=[Act(0, "ack", GAS)])
    assert "ALM-404" in miss.said


def test_the_period_is_the_test_s_own() -> None:
    assert not run({A: "0 30x5", B: "0x6"}, [expect(12, YELLOW), expect(6.9)], every_ns=4 * S)


def test_one_level_is_covered_by_its_own_raise_and_return() -> None:
    park = site()
    coverage = Coverage(park)
    assert Rule(VOTE, 1) in coverage.raised
    assert Rule("hd/boiler:vote-", 1) not in coverage.raised
    assert coverage.percent == 0

    def through(*values: str) -> None:
        read = {A: samples(values[0]), B: samples("0x200")}
        rehearse(park, Rehearsal("t", read, [expect(0)]), coverage)

    through("0 60x5 0x50")  # jumps over level 1
    assert coverage.returned[Rule(GAS, 2)]
    assert not coverage.raised[Rule(GAS, 1)]
    through("0 30x10")
    assert coverage.raised[Rule(GAS, 1)]
    assert not coverage.returned[Rule(GAS, 1)]
    through("0 30x10 0x20")
    assert coverage.returned[Rule(GAS, 1)]
    assert coverage.percent == pytest.approx(100 * 2 / len(rules_of(park)))
    assert Coverage(Site()).percent == 100


def test_a_shadow_rule_counts_and_speaks_only_where_it_is_asked() -> None:
    park = site()
    shadow = Limit(LEVEL, "high", 1, "high", 50.0, Grade.YELLOW, shadow=True)
    park = replace(park, limits=[*park.limits, shadow])
    alarm = "hd/panel-1/lt-01:high"
    coverage = Coverage(park)
    expects = [
        expect(3),
        expect(3, Seen(alarm, "yellow", "active", shadow=True)),
        expect(8, Seen(alarm, state="normal", shadow=True)),
    ]
    read = {LEVEL: samples("0 60x4 0x20")}
    assert not rehearse(park, Rehearsal("t", read, expects), coverage)
    assert coverage.returned[Rule(alarm, 1, shadow=True)]
    (miss,) = rehearse(park, Rehearsal("t", read, [expect(8, Seen(alarm, shadow=True))]), coverage)
    assert miss.wrong[0][1] is None


# Replay -------------------------------------------------------------------------------------------

NAMES = tuple(point.id for point in site().points)
DAY_S = 100


def day(now: int) -> str:
    return f"d{(now - T0) // (DAY_S * S)}"


def piece(
    rows: Sequence[tuple[float, int, float]],
    lag: float = 0.0,
    names: tuple[str, ...] = NAMES,
    until: float | None = None,
) -> Piece:
    """Rows of (second, point, value), received `lag` seconds later."""
    time = np.array([T0 + round(at * S) for at, _, _ in rows], dtype=np.int64)
    return Piece(
        names,
        np.array([point for _, point, _ in rows], dtype=np.int32),
        np.array([value for _, _, value in rows], dtype=np.float64),
        np.zeros(len(rows), dtype=np.uint8),
        time,
        time + round(lag * S),
        int(time.max()) + 1 if until is None else T0 + round(until * S),
    )


def history(seconds: int = 400) -> list[tuple[float, int, float]]:
    """A is at 20 %LEL for 30 s of every 100, B is clean."""
    rows: list[tuple[float, int, float]] = []
    for at in range(seconds):
        rows += [(at, A, 20.0 if at % DAY_S < 30 else 0.0), (at, B, 0.0)]
    return rows


def cut(rows: Sequence[tuple[float, int, float]], size: int) -> Iterator[Piece]:
    for first in range(0, len(rows), size):
        yield piece(rows[first : first + size])


def lower(limit: float) -> Site:
    park = site()
    return replace(
        park,
        limits=[replace(one, limit=limit) if one.level == 1 and one.point == A else one
                for one in park.limits],
    )  # fmt: skip


def sides(new: Site) -> tuple[Replayed, Replayed]:
    return Replayed(site(), day), Replayed(new, day)


def test_old_and_new_rules_over_one_history() -> None:
    old, new = sides(lower(15.0))
    span = replay(cut(history(), 64), (old, new))
    assert (span.readings, span.first, span.last) == (800, T0, T0 + 399 * S)
    assert span.unknown == frozenset()
    found = compare(old, new)
    days = {f"d{n}": (0, 1) for n in range(4)}
    assert found == [Compared(Rule(GAS, 1), 0, 4, days)]
    same = sides(site())
    replay(cut(history(), 64), same)
    assert compare(*same) == []


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 400), st.randoms(use_true_random=False))
def test_how_history_is_cut_and_stored_changes_nothing(size: int, random: object) -> None:
    rows = history(200)
    whole, parts = sides(lower(15.0)), sides(lower(15.0))
    replay([piece(rows)], whole)
    pieces = []
    for first in range(0, len(rows), size):
        mixed = rows[first : first + size]
        random.shuffle(mixed)  # type: ignore[attr-defined]
        pieces.append(piece(mixed))
    replay(pieces, parts)
    assert compare(*parts) == compare(*whole)
    assert compare(*whole)


def test_what_came_late_in_a_piece_is_judged_when_it_came() -> None:
    burst = piece([(0, A, 1.0), (1, A, 2.0)], lag=25)
    pieces = [
        burst,
        piece([(10, B, 3.0)]),
        piece([(20, B, 4.0)], until=30.0),
        piece([(40, B, 5.0)]),
    ]
    told = [v for one in in_order(pieces) for v in one.value.tolist()]
    assert told == [3.0, 4.0, 1.0, 2.0, 5.0]
    assert [one.value.tolist() for one in in_order([burst])] == [[1.0, 2.0]]
    other = piece([(10, 0, 3.0)], names=("x", *NAMES[:1]))
    told_names = [one.names[i] for one in in_order([burst, other]) for i in one.name.tolist()]
    assert sorted(told_names) == sorted(["x", NAMES[A], NAMES[A]])


def test_points_of_one_side_only_are_named_and_make_no_difference_by_absence() -> None:
    park = site()
    less = Site(
        points=[park.points[A]],
        zones=park.zones,
        devices=park.devices,
        limits=[one for one in park.limits if one.point == A],
    )
    old, new = Replayed(park, day), Replayed(less, day)
    rows = [*history(100), (50, len(NAMES), 1.0)]
    span = replay([piece(rows, names=(*NAMES, "hd/panel-1/gone"))], (old, new))
    assert span.unknown == {"hd/panel-1/gone"}
    assert old.unseen == [NAMES[p] for p in range(len(NAMES)) if p not in (A, B)]
    assert new.unseen == []
    assert not [c for c in compare(old, new) if "ch4-03" in c.rule.alarm]


def test_an_empty_history_is_no_alarm() -> None:
    both = sides(site())
    assert replay([], both).readings == 0
    assert compare(*both) == []
