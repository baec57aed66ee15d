"""Equipment as a technician writes it: TOML to limits for each model."""

import re

import pytest

from parkwatch.rules.site import SECOND_NS
from tests.daemon.config.equipment_toml import (
    BOILER,
    CH4,
    ESD,
    KPA,
    MODBUS,
    MQTT,
    PARK,
    PERMIT,
    STATE,
    TABLES,
    VESSEL,
    line,
    loaded,
    points,
    site_of,
    table,
    told,
)


@pytest.mark.parametrize(
    "device", list(TABLES), ids=["vessel", "boiler", "esd", "detector", "permit"]
)
def test_a_model_arms_what_its_table_says(device: str) -> None:
    assert loaded(device).problems == ()
    assert table(site_of(device)) == TABLES[device].strip().splitlines()


def test_a_park_without_roles_is_left_alone() -> None:
    bare = MODBUS.format("steam-boiler") + points(f'tag = "PT", {KPA}, reg = 30001')
    assert loaded(bare).problems == ()
    assert site_of(bare).limits == []
    panel = MODBUS.format("modbus-tcp-panel") + points(f'tag = "CH4", {CH4}, reg = 40001')
    assert [limit.limit for limit in site_of(panel).limits] == [25, 50]


def test_lifted_yellow_is_of_the_zone() -> None:
    park = PARK.replace('name = "罐区A"', 'name = "罐区A"\nlift_yellow = true')
    grades = [row.split()[5] for row in table(site_of(VESSEL, park))]
    assert grades == ["orange", "orange", "red"]


def test_two_esd_devices_of_a_zone_count_their_own_bypasses() -> None:
    other = ESD.replace('id = "x-1"', 'id = "x-2"\nunit_id = 2')
    alarms = [limit.alarm for limit in site_of(ESD + other).limits if limit.alarm]
    assert alarms == ["huadong/tank-a:bypass-x-1", "huadong/tank-a:bypass-x-2"]


def test_the_nearest_profile_wins() -> None:
    row = 'zone = "tank-a", gas = "H2S", type = "u16", scale = 0.1'
    device = MODBUS.format("site") + 'profile = "gbzt223"\n' + points(
        f'tag = "A", {row}, reg = 40001', f'tag = "B", profile = "gbt50493", {row}, reg = 40002'
    )  # fmt: skip
    template = '[template.site]\nextends = "modbus-tcp-panel"\n'
    firsts = {device: (3.5, 7.0), device.replace('profile = "gbzt223"\n', ""): (7.0, 7.0)}
    for text, (a, b) in firsts.items():
        site = site_of(template + text)
        found = [limit.limit for limit in site.limits if limit.level == 1]
        assert found == [a, b]
    zoned = PARK.replace('name = "罐区A"', 'name = "罐区A"\nprofile = "gbzt223"')
    bare = device.replace('profile = "gbzt223"\n', "")
    for text in (template + bare, template + 'profile = "gbzt223"\n' + bare):
        park = zoned if "223" not in text.partition("[[")[0] else PARK
        limits = [limit.limit for limit in site_of(text, park).limits if limit.level == 1]
        assert limits == [3.5, 7.0]


def test_a_written_set_point_is_bound_by_its_profile() -> None:
    device = MODBUS.format("modbus-tcp-panel") + 'profile = "gbzt223"\n' + points(
        'tag = "A", zone = "tank-a", gas = "H2S", al1 = 5, type = "u16", scale = 0.1, reg = 40001'
    )  # fmt: skip
    assert told(device) == [(line(device, 'tag = "A"'), "CFG-120", "error")]
    assert told(device.replace("gbzt223", "gbt50493")) == []


def test_portable_tests_are_not_stale_for_hours() -> None:
    site = site_of(PERMIT)
    hours = {p.tag: p.stale_ns / 3600 / SECOND_NS for p in site.points}
    assert hours == {"O2": 0.5, "LEL": 8, "H2S": 8, "WORK": 8, "OPEN": 8}
    assert not any(limit.votes for limit in site.limits)
    assert site.devices["huadong/x-1"].kind == "confined"


def test_a_boiler_behind_a_gateway_is_a_boiler() -> None:
    device = MQTT.format("mqtt-gateway") + BOILER.partition('host = "192.0.2.1"\n')[2]
    device = re.sub(r"\nreg = \d+", "", device)
    device = device.replace("[device.plate]", 'model = "boiler"\n[device.plate]')
    site = site_of(device)
    assert table(site) == TABLES[BOILER].strip().splitlines()
    known = site.devices["huadong/x-1"]
    assert (known.kind, str(known.blind_grade)) == ("boiler", "orange")


# Neighbours --------------------------------------------------------------------------------

THREE = MODBUS.format("modbus-tcp-panel") + points(
    *(f'tag = "CH4-{n}", {CH4}, reg = {40000 + n}' for n in (1, 2, 3))
)


def neighbours(device: str, park: str = PARK) -> list[int]:
    return [x.point for x in site_of(device, park).limits if x.kind == "neighbours"]


def test_neighbours_watch_each_other_unless_switched_off() -> None:
    assert neighbours(THREE) == [0, 1, 2]
    assert neighbours(THREE, PARK.replace("[park]", "[park]\nneighbours = false")) == []
    assert neighbours(THREE.replace('tag = "CH4-3"', 'tag = "CH4-3", head = "ch4-2"')) == [0, 1, 2]


def test_a_rule_about_a_deviation_stands_for_the_neighbours() -> None:
    rule = '[[rule]]\nkind = "deviation"\npoint = "huadong/x-1/ch4-1"\nset_point = 1\nlimit = 5\n'
    rule += 'grade = "blue"\n'
    assert loaded(THREE + rule).problems == ()
    assert neighbours(THREE + rule) == [1, 2]
    assert neighbours(f"{THREE}{rule}shadow = true\n") == [0, 1, 2]


def test_portable_tests_are_nobodys_neighbours() -> None:
    permit = MQTT.format("confined-space").replace("x-1", "x-2") + points(
        'tag = "LEL", zone = "tank-a", gas = "CH4", sensor = "ir", lel = 4.4',
        'tag = "O2", zone = "tank-a", gas = "O2"', f'tag = "WORK", role = "work", {STATE}',
    )  # fmt: skip
    two = THREE.replace('  { tag = "CH4-3"', '  # { tag = "CH4-3"')
    assert neighbours(two + permit) == []
