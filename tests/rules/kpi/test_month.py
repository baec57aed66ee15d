"""The KPIs of a golden month: hand-counted where a person can count, a slow way where not."""

import json
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from kpi_month import BEGIN, DAY, END, MIDNIGHTS, MIN, S, life, month, said

from parkwatch.rules.kpi.figures import Figure, acknowledged, figures
from parkwatch.rules.kpi.tally import Period, Tally
from parkwatch.rules.transition import Transition

GOLDEN = Path(__file__).with_name("golden_month.json")


def told(transitions: list[Transition], since: int = BEGIN, until: int = END) -> Tally:
    midnights = [each for each in MIDNIGHTS if since < each < until]
    tally = Tally(Period(since, until, midnights))
    tally.take(transitions)
    tally.end()
    return tally


def by_key(tally: Tally) -> dict[str, Figure]:
    return {each.key: each for each in figures(tally)}


def test_the_month_is_what_was_counted_by_hand() -> None:
    tally = told(month())
    found = by_key(tally)
    # 720 + 30 + 3 + 1; 40 in the flood, 4 of the loose one, 3 short, 2 old.
    assert tally.activations.total() == 803
    assert {str(grade): n for grade, n in tally.grades.items()} == {
        "blue": 725, "yellow": 74, "orange": 3, "red": 1,
    }  # fmt: skip
    assert tally.masked == 25
    # The 11th of the flood at +30 s begins it; 36 of 40 have left when the 5th newest does.
    (flood,) = tally.floods
    start = BEGIN + 19 * DAY + 35 * MIN
    assert (flood.since, flood.until) == (start + 30 * S, start + 35 * 3 * S + 10 * MIN)
    assert flood.most == 40
    assert found["per_hour"].value == pytest.approx(803 / 720)
    assert found["windows_over_10"].value == pytest.approx(100 / 4320)
    assert dict(found["chattering"].culprits) == {"xy/line/loose:state": 1}
    assert {alarm for alarm, _ in found["fleeting"].culprits} == {
        f"xy/line/short-{n}:state" for n in range(3)
    }
    assert found["stale"].value == 2
    assert [len(day) for day in tally.stale] == [0] * 22 + [2, 2, 2] + [0] * 5
    # 24 fans 30 times each: the ten worst make 300 of 803.
    assert found["top_10"].value == pytest.approx(100 * 300 / 803)
    assert found["top_10"].verdict == "red"
    assert found["share_blue"].verdict == "amber"  # 90.3, off by more than 5
    assert found["share_red"].verdict == "ok"
    red, orange, *_ = acknowledged(tally)
    assert (red.median_s, red.worst_alarm) == (12.4, "hd/tank-a:vote-h2s")
    assert (orange.n, orange.median_s, orange.p90_s, orange.worst_s) == (3, 40.0, 90.0, 90.0)


def test_a_slow_way_says_the_same() -> None:
    """Each window, pair and alarm looked at anew, each time from the beginning."""
    transitions = month()
    real = [t for t in transitions if t.origin == "live" and not t.mask]
    raised = [t for t in real if t.event in ("raise", "reraise", "rise")]
    tally = told(transitions)
    over = sum(
        sum(at <= t.received < at + 10 * MIN for t in raised) > 10
        for at in range(BEGIN + 19 * DAY, BEGIN + 20 * DAY, 10 * MIN)
    )
    assert int((tally.windows > 10).sum()) == over
    short = set()
    for alarm in {t.alarm for t in real}:
        own = [t for t in real if t.alarm == alarm and t.event in ("raise", "reraise", "return")]
        short |= {
            a.alarm for a, b in pairwise(own)
            if b.event == "return" and b.received - a.received < 10 * S
        }  # fmt: skip
    assert {alarm for alarm, n in tally.fleeting.items() if n} == short
    flooded = [
        at for at in range(BEGIN + 19 * DAY + 30 * MIN, BEGIN + 19 * DAY + 60 * MIN, S)
        if sum(at - 10 * MIN < t.received <= at for t in raised) > 10
    ]  # fmt: skip
    (flood,) = tally.floods
    assert flood.since == flooded[0]
    assert flood.until > flooded[-1]  # It ends below 5, not at 10.


def test_the_golden_month_does_not_move() -> None:
    tally = told(month())
    now: dict[str, Any] = json.loads(json.dumps({
        "figures": [asdict(each) for each in figures(tally)],
        "acknowledged": [asdict(each) for each in acknowledged(tally)],
    }))  # fmt: skip
    assert now == json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_what_began_before_the_period_is_stale_and_waited_for_in_it() -> None:
    before = [
        said("raise", "hd/a/b:high", BEGIN - 3 * DAY, "orange"),
        said("ack", "hd/a/b:high", BEGIN + MIN, "orange"),
    ]
    tally = told(before, until=BEGIN + 2 * DAY)
    assert tally.activations.total() == 0
    assert [len(day) for day in tally.stale] == [1, 1]
    assert acknowledged(tally)[0].worst_s == 3 * 86_400 + 60


def test_a_mask_ends_what_stands_and_an_unacknowledged_call_is_named() -> None:
    transitions = [
        said("raise", "hd/a/b:high", BEGIN, "blue"),
        said("shelve", "hd/a/b:high", BEGIN + 1 * DAY, "blue", mask="shelved",
             cause={"person": "zhang", "why": "checked"}),
        said("suppress", "hd/a/c:high", BEGIN + 1 * DAY, "blue", mask="suppressed_by_design"),
        said("shelve", "hd/a/d:high", BEGIN + 1 * DAY, "blue", mask="shelved", cause={}),
    ]  # fmt: skip
    tally = told(transitions, until=BEGIN + 2 * DAY)
    assert not any(tally.stale)
    assert tally.unacknowledged == [(BEGIN, "hd/a/b:high")]
    assert tally.covered == {"shelve": 2, "suppress": 1}
    # Nobody's name and reason stand at the last one.
    assert by_key(tally)["outside"].culprits == (("hd/a/d:high", 1),)


def test_a_re_alarm_calls_again_but_is_no_new_alarm() -> None:
    again = said("realarm", "hd/a/b:high", BEGIN + 30 * MIN, "orange")
    later = said("ack", "hd/a/b:high", BEGIN + 31 * MIN, "orange")
    tally = told([*list(life("hd/a/b:high", BEGIN, "orange", MIN, DAY))[:2], again, later])
    assert (tally.activations.total(), tally.realarms) == (1, 1)
    assert tally.waits[again.grade].tenths == {600: 2}


def test_nothing_at_all_has_no_shares_and_no_rate_of_an_hour_is_made_of_a_minute() -> None:
    found = by_key(told([], until=BEGIN + MIN))
    assert found["per_hour"].value is None
    assert found["share_red"].value is None
    assert {each.verdict for each in found.values()} == {"ok"}


def test_the_sixth_change_within_five_minutes_chatters_and_not_one_at_five() -> None:
    for step, chatters in ((60 * S, False), (60 * S - 1, True)):
        events = ["raise", "return"] * 3
        own = [said(e, "hd/a/b:state", BEGIN + n * step) for n, e in enumerate(events)]
        assert bool(+told(own).chattering) is chatters


def test_a_period_must_hold_something() -> None:
    for until in (BEGIN, BEGIN + 367 * DAY):
        with pytest.raises(ValueError, match="period"):
            Period(BEGIN, until)
