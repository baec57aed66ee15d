"""A leak is never hidden: gas level 2 under every path to a shelf, latches, votes, blind zones."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from asking import Asker, S
from life_model import DEVICE, GAS_1, GAS_2, GAS_A, GAS_B, HIGH, TEMP, TRIP, VOTE, site
from small_park import T0

from parkwatch.rules.engine import Engine
from parkwatch.rules.grade import Grade
from parkwatch.rules.quality import BAD, Reason
from parkwatch.rules.site import Site

H = 3600
BLIND = "hd/tank:blind-ch4"
CALM = {GAS_1: 0.0, GAS_2: 0.0, TEMP: 0.0, TRIP: 0.0}
COMMS = BAD | Reason.COMMS


def world(park: Site | None = None) -> Asker:
    found = Asker(Engine(park or site(), T0))
    found.read(0, CALM)
    return found


@pytest.mark.parametrize("path", ["normal to 2", "1 to 2", "normal to 1 to 2", "1, 0, then 2"])
def test_level_2_ends_the_shelf_of_whoever_shelved_it_before(path: str) -> None:
    asker = world()
    if path in ("1 to 2", "1, 0, then 2"):
        asker.read(1, {GAS_1: 30.0})
        assert asker.ask("ack", GAS_A, 1).ok
    assert asker.shelve(8 * H, GAS_A, at=2, role="operator").ok
    if path == "normal to 1 to 2":
        asker.read(3, {GAS_1: 30.0})
        assert asker.state(GAS_A) == ("shelved", "unack_active")
    if path == "1, 0, then 2":
        asker.read(3, {GAS_1: 0.0})
        assert asker.state(GAS_A) == ("shelved", "normal")
    asker.said.clear()
    asker.read(4, {GAS_1: 60.0})
    assert asker.lives(GAS_A)[0][0] == "unshelve"
    assert asker.state(GAS_A) == ("unack_active", "unack_active")
    view = asker.engine.alarm(GAS_A)
    assert view is not None
    assert (view.grade, view.live_level) == (Grade.ORANGE, 2)
    assert asker.ask("ack", GAS_A).ok, "what broke through can be acknowledged"


def test_what_reached_level_2_is_not_shelved_before_it_is_normal() -> None:
    asker = world()
    asker.read(1, {GAS_1: 60.0})
    assert asker.shelve(60, GAS_A).code == "ALM-423"
    asker.read(2, {GAS_1: 30.0})  # fell to level 1, and will latch
    assert asker.shelve(60, GAS_A).code == "ALM-423"
    asker.read(3, {GAS_1: 0.0})
    assert asker.shelve(60, GAS_A).code == "ALM-423"
    assert asker.ask("ack", GAS_A).ok
    assert asker.shelve(60, GAS_A).code == "ALM-423"
    assert asker.ask("reset", GAS_A).ok
    assert asker.shelve(60, GAS_A).ok


def test_a_yellow_that_the_zone_lifts_to_orange_is_shelved_as_orange() -> None:
    park = site()
    limits = [
        replace(limit, grade=Grade.ORANGE) if limit.point == GAS_1 else limit
        for limit in park.limits
    ]
    asker = world(replace(park, limits=limits))
    assert asker.shelve(60, GAS_A, role="operator").code == "ALM-403"
    assert asker.shelve(H + 1, GAS_A).code == "ALM-425"
    assert asker.shelve(H, GAS_A).ok
    asker.read(1, {GAS_1: 30.0})
    assert asker.state(GAS_A)[0] == "shelved"
    asker.read(2, {GAS_1: 60.0})  # of the same grade, and a rise
    assert asker.state(GAS_A)[0] == "unack_active"


def test_a_vote_ends_the_shelves_of_its_detectors() -> None:
    """One is at level 2 and the other at level 1 under a shelf; the witness is lost."""
    asker = world()
    asker.read(1, {GAS_2: 30.0})
    assert asker.ask("ack", GAS_B).ok
    assert asker.shelve(H, GAS_B).ok
    asker.said.clear()
    asker.read(2, {GAS_1: 60.0})
    assert asker.state(VOTE)[0] == "normal"
    assert asker.state(GAS_B)[0] == "shelved"
    asker.read(3, {GAS_2: math.nan}, COMMS)
    assert asker.state(VOTE)[0] == "unack_active"
    assert asker.lives(GAS_B) == [("unshelve", "unack_active")]
    assert asker.shelve(60, VOTE).code == "ALM-423"


@pytest.mark.parametrize("alarm", [f"{DEVICE}/ch4-1:fault", f"{DEVICE}:link"])
def test_a_shelf_of_what_is_blue_does_not_hide_an_orange_raise(alarm: str) -> None:
    """An operator shelved a chattering channel for 8 h; then it is lost in the middle of a leak."""
    asker = world()
    if alarm.endswith(":link"):
        for active in (True, False):
            asker.engine.condition(alarm, active=active, grade=Grade.BLUE, cause={}, now=T0 + S)
        assert asker.ask("ack", alarm).ok
    assert asker.shelve(8 * H, alarm, role="operator").ok
    if alarm.endswith(":link"):
        asker.engine.condition(alarm, active=True, grade=Grade.ORANGE, cause={}, now=T0 + 2 * S)
    else:
        asker.read(2, {GAS_1: 30.0})
        asker.read(3, {GAS_1: math.nan}, COMMS)
    view = asker.engine.alarm(alarm)
    assert view is not None
    assert (view.state, view.grade) == ("unack_active", Grade.ORANGE)


@pytest.mark.parametrize("mask", ["shelved", "out_of_service"])
def test_a_latch_outlives_its_mask_and_a_restart_under_it(mask: str) -> None:
    asker = world()
    asker.read(1, {GAS_1: 60.0})
    if mask == "out_of_service":
        assert asker.withdraw(H, GAS_A).ok
    else:  # A trip is never shelved: the mask is the one that comes while it is normal.
        asker.read(2, {GAS_1: 0.0})
        assert asker.ask("ack", GAS_A).ok
        assert asker.ask("reset", GAS_A).ok
        assert asker.shelve(H, GAS_A).ok
        asker.read(3, {GAS_1: 60.0})
    asker.read(4, {GAS_1: 0.0})
    view = asker.engine.alarm(GAS_A)
    assert view is not None
    assert (view.core, view.grade, view.peak) == ("latched_unack", Grade.ORANGE, Grade.ORANGE)
    again = Engine(site(), T0 + 5 * S)
    again.restore(None, asker.said, T0 + 5 * S)
    assert again.alarm(GAS_A) == replace(view, raised=again.alarm(GAS_A).raised)  # type: ignore[union-attr]
    if mask == "out_of_service":
        assert asker.ask("return-to-service", GAS_A).ok
        assert asker.state(GAS_A) == ("latched_unack", "latched_unack")


@pytest.mark.parametrize("mask", ["shelved", "out_of_service"])
def test_hidden_detectors_make_their_zone_blind_until_they_are_shown(mask: str) -> None:
    asker = world()

    def hide(alarm: str) -> bool:
        done = asker.shelve(H, alarm) if mask == "shelved" else asker.withdraw(H, alarm)
        return done.ok

    assert hide(GAS_A)
    view = asker.engine.alarm(BLIND)
    assert view is not None
    assert (view.state, view.grade) == ("unack_active", Grade.YELLOW)
    assert hide(GAS_B)
    view = asker.engine.alarm(BLIND)
    assert view is not None
    assert view.grade is Grade.ORANGE
    show = "unshelve" if mask == "shelved" else "return-to-service"
    assert asker.ask(show, GAS_A).ok
    assert asker.ask(show, GAS_B).ok
    assert asker.state(BLIND) == ("rtn_unack", "rtn_unack")


def test_a_zone_is_blind_to_the_end_of_the_last_of_two_masks() -> None:
    asker = world()
    assert asker.shelve(60, GAS_A).ok
    assert asker.withdraw(120, GAS_A).ok
    asker.wait(60)
    assert asker.state(BLIND)[1] == "unack_active"
    asker.wait(120)
    assert asker.state(BLIND)[1] == "rtn_unack"


def test_a_detector_out_of_service_is_no_witness_of_a_vote() -> None:
    asker = world()
    asker.read(1, {GAS_1: 60.0})
    assert asker.state(VOTE)[0] == "normal"
    assert asker.withdraw(H, GAS_B, at=2).ok
    assert asker.state(VOTE)[0] == "unack_active"
    assert asker.ask("return-to-service", GAS_B, at=3).ok
    assert asker.state(VOTE)[0] == "unack_active", "a witness that comes back does not end it"
    asker.read(4, {GAS_1: 0.0})
    assert asker.state(VOTE)[0] == "latched_unack"


@pytest.mark.parametrize("hide", ["shelved", "nothing"])
def test_a_shelved_detector_is_a_witness_all_the_same(hide: str) -> None:
    asker = world()
    if hide == "shelved":
        assert asker.shelve(H, GAS_B).ok
    asker.read(1, {GAS_1: 60.0})
    assert asker.state(VOTE)[0] == "normal"


def test_nothing_is_reset_while_its_condition_is_true_though_its_delay_still_runs() -> None:
    park = site()
    limits = [replace(limit, on_delay_ns=3 * S) for limit in park.limits]
    asker = world(replace(park, limits=limits))
    asker.read(1, {GAS_1: 60.0})
    asker.read(4, {GAS_1: 0.0})
    assert asker.ask("ack", GAS_A).ok
    asker.read(5, {GAS_1: 60.0})  # back: for 3 s no alarm, but the condition is TRUE
    assert asker.state(GAS_A)[0] == "latched_ack"
    assert asker.ask("reset", GAS_A).code == "ALM-411"
    assert asker.withdraw(H, GAS_A, second=None).code == "ALM-415"
    asker.wait(8)
    assert asker.state(GAS_A)[0] == "unack_active"


def test_what_is_normal_is_not_silenced_under_a_mask() -> None:
    asker = world()
    assert asker.shelve(60).ok
    assert asker.ask("silence", HIGH).code == "ALM-410"


def test_a_link_a_shelf_and_a_permit_over_one_fault_end_one_by_one() -> None:
    """The mask of the link is under the permit's all the time, through a restart too."""
    asker = world()
    fault, link = f"{DEVICE}/tt:fault", f"{DEVICE}:link"
    asker.keep(asker.engine.condition(link, active=True, grade=Grade.BLUE, cause={}, now=T0 + S))
    asker.read(2, {TEMP: math.nan}, COMMS)
    assert asker.state(fault) == ("suppressed_by_design", "unack_active")
    assert asker.shelve(H, fault, at=3).ok
    assert asker.withdraw(100, fault, at=4).ok
    again = Asker(Engine(site(), T0 + 5 * S))
    again.engine.restore(None, asker.said, T0 + 5 * S)
    again.read(6, {TEMP: math.nan}, COMMS)
    for each in (asker, again):
        assert each.state(fault)[0] == "out_of_service"
        each.wait(100)
        assert each.state(fault) == ("suppressed_by_design", "unack_active")
        each.engine.condition(link, active=False, grade=Grade.BLUE, cause={}, now=T0 + 101 * S)
        each.read(102, {TEMP: math.nan}, COMMS)
        assert each.state(fault) == ("shelved", "unack_active")
        each.wait(3 + H)
        assert each.state(fault) == ("unack_active", "unack_active")


