"""What a driver tells: a record, an alarm, and the end of both."""

from dataclasses import replace

import pytest
import small_park

from parkwatch.daemon.app.links import LinkAlarms
from parkwatch.drivers.source import DriverEvent
from parkwatch.rules.engine import Engine

GATEWAY = "hd/gw-1"


@pytest.fixture
def engine() -> Engine:
    return Engine(small_park.site(), small_park.T0)


@pytest.fixture
def links(engine: Engine) -> LinkAlarms:
    return LinkAlarms(engine, small_park.site(), lambda: small_park.T0 + small_park.S)


def event(kind: str) -> DriverEvent:
    return DriverEvent(GATEWAY, kind, "…", small_park.T0, {})


@pytest.mark.parametrize(
    ("kind", "grade"),
    [("refused", "blue"), ("foreign", "blue"), ("clock", "blue"),
     ("replay", "orange"), ("mac", "orange"), ("settings", "orange")],
)  # fmt: skip
def test_what_a_gateway_did_wrong_is_an_alarm_until_it_is_over(
    engine: Engine, links: LinkAlarms, kind: str, grade: str
) -> None:
    entries, (raised,) = links.react(event(kind))
    assert [entry.body["what"] for entry in entries] == [kind]
    assert (raised.alarm, str(raised.grade)) == (f"{GATEWAY}:{kind}", grade)
    entries, (back,) = links.react(event(f"{kind}_over"))
    assert back.event == "return"
    assert len(entries) == 1
    view = engine.alarm(f"{GATEWAY}:{kind}")
    assert view is not None
    assert view.core == "rtn_unack"  # over, and still to be acknowledged


def test_a_second_master_is_an_orange_alarm_of_each_device_until_it_is_gone(
    engine: Engine, links: LinkAlarms
) -> None:
    """`foreign`, as what a gateway says of devices that are not its own."""
    heard = DriverEvent("hd/panel-1", "second_master", "units: 9", small_park.T0)
    (entry,), (raised,) = links.react(heard)
    assert entry.body["what"] == "second_master"
    assert (raised.alarm, str(raised.grade)) == ("hd/panel-1:foreign", "orange")
    (_,), (back,) = links.react(replace(heard, kind="second_master_over", text="gone"))
    assert (back.alarm, back.event) == ("hd/panel-1:foreign", "return")


def test_the_end_of_what_never_was_is_no_record(links: LinkAlarms) -> None:
    assert links.react(event("mac_over")) == ((), ())


def test_a_hole_ends_when_it_is_filled(links: LinkAlarms) -> None:
    links.react(event("gap"))
    assert [t.event for t in links.react(event("gap_closed"))[1]] == ["return"]


def test_a_link_is_as_grave_as_what_became_blind(links: LinkAlarms) -> None:
    down = DriverEvent("hd/panel-1", "link_down", "…", small_park.T0, {})
    (raised, *_) = links.react(down)[1]
    assert (raised.alarm, str(raised.grade)) == ("hd/panel-1:link", "orange")


def test_a_link_names_the_zones_that_nobody_sees(links: LinkAlarms) -> None:
    down = DriverEvent("hd/panel-1", "link_down", "timeout", small_park.T0, {})
    (raised, *_) = links.react(down)[1]
    assert raised.cause["text"] == "timeout; 未受监视 not watched: tank、shed、boiler"
    up = replace(down, kind="link_up", text="answers")
    back = [t for t in links.react(up)[1] if t.alarm == raised.alarm]
    assert back[0].cause["text"] == "answers"


@pytest.mark.parametrize(("heard", "stale"), [("panel-1", False), ("panel-9", True), ("", True)])
def test_only_a_heartbeat_that_names_the_device_keeps_it_from_stale(
    heard: str, *, stale: bool
) -> None:
    park = small_park.site()
    points = [replace(point, on_change=True) for point in park.points]
    engine = Engine(replace(park, points=points), small_park.T0)
    links = LinkAlarms(engine, park, lambda: small_park.T0)
    engine.feed(small_park.batch(0, {small_park.A: 1.0}))
    alive = DriverEvent(GATEWAY, "alive", heard, small_park.T0 + 9 * small_park.S)
    assert links.react(alive) == ((), ())  # no record: it comes every few seconds
    engine.advance(small_park.T0 + 12 * small_park.S)
    assert (engine.alarm("hd/panel-1/ch4-01:fault") is not None) is stale
    engine.advance(small_park.T0 + 19 * small_park.S)
    assert engine.alarm("hd/panel-1/ch4-01:fault") is not None
