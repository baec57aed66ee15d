"""All times at which something was not watched: what an inspector asks for."""

from dataclasses import replace

import small_park
from small_park import T0, S

from parkwatch.rules.engine import Engine
from parkwatch.rules.gaps import Gaps, Last, at_start, stalled
from parkwatch.rules.grade import Grade
from parkwatch.rules.transition import Command, Transition

LINK = "hd/panel-1:link"
BLIND = "hd/tank:blind-ch4"


def told(found: Gaps, transitions: list[Transition]) -> list[dict[str, object]]:
    return [body for t in transitions for body in found.react(t)]


def link(engine: Engine, at: int, *, active: bool) -> list[Transition]:
    return engine.condition(LINK, active=active, grade=Grade.ORANGE, cause={}, now=T0 + at * S)


def test_a_lost_link_is_a_gap_of_its_points_and_zones_once_it_is_back() -> None:
    park = small_park.site()
    engine, found = Engine(park, T0), Gaps(park)
    assert told(found, link(engine, 10, active=True)) == []
    (gap,) = [g for g in told(found, link(engine, 70, active=False)) if g["who"] == LINK]
    assert (gap["why"], gap["from"], gap["to"]) == ("link", T0 + 10 * S, T0 + 70 * S)
    assert gap["points"] == [p.id for p in park.points if p.device == "hd/panel-1"]
    assert gap["zones"] == ["hd/boiler", "hd/shed", "hd/tank"]
    assert told(found, link(engine, 71, active=False)) == []


def test_what_is_open_survives_a_restart_and_its_gap_begins_where_it_began() -> None:
    park = small_park.site()
    engine, before, after = Engine(park, T0), Gaps(park), Gaps(park)
    down = link(engine, 10, active=True)
    after.restore(before.snapshot(), down)  # the snapshot is older than the transition
    (gap,) = [g for g in told(after, link(engine, 30, active=False)) if g["who"] == LINK]
    assert gap["from"] == T0 + 10 * S
    told(before, down)
    after.restore(before.snapshot(), [])
    engine = Engine(park, T0)
    link(engine, 10, active=True)
    assert told(after, link(engine, 30, active=False))[-1]["from"] == T0 + 10 * S


def test_a_blind_zone_names_the_detectors_that_nobody_saw() -> None:
    park = small_park.site()
    found = Gaps(park)
    cause = {"level": 2, "gas": "CH4"}
    down = Transition(BLIND, T0, 1, "raise", "normal", "unack_active", Grade.ORANGE, Grade.ORANGE,
                      T0, cause=cause)  # fmt: skip
    worse = Transition(BLIND, T0, 2, "rise", "unack_active", "unack_active", Grade.RED, Grade.RED,
                       T0 + 5, cause={**cause, "level": 3})  # fmt: skip
    back = Transition(BLIND, T0, 3, "return", "unack_active", "rtn_unack", Grade.RED, Grade.RED,
                      T0 + 9, cause={**cause, "level": 0})  # fmt: skip
    (gap,) = told(found, [down, worse, back])
    assert (gap["why"], gap["from"], gap["to"]) == ("blind", T0, T0 + 9)
    assert gap["zones"] == ["hd/tank"]
    assert gap["points"] == [p.id for p in park.points if p.gas == "CH4" and p.zone == "hd/tank"]


def test_a_shelf_is_a_gap_when_it_ends_and_a_links_mask_is_none() -> None:
    park = small_park.site()
    engine, found = Engine(park, T0), Gaps(park)
    alarm = f"{park.points[small_park.LEVEL].id}:low"
    shelve = Command("c1", "shelve", alarm, 0, 0, "li", "operator", reason="维修",
                     details={"kind": "timed", "seconds": 60})  # fmt: skip
    outcome = engine.command(shelve, T0 + S)
    assert outcome.ok, outcome.what
    assert told(found, list(outcome.transitions)) == []
    view = engine.alarm(alarm)
    assert view is not None
    unshelve = replace(shelve, id="c2", action="unshelve", occurrence=view.occurrence,
                       version=view.version, details={})  # fmt: skip
    (gap,) = told(found, list(engine.command(unshelve, T0 + 9 * S).transitions))
    assert (gap["who"], gap["why"], gap["from"]) == (alarm, "shelved", T0 + S)
    assert gap["points"] == [park.points[small_park.LEVEL].id]
    down = link(engine, 200, active=True)
    masked = [t for t in down if t.mask]
    assert all(found.react(t) == [] for t in masked)


def test_a_start_says_why_nothing_was_watched() -> None:
    now, alive = T0 + 100 * S, T0
    boot = {"boot": "a", "now": now, "wall": now}
    for last, unrecorded, more, why in (
        (Last(alive, "SIGTERM", "a"), "", {}, "stop"),
        (Last(alive, "", "a"), "", {}, "crash"),
        (Last(alive, "", "b"), "", {}, "unpowered"),
        (Last(alive, "SIGTERM", "b"), "", {}, "stop"),
        (Last(alive, "", "a"), "", {"wall": alive - 60 * S}, "clock"),
        (Last(alive, "", "a"), "JNL-010 disk I/O error", {}, "journal"),
    ):
        asked = {**boot, **more}
        gap = at_start(last, asked["now"], asked["wall"], asked["boot"], unrecorded)
        assert (gap["why"], gap["from"], gap["to"], gap["points"]) == (why, alive, now, "all")
        assert gap["text"] == (unrecorded or last.stopped)
    assert at_start(Last(alive, "SIGTERM", "b"), now, now, "a")["rebooted"]


def test_a_process_that_did_not_run_is_a_gap_too() -> None:
    assert stalled(T0, T0 + 60 * S)["why"] == "stalled"