def test_a_rise_to_a_level_that_was_shelved_ends_the_shelf_too() -> None:
    asker = world()
    asker.read(1, {TEMP: 20.0})
    assert asker.shelve(H).ok
    asker.read(2, {TEMP: 10.0})
    assert asker.state()[0] == "shelved", "a fall is no rise"
    asker.read(3, {TEMP: 20.0})
    assert asker.state()[0] == "unack_active"


@pytest.mark.parametrize("whole", [None, False, True])
def test_what_reached_level_2_latches_at_its_peak_through_a_restart(*, whole: bool | None) -> None:
    asker = world()
    asker.read(1, {GAS_1: 60.0})
    asker.read(2, {GAS_1: 30.0})
    if whole is not None:
        engine = Engine(site(), T0 + 3 * S)
        snapshot = None if whole else asker.engine.snapshot()
        engine.restore(snapshot, asker.said if whole else [], T0 + 3 * S)
        asker.engine = engine
    asker.read(4, {GAS_1: 0.0})
    view = asker.engine.alarm(GAS_A)
    assert view is not None
    assert (view.core, view.grade) == ("latched_unack", Grade.ORANGE)


AT = T0 + 5 * S
GOOD_READING = {"gas": "CH4", "value": 1.0, "instrument": "X-1", "at": AT}


