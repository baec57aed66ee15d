"""What may be done in which state, listed by hand from domain.md 4; all else changes nothing."""

from __future__ import annotations

import pytest
from asking import ACTIONS, CALM, HIGH, LOUD, MASKS, STATES, T0, Bench, S, site
from life_model import HOUR

from parkwatch.rules.engine import Engine

LETS = {
    "normal": {},
    "unack_active": {"ack": "ack_active", "silence": "unack_active"},
    "ack_active": {"silence": "ack_active"},
    "rtn_unack": {"ack": "normal", "silence": "rtn_unack"},
    "latched_unack": {"ack": "latched_ack", "silence": "latched_unack"},
    "latched_ack": {"silence": "latched_ack", "reset": "normal"},
}
"""What a person may do to a core state and the state after it, under whatever mask."""
MASKING = {
    "": {"shelve": "shelved", "out-of-service": "out_of_service"},
    "shelved": {"unshelve": "", "out-of-service": "out_of_service"},
    "suppressed_by_design": {
        "shelve": "suppressed_by_design", "out-of-service": "out_of_service",
    },
    "out_of_service": {
        "shelve": "out_of_service", "out-of-service": "out_of_service", "return-to-service": "",
    },
}  # fmt: skip
"""What a person may do to a mask, and the mask that is shown after it, in whatever core state."""
READINGS = {
    ("normal", CALM): [], ("normal", LOUD): [("raise", "unack_active")],
    ("unack_active", CALM): [("return", "rtn_unack")], ("unack_active", LOUD): [],
    ("ack_active", CALM): [("return", "normal")], ("ack_active", LOUD): [],
    ("rtn_unack", CALM): [], ("rtn_unack", LOUD): [("reraise", "unack_active")],
    ("latched_unack", CALM): [], ("latched_unack", LOUD): [("reraise", "unack_active")],
    ("latched_ack", CALM): [], ("latched_ack", LOUD): [("reraise", "unack_active")],
}  # fmt: skip
"""What a reading does to a core state, under whatever mask (here none that it ends)."""


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("action", [*ACTIONS, "delete"])
def test_a_person_does_what_the_table_allows_and_nothing_else(
    action: str, state: str, mask: str
) -> None:
    bench = Bench(state, mask)
    before = bench.engine.snapshot()
    outcome = bench.ask(action)
    if action not in LETS[state] and action not in MASKING[mask]:
        assert not outcome.ok
        assert outcome.code.startswith("ALM-")
        assert outcome.what
        assert outcome.remedy
        assert outcome.transitions == ()
        assert bench.engine.snapshot() == before
        return
    assert outcome.ok, outcome
    after, under = LETS[state].get(action, state), MASKING[mask].get(action, mask)
    assert bench.state() == (under or after, after)
    assert all(t.before == state and t.after == after for t in outcome.transitions)
    assert len(outcome.transitions) == (0 if action == "silence" else 1)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("value", [CALM, LOUD])
def test_a_condition_moves_the_core_state_under_every_mask(
    value: float, state: str, mask: str
) -> None:
    bench = Bench(state, mask)
    came = bench.see(5, value)
    if mask == "shelved" and state == "normal" and value == LOUD:
        assert came.pop(0) == ("unshelve", "normal")  # It was shelved at its lowest level.
    assert came == READINGS[state, value]
    assert all(t.mask == mask for t in bench.said[-len(came) :] if came and mask != "shelved")


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("state", STATES)
def test_what_is_not_seen_moves_nothing_and_is_not_reset(state: str, mask: str) -> None:
    bench = Bench(state, mask)
    assert bench.see(5, LOUD, known=False) == []
    assert bench.see(6, CALM, known=False) == []
    before = bench.engine.snapshot()
    assert not bench.ask("reset", second=None).ok
    assert not bench.ask("reset").ok, "two persons without a portable reading"
    assert bench.engine.snapshot() == before


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("state", STATES)
def test_only_an_acknowledged_active_alarm_sounds_again(state: str, mask: str) -> None:
    bench = Bench(state, mask)
    told = bench.keep(bench.engine.advance(T0 + HOUR // 2 + S))
    events = [(t.event, t.after) for t in told if t.alarm == HIGH]
    assert events == ([("realarm", "unack_active")] if state == "ack_active" else [])


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("state", STATES)
def test_close_ends_any_state_under_any_mask(state: str, mask: str) -> None:
    bench = Bench(state, mask)
    told = bench.engine.close(HIGH, T0, {"why": "closed_by_change", "persons": ["a", "b"]})
    exists = bool(mask) or state != "normal"
    assert [(t.event, t.before, t.after, t.mask) for t in told] == (
        [("close", state, "normal", "")] if exists else []
    )
    assert bench.engine.alarm(HIGH) is None
    assert bench.engine.next_due() is None or bench.engine.next_due() > T0 + 100 * HOUR


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    "change",
    [{"version": 99}, {"version": -1}, {"occurrence": 1}, {"role": "viewer"}, {"role": ""},
     {"alarm": "hd/p/nothing:high"}, {"alarm": ""}, {"person": "li"}],
)  # fmt: skip
def test_what_was_not_seen_or_may_not_be_is_refused(action: str, change: dict[str, object]) -> None:
    """`li` signs as the second person too."""
    for state in STATES:
        bench = Bench(state, "")
        before = bench.engine.snapshot()
        outcome = bench.ask(action, **change)
        assert not outcome.ok
        assert outcome.code
        assert outcome.transitions == ()
        assert bench.engine.snapshot() == before


def test_what_was_closed_is_raised_anew_where_it_is_still_read_after_a_start() -> None:
    """The journal says that it was closed, not that the condition is gone."""
    bench = Bench("unack_active", "")
    bench.keep(bench.engine.close(HIGH, T0, {"why": "closed_by_change"}))
    journal, bench.engine = bench.said, Engine(site(latches=False), T0 + 9 * S)
    bench.engine.restore(None, journal, T0 + 9 * S)
    assert bench.see(10, LOUD) == [("raise", "unack_active")]
