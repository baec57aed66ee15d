"""Devices of a device map, as a site writes them: what it may leave out, and what is refused."""

from __future__ import annotations

import pytest
from mapped import ENV, HERE, PARK, loaded, unit_of

from parkwatch.daemon.config.changes import Side, compare
from parkwatch.daemon.config.device_maps import (
    NEVER,
    modbus_unit,
    registers_of,
    usable_map,
)
from parkwatch.daemon.config.load import load_sources
from parkwatch.daemon.config.resolve import resolve
from parkwatch.daemon.config.sources import Source
from parkwatch.daemon.config.template import effective
from parkwatch.drivers.place import Place
from parkwatch.rules.quality import BAD_FAULT

H2S = 'gas = "H2S"'
XRL = "honeywell_xrl"


def test_a_point_says_its_channel_and_no_register() -> None:
    found = loaded(
        "igd_toc635",
        'gas = "CH4", channel = 3, sensor = "ir"\nkind = "other", value = "volts", channel = 3',
    )
    assert found.problems == ()
    gas, volts = unit_of(found).registers
    assert (gas.function, gas.address, gas.scale, gas.offset) == (4, 2, 0.1, -10.0)
    assert (volts.address, volts.scale) == (1002, 0.01)
    assert [rule.place.address for rule in gas.status] == [3002]


def test_a_device_says_what_proves_that_it_lives_and_is_the_same() -> None:
    unit = unit_of(loaded(XRL, H2S, 'scan = "2s"'))
    assert unit.heartbeat is not None
    assert unit.heartbeat.place == Place(3, 107)
    assert unit.heartbeat.still_ns == 17 * 10**9
    expected = {each.name: each.expected for each in unit.identities}
    assert expected == {"unit": (6.0,), "system": (38.0,), "gas_name": ()}
    declared = unit_of(loaded(XRL, H2S, 'identity = { gas_name = "H2S" }'))
    assert [each.expected for each in declared.identities if each.name == "gas_name"] == [("H2S",)]


def test_a_unit_that_the_device_cannot_have_is_never_found_right() -> None:
    """`check` refuses it; a file that an older version applied runs, and says so."""
    found = loaded("crowcon_vortex", f'{H2S}, unit = "mg/m3", channel = 1, step = "unit"')
    assert [p.code for p in found.errors] == ["CFG-153"]
    assert found.config is not None
    device = list(effective(found.config))[-1]
    indices = {point.id: point.index for point in resolve(found.config, HERE, ENV).site.points}
    unit = modbus_unit(found.config, device, indices)
    assert [each.expected for each in unit.identities if each.name == "unit"] == [(NEVER,)]


def test_a_spare_channel_is_declared() -> None:
    for template, point in ((XRL, H2S), ("modbus-tcp-panel", f"{H2S}, reg = 40001")):
        assert unit_of(loaded(template, f"{point}, spare = true")).registers[0].spare
        assert not unit_of(loaded(template, point)).registers[0].spare


def test_settings_are_held_against_the_channel_that_has_them() -> None:
    points = f"{H2S}, channel = 1, range = [0, 50]\n{H2S}, channel = 2, range = [0, 100]"
    unit = unit_of(loaded("draeger_regard3900", points))
    ranges = {each.name: (each.expected, each.points) for each in unit.identities}
    assert ranges["range 1"] == ((50.0,), (0,))
    assert ranges["range 2"] == ((100.0,), (1,))


@pytest.mark.parametrize(
    ("template", "points", "code", "line", "told"),
    [
        (XRL, f'{H2S}, value = "gaz"', "CFG-151", 8, "gas"),
        (XRL, 'kind = "temperature"', "CFG-105", 8, "value"),
        ("honeywell_tppro", f'{H2S}, step = "unit"', "CFG-105", 8, "channel"),
        ("honeywell_tppro", f"{H2S}, channel = 1", "CFG-105", 8, "step"),
        ("honeywell_tppro", f'{H2S}, channel = 65, step = "unit"', "CFG-152", 8, "64"),
        ("pemtech_pt2008", f"{H2S}, channel = 1", "CFG-105", 8, "scale"),
        (XRL, f"{H2S}, channel = 2", "CFG-152", 8, "1"),
        (XRL, f"{H2S}\n{H2S}", "CFG-152", 9, "P-1"),
        ("igd_toc635", 'gas = "CH4", unit = "%vol", range = [0, 5], lel = 4.4, channel = 1',
         "CFG-153", 8, "%LEL"),
        ("honeywell_xcd", 'kind = "temperature", value = "temperature", unit = "K"', "CFG-153", 8,
         "degC"),
        (XRL, f"{H2S}, reg = 40103, channel = 1", "CFG-125", 8, "reg"),
        (XRL, f'{H2S}, step = "fsd"', "CFG-125", 8, "step"),
        ("modbus-tcp-panel", f"{H2S}, reg = 40001, channel = 1", "CFG-125", 8, "channel"),
        ("modbus-tcp-panel", H2S, "CFG-105", 8, "reg"),
        ("modbus-tcp-panel", f'{H2S}, reg = 40001, type = "f32", mask = 1', "CFG-119", 8, "mask"),
    ],
)  # fmt: skip
def test_a_point_that_does_not_fit_the_map_is_refused(
    template: str, points: str, code: str, line: int, told: str
) -> None:
    errors = loaded(template, points).errors
    assert [(p.code, p.file, p.line) for p in errors] == [(code, "device.toml", line)]
    assert told in errors[0].message + errors[0].fix