@pytest.mark.parametrize(
    ("change", "code"),
    [({}, ""), ({"value": 24.9}, ""), ({"value": 25.0}, "ALM-421"), ({"value": 60.0}, "ALM-421"),
     ({"gas": "H2S"}, "ALM-419"), ({"gas": ""}, "ALM-419"), ({"instrument": ""}, "ALM-413"),
     ({"value": None}, "ALM-413"), ({"value": math.nan}, "ALM-413"), ({"value": True}, "ALM-413"),
     ({"at": AT - 900 * S}, ""), ({"at": AT - 900 * S - 1}, "ALM-420"),
     ({"at": AT + 60 * S}, ""), ({"at": AT + 60 * S + 1}, "ALM-420"), ({"at": None}, "ALM-413")],
)  # fmt: skip
def test_what_is_not_seen_is_reset_by_two_with_a_portable_reading(
    change: dict[str, object], code: str
) -> None:
    asker = world()
    asker.read(1, {GAS_1: 60.0})
    asker.read(2, {GAS_1: 0.0})
    assert asker.ask("ack", GAS_A).ok
    asker.read(5, {GAS_1: math.nan}, BAD | Reason.CALIBRATING)
    reading = GOOD_READING | change
    assert asker.ask("reset", GAS_A, second=None, details={"reading": reading}).code == "ALM-411"
    outcome = asker.ask("reset", GAS_A, details={"reading": reading})
    assert outcome.code == code
    if not code:
        (done,) = outcome.transitions
        assert (done.after, done.cause["person"], done.cause["second"]) == ("normal", "zhang", "li")
        assert done.cause["reading"] == reading


def test_who_is_taken_out_of_service_under_a_shelf_is_no_witness_either() -> None:
    asker = world()
    asker.read(1, {GAS_1: 60.0})
    assert asker.shelve(H, GAS_B, at=2).ok
    assert asker.state(VOTE)[0] == "normal"
    assert asker.withdraw(H, GAS_B, at=3).ok
    assert asker.state(VOTE)[0] == "unack_active"


def test_a_renewed_permit_does_not_put_off_the_red_of_a_blind_zone() -> None:
    asker = world()
    asker.read(1, {GAS_1: 30.0})
    assert asker.withdraw(H, GAS_A, at=2).ok
    assert asker.withdraw(2 * H, GAS_A, at=100).ok
    (mask,) = (mask for view in asker.engine.alarms() for mask in view.masks.values())
    assert (mask["since"], mask["until"]) == (T0 + 2 * S, T0 + 2 * H * S)
