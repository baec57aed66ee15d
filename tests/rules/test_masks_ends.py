"""When masks end and alarms sound again, to the nanosecond; and what is shown then."""

from __future__ import annotations

from typing import Any

import pytest
from asking import HIGH, LI, T0, Asker, S, site
from life_model import BLUE, ESD, GAS_1, GAS_A, LOW, STOP, TEMP, TRIP
from life_model import site as park
from life_people import masked

from parkwatch.rules.engine import Engine
from parkwatch.rules.transition import Signer

H = 3600
LOUD_AT = {HIGH: {TEMP: 20.0}, ESD: {TRIP: 1.0}, BLUE: {LOW: 5.0}, GAS_A: {GAS_1: 30.0}}


def world(*, latches: bool = False) -> Asker:
    found = Asker(Engine(site(latches=latches), T0))
    found.read(0, {TEMP: 0.0, TRIP: 0.0, LOW: 20.0, GAS_1: 0.0, 2: 0.0})
    return found


def to(asker: Asker, ns: int) -> None:
    asker.keep(asker.engine.advance(T0 + ns))


@pytest.mark.parametrize(
    ("alarm", "minutes"), [(ESD, 15), (HIGH, 30), (GAS_A, 60), (BLUE, None)], ids=str
)
def test_an_acknowledged_alarm_sounds_again_at_its_second(alarm: str, minutes: int | None) -> None:
    asker = world()
    asker.read(1, LOUD_AT[alarm])
    assert asker.ask("ack", alarm, 2).ok
    asker.lives(alarm)
    to(asker, (2 + (minutes or 1000) * 60) * S - 1)
    assert asker.lives(alarm) == []
    to(asker, (2 + (minutes or 1000) * 60) * S)
    assert asker.lives(alarm) == ([("realarm", "unack_active")] if minutes else [])


@pytest.mark.parametrize(
    ("alarm", "promised", "sounds"),
    [(HIGH, 600, 600), (HIGH, 1800, 1800), (HIGH, 1801, 1800), (BLUE, 600, 600),
     (ESD, 3600, 900)],
)  # fmt: skip
def test_a_promise_or_the_re_alarm_time_whichever_is_earlier(
    alarm: str, promised: int, sounds: int
) -> None:
    asker = world()
    asker.read(1, LOUD_AT[alarm])
    by = T0 + (2 + promised) * S
    assert asker.ask("ack", alarm, 2, details={"next": "look", "by": by}).ok
    asker.lives(alarm)
    to(asker, (2 + sounds) * S - 1)
    assert asker.lives(alarm) == []
    to(asker, (2 + sounds) * S)
    assert asker.lives(alarm) == [("realarm", "unack_active")]


def test_the_second_acknowledgement_has_a_time_of_its_own() -> None:
    asker = world()
    asker.read(1, LOUD_AT[HIGH])
    assert asker.ask("ack", HIGH, 1, details={"by": T0 + 60 * S}).ok
    asker.wait(60)
    assert asker.ask("ack", HIGH, 61).ok
    asker.lives()
    to(asker, (61 + 1800) * S - 1)
    assert asker.lives() == []
    asker.wait(61 + 1800)
    assert asker.lives() == [("realarm", "unack_active")]


@pytest.mark.parametrize("before", ["unack_active", "ack_active", "latched_ack", "rtn_unack"])
def test_a_shelf_ends_at_its_second_and_shows_the_alarm_unacknowledged(before: str) -> None:
    asker = world(latches=before == "latched_ack")
    asker.read(1, LOUD_AT[HIGH])
    if before.endswith("_ack") or before == "ack_active":
        assert asker.ask("ack", HIGH, 2).ok
    if before in ("latched_ack", "rtn_unack"):
        asker.read(3, {TEMP: 0.0})
    assert asker.shelve(60, at=4).ok
    asker.lives()
    to(asker, 64 * S - 1)
    assert (asker.state(), asker.lives()) == (("shelved", before), [])
    to(asker, 64 * S)
    after = {"ack_active": "unack_active", "latched_ack": "latched_unack"}.get(before, before)
    assert (asker.state(), asker.lives()) == ((after, after), [("expire", after)])
    assert asker.wait(10 * H) == []