@pytest.mark.parametrize(
    ("device", "code", "told"),
    [
        ('registers = { "value.gass" = { at = 40003 } }', "CFG-151", "value.gas"),
        ('registers = { "value.gas" = { at = 5 } }', "CFG-154", "value.gas"),
        ('registers = { "value.gas" = { ordr = "cdab" } }', "CFG-103", "order"),
        ("shift = -200", "CFG-154", ""),
        ("identity = { firmwear = 3 }", "CFG-151", "gas_name"),
    ],
)
def test_a_change_that_does_not_fit_the_map_is_refused(device: str, code: str, told: str) -> None:
    errors = loaded(XRL, H2S, device).errors
    assert [p.code for p in errors] == [code]
    assert told in errors[0].message + errors[0].fix


def test_a_slow_scan_of_a_toggle_is_told() -> None:
    found = loaded("honeywell_midas", H2S, 'scan = "2s"')
    assert [p.code for p in found.problems] == ["LINT-037"]
    assert loaded("honeywell_midas", H2S).problems == ()


def test_a_site_overrides_single_fields_in_template_device_and_point() -> None:
    template = """
[template.our-xrl]
extends = "honeywell_xrl"
defaults = { order = "cdab" }
[template.our-xrl.registers."status.flags"]
bits = { 7 = "fault" }
[template.our-xrl.registers."value.gas"]
at = 40203
type = "s32"
"""
    change = 'registers = { "value.gas" = { at = 40301 } }'
    gas = unit_of(loaded("our-xrl", f"{H2S}, scale = 0.5", change, template)).registers[0]
    assert (gas.address, gas.type, gas.order, gas.scale) == (300, "s32", "cdab", 0.5)
    flags = next(rule for rule in gas.status if rule.bits)
    assert flags.bits == ((1 << 7, BAD_FAULT),)


def test_a_mistake_in_a_template_is_named_where_it_stands() -> None:
    template = (
        '[template.our]\nextends = "honeywell_xrl"\nregisters = { "value.gass" = { at = 1 } }\n'
    )
    errors = loaded("our", H2S, "", template).errors
    assert [(p.code, p.line) for p in errors] == [("CFG-151", 12)]


def test_a_point_of_a_mapped_device_may_still_name_a_register() -> None:
    """What the document that we read does not list, the site's manual may."""
    points = 'gas = "CO", reg = 40030, type = "u16"\nkind = "flow", value = "flow"'
    found = loaded("new_cosmos_ps7", points)
    assert [(r.address, r.scale) for r in unit_of(found).registers] == [(29, 1.0), (0, 1.0)]


def test_two_points_share_a_word_but_no_bit_of_it() -> None:
    both = 'kind = "state", reg = 40001, mask = 1\nkind = "state", reg = 40001, mask = {}'
    assert loaded("modbus-tcp-panel", both.format(6)).errors == ()
    assert [p.code for p in loaded("modbus-tcp-panel", both.format(3)).errors] == ["CFG-118"]


def test_a_self_check_takes_the_order_of_the_points() -> None:
    check = "self_check = { reg = 47938, value = -123.45 }"
    point = f'{H2S}, reg = 40001, type = "f32", order = "dcba"'
    unit = unit_of(loaded("modbus-tcp-panel", point, check))
    assert unit.self_check is not None
    assert unit.self_check.place == Place(3, 7937, "f32", "dcba")


@pytest.mark.parametrize("check", ["reg = 59000", "reg = 10001", 'reg = 40001, type = "bit"'])
def test_a_self_check_that_is_no_register_is_refused(check: str) -> None:
    errors = loaded(XRL, H2S, f"self_check = {{ {check}, value = 1.0 }}").errors
    assert [(p.code, p.line) for p in errors] == [("CFG-119", 6)]


@pytest.mark.parametrize("key", ["mask = 1", "offset = -10.0", "spare = true", "channel = 1"])
def test_what_is_of_registers_has_no_place_on_mqtt(key: str) -> None:
    """Ignored, it would be believed."""
    found = loaded("mqtt-gateway", f"{H2S}, {key}", 'broker = "b"\ngateway = "g"')
    told = [(p.code, p.path.rpartition(".")[2]) for p in found.errors]
    assert ("CFG-125", key.partition(" ")[0]) in told


def test_an_applied_file_that_fits_no_map_any_more_reads_nothing_and_starts() -> None:
    """A start always runs the last applied configuration, also after an upgrade of ours."""
    for found in (loaded(XRL, f'{H2S}, value = "old"'), loaded(XRL, H2S, "shift = -200")):
        assert found.errors
        assert found.config is not None
        device = list(effective(found.config))[-1]
        indices = {point.id: point.index for point in resolve(found.config, HERE, ENV).site.points}
        assert registers_of(usable_map(found.config, device), device, indices) == ()


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("channel = 1", "channel = 2", "rescaled"),
        ("offset = 0", "offset = -10", "rescaled"),
        ("shift = 0", "shift = 1", "rescaled"),
        ('"value.gas" = { at = 30001 }', '"value.gas" = { at = 30002 }', "rescaled"),
        ("identity = {}", "self_check = { reg = 40900, value = 1.0 }", "rewired"),
    ],
)
def test_what_is_read_from_elsewhere_is_a_change_for_two_persons(
    old: str, new: str, kind: str
) -> None:
    text = 'registers = { "value.gas" = { at = 30001 } }\nshift = 0\nidentity = {}'
    point = 'gas = "CH4", channel = 1, offset = 0'
    sides = []
    for change in ((old, old), (old, new)):
        found = loaded("igd_toc635", point.replace(*change), text.replace(*change))
        assert found.config is not None
        sides.append(Side(found.config, resolve(found.config, HERE, ENV).site))
    assert {change.kind for change in compare(*sides)} == {kind}


def test_the_park_of_these_tests_is_sound() -> None:
    assert load_sources([Source("park.toml", PARK)], HERE, ENV).errors == ()
