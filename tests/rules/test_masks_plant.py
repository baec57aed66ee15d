"""Suppression by plant state: what hides, what never does, what a restart must not show."""

from __future__ import annotations

from dataclasses import replace

import pytest
from asking import Asker, S
from every_kind import formula
from life_model import AREA, ESD, GAS_1, GAS_A, HIGH, SIGNED_UNTIL, STOP, TEMP, TRIP
from life_model import site as park
from life_people import masked
from small_park import T0

from parkwatch.rules.engine import Engine
from parkwatch.rules.quality import BAD, Reason
from parkwatch.rules.site import Site, Suppression

H = 3600
SUPPRESSED = "suppressed_by_design"
CALM = {TEMP: 0.0, GAS_1: 0.0, 2: 0.0, TRIP: 0.0, AREA: 0.0, STOP: 0.0}
LOST = BAD | Reason.FAULT


def world(site: Site | None = None) -> Asker:
    found = Asker(Engine(site or park(), T0))
    found.read(0, CALM)
    return found


def stop(asker: Asker, at: float, *, area: float | None = None, stop: float | None = None) -> None:
    """A plant state is read, and its moment passes."""
    read = {AREA: area, STOP: stop}
    asker.read(at, {p: v for p, v in read.items() if v is not None})
    asker.wait(at + 0.5)


def restarted(asker: Asker, at: float, site: Site | None = None, *, whole: bool = False) -> Asker:
    again = Asker(Engine(site or park(), T0 + round(at * S)))
    snapshot = None if whole else asker.engine.snapshot()
    again.engine.restore(snapshot, asker.said if whole else [], T0 + round(at * S))
    return again


def test_what_a_stopped_area_hides_is_told_to_nobody_and_leaves_nothing() -> None:
    asker = world()
    stop(asker, 1, area=1.0)
    asker.read(2, {TEMP: 20.0})
    assert asker.state() == (SUPPRESSED, "unack_active")
    asker.read(3, {TEMP: 0.0})
    assert {t.mask for t in asker.said if t.alarm == HIGH} == {SUPPRESSED}
    asker.lives()
    stop(asker, 4, area=0.0)
    assert asker.lives() == [("unsuppress", "normal")]
    assert asker.engine.alarm(HIGH) is None


def test_what_was_seen_before_is_still_to_be_acknowledged() -> None:
    asker = world()
    asker.read(1, {TEMP: 20.0})
    stop(asker, 2, area=1.0)
    asker.read(3, {TEMP: 0.0})
    stop(asker, 4, area=0.0)
    assert asker.state() == ("rtn_unack", "rtn_unack")


@pytest.mark.parametrize("quality", [LOST, BAD | Reason.COMMS, BAD | Reason.CALIBRATING])
def test_an_unknown_plant_state_hides_nothing(quality: int) -> None:
    asker = world()
    asker.read(1, {AREA: 1.0}, quality)
    asker.wait(2)
    assert masked(asker.engine) == []
    stop(asker, 3, area=1.0)
    assert {alarm for alarm, _ in masked(asker.engine)} == {HIGH, GAS_A}
    asker.read(4, {AREA: 1.0}, quality)
    asker.wait(5)
    assert masked(asker.engine) == []


@pytest.mark.parametrize("whole", [False, True])
def test_what_was_not_read_yet_since_a_start_shows_nothing_before_it_is_stale(
    *, whole: bool
) -> None:
    points = [replace(p, stale_ns=10 * S) if p.index == AREA else p for p in park().points]
    site = replace(park(), points=points)
    asker = world(site)
    stop(asker, 1, area=1.0)
    asker.read(2, {TEMP: 20.0})
    again = restarted(asker, 3, site, whole=whole)
    again.read(4, {TEMP: 20.0})
    again.wait(12)
    assert again.state() == (SUPPRESSED, "unack_active")
    again.wait(14)
    assert again.state() == ("unack_active", "unack_active")


@pytest.mark.parametrize("whole", [False, True])
def test_what_is_read_after_a_start_decides(*, whole: bool) -> None:
    asker = world()
    stop(asker, 1, area=1.0)
    again = restarted(asker, 3, whole=whole)
    again.wait(4)
    stop(again, 5, area=1.0)
    assert again.said == []
    stop(again, 6, area=0.0)
    assert again.lives() == again.lives(GAS_A) == [("unsuppress", "normal")]


def test_gas_level_2_breaks_through_and_stays_shown() -> None:
    asker = world()
    stop(asker, 1, area=1.0)
    asker.read(2, {GAS_1: 30.0})
    assert asker.ask("ack", GAS_A).ok
    assert asker.state(GAS_A) == (SUPPRESSED, "ack_active")
    asker.lives(GAS_A)
    asker.read(3, {GAS_1: 60.0})
    assert asker.lives(GAS_A) == [("unsuppress", "unack_active"), ("rise", "unack_active")]
    asker.read(4, {GAS_1: 30.0})
    stop(asker, 5, area=1.0)
    assert asker.state(GAS_A)[0] == "unack_active"


@pytest.mark.parametrize("now", [60.0, 30.0, 0.0])
def test_a_gas_alarm_that_reached_level_2_is_not_hidden_by_a_plant_state(now: float) -> None:
    """Not while it is at level 1 again, nor latched."""
    asker = world()
    asker.read(1, {GAS_1: 60.0})
    asker.read(2, {GAS_1: now})
    stop(asker, 3, area=1.0)
    assert asker.state(GAS_A)[0] == ("latched_unack" if now == 0.0 else "unack_active")


