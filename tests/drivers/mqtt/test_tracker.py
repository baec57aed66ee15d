"""Sequences: a batch taken for a duplicate is an alarm that nobody gets."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from parkwatch.drivers.mqtt.tracker import Arrival, Judged, Stamp, Tracker

SECOND = 1_000_000_000


def live(tracker: Tracker, boot: int, *seqs: int) -> list[Judged]:
    return [tracker.judge(Stamp(boot, seq, seq * SECOND)) for seq in seqs]


def test_new_sequences_are_live_whatever_their_time_says() -> None:
    tracker = Tracker()
    assert [tracker.judge(Stamp(7, n, time)).arrival for n, time in ((1, 99), (2, 0), (3, 5))] == [
        Arrival.LIVE
    ] * 3


def test_a_sequence_seen_before_is_dropped_and_counted() -> None:
    tracker = Tracker()
    assert live(tracker, 7, 1, 2, 2, 1)[2:] == [Judged(Arrival.DUPLICATE)] * 2
    assert tracker.duplicates == 2


def test_a_hole_is_told_and_what_fills_it_is_late() -> None:
    tracker = Tracker()
    assert live(tracker, 7, 5, 9)[1] == Judged(Arrival.LIVE, gap=3)
    assert live(tracker, 7, 7, 6, 8) == [
        Judged(Arrival.LATE),
        Judged(Arrival.LATE),
        Judged(Arrival.LATE, closed=True),
    ]
    assert live(tracker, 7, 6) == [Judged(Arrival.DUPLICATE)]


def test_what_is_marked_late_is_late_and_leaves_no_hole() -> None:
    tracker = Tracker()
    live(tracker, 7, 1)
    assert tracker.judge(Stamp(7, 2, late=True)) == Judged(Arrival.LATE)
    assert live(tracker, 7, 3) == [Judged(Arrival.LIVE)]


def test_a_new_boot_is_a_restart_and_an_old_one_a_replay() -> None:
    tracker = Tracker()
    live(tracker, 1, 1, 2)
    assert live(tracker, 2, 1) == [Judged(Arrival.LIVE, restarted=True)]
    assert live(tracker, 1, 3, 2) == [Judged(Arrival.LATE), Judged(Arrival.DUPLICATE)]
    live(tracker, 3, 1)
    assert live(tracker, 1, 4) == [Judged(Arrival.REPLAY)]
    assert tracker.replays == 1
    assert tracker.boot == 3


def test_a_retained_reading_is_history_and_adopts_no_boot() -> None:
    tracker = Tracker()
    live(tracker, 1, 5)
    assert tracker.judge(Stamp(9, 1, retained=True)) == Judged(Arrival.LATE)
    assert tracker.judge(Stamp(1, 5, retained=True)) == Judged(Arrival.DUPLICATE)
    assert tracker.boot == 1


def test_a_thousand_boots_are_kept() -> None:
    tracker = Tracker()
    for boot in range(1_500):
        live(tracker, boot, 1)
        tracker.settle(boot, 1)
    assert len(tracker.snapshot()["boots"]) == 1_000


def test_after_a_crash_what_was_not_settled_is_news() -> None:
    """It was judged, the daemon died before its commit, the broker sends it again."""
    tracker = Tracker()
    live(tracker, 7, 1, 2, 3)
    tracker.settle(7, 1)
    reborn = Tracker()
    reborn.restore(json.loads(json.dumps(tracker.snapshot())))
    assert [j.arrival for j in live(reborn, 7, 1, 2, 3)] == [
        Arrival.DUPLICATE,
        Arrival.LIVE,
        Arrival.LIVE,
    ]


def test_a_restart_tells_a_real_gap_only() -> None:
    """The snapshot may be 10 s old: what was settled since is no gap; what the broker lost is."""
    tracker = Tracker()
    live(tracker, 7, *range(1, 20))
    for seq in range(1, 20):
        tracker.settle(7, seq)
    state = tracker.snapshot()
    for first, gap in ((29, 0), (300, 280)):
        reborn = Tracker()
        reborn.restore(state)
        assert [j.gap for j in live(reborn, 7, first, first + 2)] == [gap, 1]


@given(st.lists(st.integers(0, 40), max_size=120))
def test_each_sequence_counts_exactly_once(seqs: list[int]) -> None:
    tracker, seen = Tracker(), set()
    for seq in seqs:
        judged = tracker.judge(Stamp(1, seq))
        assert (judged.arrival is Arrival.DUPLICATE) == (seq in seen)
        seen.add(seq)
        tracker.settle(1, seq)
    reborn = Tracker()
    reborn.restore(tracker.snapshot())
    for seq in seen:
        assert reborn.judge(Stamp(1, seq)).arrival is Arrival.DUPLICATE


@given(st.lists(st.integers(0, 30), unique=True, min_size=1, max_size=31))
def test_gaps_are_what_lies_between(seqs: list[int]) -> None:
    tracker = Tracker()
    for seq in seqs:
        tracker.judge(Stamp(1, seq))
    highest, expected = seqs[0], 0
    for seq in seqs[1:]:
        expected += max(0, seq - highest - 1)
        highest = max(highest, seq)
    assert tracker.gaps == expected
