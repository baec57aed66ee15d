"""What people may do to an alarm: never acknowledge what they did not see, never reset a leak."""

import pytest
from small_park import ALONE, T0, TRIP, A, B, S, World, told

from parkwatch.rules.alarms.lifecycle import TABLE, Event, State, mermaid, step
from parkwatch.rules.transition import Command

GAS = "hd/panel-1/ch4-01:gas"


def test_an_acknowledgement_of_what_has_risen_is_refused() -> None:
    world = World()
    world.read(0, {A: 30.0, B: 1.0})
    world.read(3, {A: 30.0, B: 1.0})
    seen = world.engine.alarm(GAS)
    assert seen is not None
    world.read(4, {A: 55.0, B: 1.0})
    world.wait(5)
    old = Command("c1", "ack", GAS, seen.occurrence, seen.version, "zhang", "operator")
    assert world.engine.command(old, T0 + 6 * S).code == "ALM-409"
    world.read(7, {A: 30.0, B: 1.0})
    newer = world.engine.alarm(GAS)
    assert newer is not None
    for second in (12, 17, 22, 27, 32, 37):
        world.read(second, {A: 30.0, B: 1.0})
    ack = Command("c2", "ack", GAS, newer.occurrence, newer.version, "zhang", "operator")
    assert world.engine.command(ack, T0 + 38 * S).ok  # only a fall is newer


def test_an_acknowledged_alarm_sounds_again() -> None:
    world = World()
    world.read(0, {TRIP: 1.0})
    assert world.act("ack", "hd/panel-1/sif-1:state", 1) == "ok"
    said = world.wait(15 * 60 + 1)
    assert ("sif-1:state", "realarm", "red") in told(said)


@pytest.mark.parametrize(
    ("reading", "alarm", "minutes"),
    [({TRIP: 1.0}, "hd/panel-1/sif-1:state", 15), ({ALONE: 50.0}, "hd/panel-1/ch4-03:gas", 30),
     ({ALONE: 25.0}, "hd/panel-1/ch4-03:gas", 60), ({}, "hd/panel-1/ch4-03:fault", None)],
)  # fmt: skip
def test_re_alarm_time_by_grade(reading: dict[int, float], alarm: str, minutes: int | None) -> None:
    world = World()
    if reading:
        world.read(0, reading)
    world.wait(20)
    assert world.act("ack", alarm, 20) == "ok"
    again = [t.received for t in world.wait(4 * 3600) if t.alarm == alarm and t.event == "realarm"]
    assert again == ([] if minutes is None else [T0 + (20 + minutes * 60) * S])


@pytest.mark.parametrize(
    ("change", "code"),
    [({"occurrence": 1}, "ALM-404"), ({"alarm": "hd/panel-1/ch4-02:gas"}, "ALM-404"),
     ({"role": "viewer"}, "ALM-403"), ({"action": "shelve"}, "ALM-403"),
     ({"version": 0}, "ALM-409"), ({"version": 2}, "ALM-409"), ({}, "ok"),
     ({"action": "reset"}, "ALM-411"), ({"action": "silence"}, "ok"),
     ({"action": "silence", "version": 0}, "ALM-409")],
)  # fmt: skip
def test_refusals(change: dict[str, object], code: str) -> None:
    world = World()
    world.read(0, {A: 60.0, B: 1.0})
    world.wait(1)
    view = world.engine.alarm(GAS)
    assert view is not None
    fields = {"action": "ack", "alarm": GAS, "occurrence": view.occurrence, "version": 1,
              "role": "operator", **change}  # fmt: skip
    command = Command(id="c", person="zhang", **fields)  # type: ignore[arg-type]
    outcome = world.engine.command(command, T0 + S)
    assert (outcome.code or "ok") == code
    assert outcome.ok or (outcome.what and outcome.remedy and not outcome.transitions)


def test_an_alarm_that_returned_is_acknowledged_on_what_was_seen_before() -> None:
    """A chattering alarm can be acknowledged: only a return is newer than what was seen."""
    world = World()
    world.read(0, {A: 30.0, B: 1.0})
    world.wait(3)
    seen = world.engine.alarm(GAS)
    assert seen is not None
    world.read(4, {A: 1.0, B: 1.0})
    world.read(13, {A: 1.0, B: 1.0})
    assert told(world.wait(14)) == [("ch4-01:gas", "return", "yellow")]
    command = Command("c", "ack", GAS, seen.occurrence, seen.version, "zhang", "operator")
    outcome = world.engine.command(command, T0 + 15 * S)
    assert [(t.after, t.cause["person"]) for t in outcome.transitions] == [("normal", "zhang")]


def test_a_second_occurrence_is_never_the_first_one_again() -> None:
    world = World()
    for _ in range(2):
        world.read(0, {TRIP: 1.0})
        world.read(0, {TRIP: 0.0})
        assert world.act("ack", "hd/panel-1/sif-1:state", 0) == "ok"
        assert world.act("reset", "hd/panel-1/sif-1:state", 0) == "ok"
    raised = [t.occurrence for t in world.said if t.event == "raise"]
    assert raised == [T0, T0 + 1]


def test_a_lost_detector_of_the_zone_forbids_the_reset_of_its_vote() -> None:
    world = World()
    world.read(0, {A: 60.0, B: 60.0})
    world.wait(1)
    for second in (2, 11, 20, 29, 32):
        world.read(second, {A: 1.0, B: 1.0})
    vote = "hd/tank:vote-ch4"
    assert world.act("ack", vote, 33) == "ok"
    world.wait(45)  # both are stale: nobody sees whether it is over
    assert world.act("reset", vote, 45) == "ALM-411"
    world.read(46, {A: 1.0, B: 1.0})
    assert world.act("reset", vote, 47) == "ok"


def test_every_state_can_be_reached_and_left_and_the_diagram_is_the_table() -> None:
    assert {before for before, _ in TABLE} == set(State)
    assert set(TABLE.values()) == set(State)
    assert mermaid().count("-->") == len(TABLE)
    assert step(State.LATCHED_UNACK, Event.RESET) is None


def test_what_the_table_does_not_name_is_refused() -> None:
    allowed = {(s, e) for s in State for e in Event if step(s, e) is not None}
    assert allowed == set(TABLE)
    for state in State:
        assert (step(state, Event.RAISE) is not None) == (state is State.NORMAL)
        assert (step(state, Event.RESET) is not None) == (state is State.LATCHED_ACK)
        assert (step(state, Event.ACK) is not None) == state.endswith(("unack", "unack_active"))
    assert step(State.ACK_ACTIVE, Event.RETURN) is State.NORMAL
    assert step(State.UNACK_ACTIVE, Event.LATCH) is State.LATCHED_UNACK