def test_a_signed_override_hides_what_is_essential_to_its_second() -> None:
    asker = world()
    stop(asker, 1, stop=1.0)
    asker.read(2, {TRIP: 1.0})
    assert asker.state(ESD) == (SUPPRESSED, "unack_active")
    asker.lives(ESD)
    asker.keep(asker.engine.advance(SIGNED_UNTIL - 1))
    assert asker.lives(ESD) == []
    asker.keep(asker.engine.advance(SIGNED_UNTIL))
    assert asker.lives(ESD) == [("expire", "unack_active")]
    at = (SIGNED_UNTIL - T0) / S
    stop(asker, at + 1, stop=0.0)
    stop(asker, at + 2, stop=1.0)
    assert masked(asker.engine) == []


def test_a_signature_that_ended_while_we_were_down_ends_at_once() -> None:
    asker = world()
    stop(asker, 1, stop=1.0)
    asker.read(2, {TRIP: 1.0})
    at = (SIGNED_UNTIL - T0) / S + 5
    again = restarted(asker, at)
    again.wait(at + 0.5)
    assert again.lives(ESD) == [("expire", "unack_active")]


@pytest.mark.parametrize("ends", ["plant", "signature"])
def test_of_two_suppressions_the_other_one_goes_on_hiding(ends: str) -> None:
    asker = world()
    stop(asker, 1, area=1.0)
    stop(asker, 2, stop=1.0)
    asker.read(3, {TEMP: 20.0})
    if ends == "plant":
        stop(asker, 4, stop=0.0)
    else:
        asker.keep(asker.engine.advance(SIGNED_UNTIL))
    assert asker.state() == (SUPPRESSED, "unack_active")
    at = (SIGNED_UNTIL - T0) / S + 1
    stop(asker, at, area=0.0)
    assert asker.state() == ("unack_active", "unack_active")


def both(until: int) -> Site:
    """A trip that two plant states hide, one of them under a signature."""
    return replace(
        park(),
        suppressions=[
            Suppression("area", formula("a == 1", a=AREA), (ESD,)),
            Suppression("stop", formula("s == 1", s=STOP), (ESD,), until=until),
        ],
    )


def test_without_the_signed_one_the_other_hides_no_trip() -> None:
    asker = world(both(SIGNED_UNTIL))
    stop(asker, 1, area=1.0, stop=1.0)
    asker.read(2, {TRIP: 1.0})
    assert asker.state(ESD)[0] == SUPPRESSED
    stop(asker, 3, stop=0.0)
    assert asker.state(ESD) == ("unack_active", "unack_active")


def test_a_suppression_gone_from_the_configuration_hides_nothing_more() -> None:
    asker = world()
    stop(asker, 1, area=1.0)
    asker.read(2, {TEMP: 20.0})
    bare = replace(park(), suppressions=[])
    again = restarted(asker, 3, bare)
    again.wait(3)
    assert again.lives() == [("unsuppress", "unack_active")]
    assert masked(again.engine) == []


def test_an_alarm_gone_from_a_suppression_is_not_hidden_by_it() -> None:
    asker = world()
    stop(asker, 1, area=1.0)
    asker.read(2, {TEMP: 20.0})
    site = park()
    less = replace(site, suppressions=[replace(site.suppressions[0], alarms=(GAS_A,))])
    again = restarted(asker, 3, less)
    again.wait(3.5)
    assert again.state() == ("unack_active", "unack_active")
    assert [alarm for alarm, _ in masked(again.engine)] == [GAS_A]


def test_a_signature_gone_from_the_configuration_hides_no_trip() -> None:
    asker = world(both(SIGNED_UNTIL))
    stop(asker, 1, stop=1.0)
    asker.read(2, {TRIP: 1.0})
    again = restarted(asker, 3, both(0))
    again.wait(3.5)
    assert again.state(ESD) == ("unack_active", "unack_active")


def test_a_plant_state_that_a_snapshot_knew_as_calibrating_is_unread_after_a_start() -> None:
    asker = world()
    asker.read(1, {AREA: 0.0}, BAD | Reason.CALIBRATING)
    asker.wait(1.5)
    snapshot = asker.engine.snapshot()
    asker.said.clear()
    stop(asker, 2, area=1.0)
    again = Asker(Engine(park(), T0 + 3 * S))
    again.engine.restore(snapshot, asker.said, T0 + 3 * S)
    again.wait(4)
    assert again.state()[0] == SUPPRESSED


def test_a_leak_right_after_what_was_told_to_nobody_is_raised() -> None:
    asker = world()
    stop(asker, 1, area=1.0)
    asker.read(2, {GAS_1: 30.0})
    asker.read(3, {GAS_1: 0.0})
    assert asker.state(GAS_A) == (SUPPRESSED, "rtn_unack")
    asker.lives(GAS_A)
    asker.read(4, {GAS_1: 60.0})
    assert asker.lives(GAS_A) == [("unsuppress", "normal"), ("raise", "unack_active")]
    assert asker.state(GAS_A) == ("unack_active", "unack_active")
