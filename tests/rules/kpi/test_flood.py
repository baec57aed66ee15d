"""When a flood begins and ends, what a list folds then, and that nothing is lost in it."""

from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kpi_month import BEGIN, MIN, S, said

from parkwatch.rules.kpi.counting import announces
from parkwatch.rules.kpi.flood import WINDOW_NS, Episode, Flood
from parkwatch.rules.kpi.folding import fold_of, folded


def test_the_eleventh_within_ten_minutes_begins_it_and_the_tenth_does_not() -> None:
    flood = Flood()
    for n in range(10):
        flood.note(BEGIN + n * S)
    assert not flood.on
    flood.note(BEGIN + WINDOW_NS - 1)
    assert (flood.on, flood.since, flood.count) == (True, BEGIN + WINDOW_NS - 1, 11)
    late = Flood()
    for n in range(10):
        late.note(BEGIN + n * S)
    late.note(BEGIN + WINDOW_NS)  # The first has just left.
    assert not late.on


def test_it_ends_when_fewer_than_five_are_left_and_at_that_moment() -> None:
    flood = Flood()
    for n in range(11):
        flood.note(BEGIN + n * MIN // 2)
    left_at = BEGIN + 6 * MIN // 2 + WINDOW_NS  # the seventh leaves, four stay
    assert flood.advance(left_at - 1) is None
    assert flood.on
    assert flood.count == 5
    assert flood.advance(left_at + MIN) == Episode(BEGIN + 5 * MIN, left_at, 11)
    assert not flood.on


@given(st.lists(st.integers(0, 150), min_size=1, max_size=120), st.integers(0, 119))
def test_one_that_begins_in_the_middle_says_the_same_once_it_is_settled(
    steps: list[int], cut: int
) -> None:
    times = [BEGIN + at * S for at in accumulate(steps)]
    whole, late = Flood(), Flood(begins=times[min(cut, len(times) - 1)])
    for n, at in enumerate(times):
        whole.note(at)
        if n >= min(cut, len(times) - 1):
            late.note(at)
            if late.settled:
                assert (whole.on, whole.since > 0) == (late.on, late.since > 0)


@pytest.mark.parametrize(
    ("event", "more", "calls"),
    [
        ("raise", {}, True), ("reraise", {}, True), ("rise", {}, True), ("realarm", {}, True),
        ("raise", {"mask": "shelved"}, False), ("raise", {"origin": "drill:d1"}, False),
        ("raise", {"origin": "shadow"}, False), ("ack", {}, False), ("return", {}, False),
        ("fall", {}, False), ("reset", {}, False), ("shelve", {}, False),
        ("expire", {}, True), ("expire", {"after": "ack_active"}, False),
        ("unsuppress", {}, True), ("unsuppress", {"cause": {"why": "level"}}, False),
        ("unshelve", {"cause": {"why": "by_hand"}}, False),
        ("unshelve", {"cause": {"why": "rise"}}, False),  # its rise follows, and counts
    ],
)  # fmt: skip
def test_what_calls_people(event: str, more: dict[str, Any], calls: bool) -> None:
    assert announces(said(event, "hd/a/b:gas", BEGIN, **more)) is calls


@pytest.mark.parametrize(
    ("alarm", "grade", "cause", "fold"),
    [
        ("hd/p/a:gas", "yellow", {}, "hd/tank|gas"),
        ("hd/p/a:fault", "blue", {"reason": "comms"}, "hd/tank|fault.comms"),
        ("hd/p/a:gas", "orange", {}, ""),
        ("hd/p/a:gas", "red", {}, ""),
        ("hd/p/a:state", "yellow", {"first_out": {"point": "hd/p/a"}}, ""),
        ("hd/tank:trip", "yellow", {"first_out": {"point": "hd/tank:trip"}}, ""),
        ("hd/p/b:state", "yellow", {"first_out": {"point": "hd/p/a"}}, "hd/tank|state"),
    ],
)
def test_what_is_folded(alarm: str, grade: str, cause: dict[str, Any], fold: str) -> None:
    assert fold_of(alarm, grade, "hd/tank", cause) == fold


def test_what_has_no_zone_is_folded_within_its_enterprise() -> None:
    assert fold_of("hd/panel-1:link", "yellow", "", {}) == "hd|link"


items = st.lists(
    st.tuples(
        st.sampled_from(["red", "orange", "yellow", "blue"]),
        st.sampled_from(["hd/a", "hd/b", ""]),
        st.sampled_from(["gas", "fault", "state"]),
        st.booleans(),
    ),
    max_size=60,
)


@given(items)
def test_counts_always_add_up_and_red_and_orange_are_never_folded(
    drawn: list[tuple[str, str, str, bool]],
) -> None:
    shown = []
    for n, (grade, zone, group, first) in enumerate(drawn):
        alarm = f"hd/p/x{n}:{group}"
        cause = {"first_out": {"point": f"hd/p/x{n}"}} if first else {}
        shown.append({"id": alarm, "grade": grade, "fold": fold_of(alarm, grade, zone, cause)})
    single, rows = folded(shown)
    everyone = [*single, *(alarm for row in rows for alarm in row.ids)]
    assert sorted(everyone) == sorted(item["id"] for item in shown)
    assert len(single) + sum(row.grades.total() for row in rows) == len(shown)
    grades = {item["id"]: item["grade"] for item in shown}
    assert {grades[alarm] for row in rows for alarm in row.ids} <= {"yellow", "blue"}
    assert all(len(row.ids) > 1 for row in rows)