@pytest.mark.parametrize("before", ["ack_active", "latched_ack", "unack_active"])
@pytest.mark.parametrize("mask", ["shelved", "out_of_service"])
def test_shown_by_hand_the_core_is_as_it_was(mask: str, before: str) -> None:
    asker = world(latches=before == "latched_ack")
    asker.read(1, LOUD_AT[HIGH])
    if before != "unack_active":
        assert asker.ask("ack", HIGH, 2).ok
    if before == "latched_ack":
        asker.read(3, {TEMP: 0.0})
    assert (asker.shelve(60, at=4) if mask == "shelved" else asker.withdraw(H, at=4)).ok
    event = "unshelve" if mask == "shelved" else "return-to-service"
    asker.lives()
    assert asker.ask(event, at=5, second=None, role="operator", reason="").ok
    assert asker.lives() == [(event.replace("-", "_"), before)]
    assert asker.state() == (before, before)
    assert masked(asker.engine) == []


@pytest.mark.parametrize("how", ["ack of returned", "return of acknowledged", "reset of latched"])
def test_a_one_shot_shelf_ends_when_the_alarm_is_normal(how: str) -> None:
    asker = world(latches=how == "reset of latched")
    asker.read(1, LOUD_AT[HIGH])
    assert asker.shelve(None, at=2).ok
    if how != "ack of returned":
        assert asker.ask("ack", at=3).ok
    asker.read(4, {TEMP: 0.0})
    if how == "ack of returned":
        assert asker.state() == ("shelved", "rtn_unack")
        assert asker.ask("ack", at=5).ok
    elif how == "reset of latched":
        assert asker.state() == ("shelved", "latched_ack")
        assert asker.ask("reset", at=5).ok
    assert asker.lives()[-2:][1] == ("expire", "normal")
    assert asker.engine.alarm(HIGH) is None
    asker.read(6, LOUD_AT[HIGH])
    assert asker.state() == ("unack_active", "unack_active")


def test_a_timed_shelf_outlives_the_occurrence() -> None:
    asker = world()
    asker.read(1, LOUD_AT[HIGH])
    assert asker.shelve(60, at=2).ok
    assert asker.ask("ack", at=3).ok
    asker.read(4, {TEMP: 0.0})
    assert asker.state() == ("shelved", "normal")
    asker.read(5, {TEMP: 10.0})
    assert asker.state() == ("shelved", "unack_active")
    asker.wait(62)
    assert asker.lives()[-1] == ("expire", "unack_active")


@pytest.mark.parametrize(
    ("alarm", "role", "seconds", "ok"),
    [(BLUE, "operator", 8 * H, True), (BLUE, "operator", 8 * H + 1, False),
     (GAS_A, "operator", 8 * H, True), (GAS_A, "operator", 8 * H + 1, False),
     (HIGH, "operator", 60, False), (HIGH, "shift-lead", H, True),
     (HIGH, "shift-lead", H + 1, False), (ESD, "shift-lead", 1, False),
     (GAS_A, "operator", -1, False), (GAS_A, "operator", float("nan"), False),
     (GAS_A, "operator", float("inf"), False), (GAS_A, "operator", "60", False),
     (GAS_A, "operator", True, False)],
)  # fmt: skip
def test_how_long_who_may_shelve_what(alarm: str, role: str, seconds: Any, *, ok: bool) -> None:
    asker = world()
    asker.read(1, LOUD_AT[alarm])
    outcome = asker.ask(
        "shelve", alarm, 1, role=role, details={"kind": "timed", "seconds": seconds}
    )
    assert outcome.ok == ok, outcome
    if ok:
        to(asker, (1 + seconds) * S - 1)
        assert asker.state(alarm)[0] == "shelved"
        to(asker, (1 + seconds) * S)
        assert asker.state(alarm) == ("unack_active", "unack_active")


@pytest.mark.parametrize(
    ("until", "ok"), [(12 * H * S, True), (12 * H * S + 1, False), (0, False), (-1, False)]
)
def test_out_of_service_lasts_at_most_a_shift_without_renewal(until: int, *, ok: bool) -> None:
    asker = world()
    details = {"permit": "P-1", "until": T0 + until}
    assert asker.ask("out-of-service", details=details).ok == ok
    if not ok:
        return
    to(asker, 6 * H * S)
    assert asker.withdraw(18 * H, at=6 * H).ok  # a renewal, from now on
    asker.read(6 * H + 1, LOUD_AT[HIGH])
    asker.lives()
    to(asker, 18 * H * S - 1)
    assert (asker.state(), asker.lives()) == (("out_of_service", "unack_active"), [])
    to(asker, 18 * H * S)
    assert asker.lives() == [("expire", "unack_active")]
    assert asker.engine.next_due() is None or asker.engine.next_due() > T0 + 18 * H * S


@pytest.mark.parametrize(
    ("value", "second", "enterprise", "result"),
    [(0.0, None, "", "done"), (20.0, None, "", "ALM-415"), (None, None, "", "ALM-415"),
     (20.0, LI, "", "done"), (None, LI, "", "done"), (0.0, None, "hd", "requested"),
     (20.0, Signer("zhao", "enterprise", "hd"), "hd", "requested"), (20.0, LI, "hd", "done")],
)  # fmt: skip
def test_what_is_active_or_unseen_is_taken_out_of_service_by_two_one_of_the_park(
    value: float | None, second: Signer | None, enterprise: str, result: str
) -> None:
    asker = world()
    if value is None:
        asker.read(1, {TEMP: 0.0}, 0x80 | 5)  # calibrating
    else:
        asker.read(1, {TEMP: value})
    outcome = asker.withdraw(H, second=second, enterprise=enterprise, role="enterprise")
    said = outcome.code if not outcome.ok else "requested" if outcome.code else "done"
    assert said == result
    assert bool(masked(asker.engine)) == (result == "done")


def test_the_first_of_three_masks_is_shown_and_each_ends_at_its_own_time() -> None:
    asker = Asker(Engine(park(), T0))
    asker.read(0, {TEMP: 20.0, STOP: 0.0})
    assert asker.ask("ack", at=1).ok
    assert asker.shelve(60, at=1).ok
    asker.read(2, {STOP: 1.0})
    asker.wait(3)
    assert asker.state()[0] == "suppressed_by_design"
    assert asker.withdraw(120, at=4).ok
    assert asker.state()[0] == "out_of_service"
    asker.lives()
    asker.wait(61)
    expired = asker.said[-1]
    assert (expired.event, expired.after, expired.mask) == (
        "expire", "unack_active", "out_of_service",
    )  # fmt: skip
    asker.wait(120)
    assert asker.state() == ("suppressed_by_design", "unack_active")
    asker.read(121, {STOP: 0.0})
    asker.wait(122)
    assert asker.state() == ("unack_active", "unack_active")


def test_a_masked_alarm_announces_nothing_but_goes_on() -> None:
    """Versions go on, so that an acknowledgement of what was seen before is refused."""
    asker = world()
    asker.read(1, LOUD_AT[HIGH])
    assert asker.ask("ack", at=1).ok
    assert asker.withdraw(6 * H, at=1).ok
    seen = asker.engine.last(HIGH)[1]
    asker.lives()
    asker.said.clear()
    asker.wait(1 + 1800)
    again = asker.said[-1]
    assert (again.event, again.mask, again.version) == ("realarm", "out_of_service", seen + 1)
    assert asker.ask("ack", version=seen).code == "ALM-409"
    assert asker.ask("ack").ok
    assert asker.state() == ("out_of_service", "ack_active")
