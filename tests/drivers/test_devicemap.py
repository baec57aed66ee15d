"""The maps that ship: each whole, each address with its source, and a slip in one named by file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from parkwatch.drivers.devicemap import MapFault, load, names, overridden, parse
from parkwatch.drivers.place import Place

FOLDER = Path(__file__).parents[2] / "drivers" / "devices"


@pytest.mark.parametrize("name", names())
def test_a_map_is_whole_and_says_where_it_is_from(name: str) -> None:
    found = load(name)
    assert found.id == name
    assert found.source
    assert found.edition
    assert found.verified == "maker" or found.maker in ("-", "Crowcon")
    assert found.status or found.unguarded
    for _, entry in found.entries():
        assert entry.source or found.source


def test_no_map_is_invented() -> None:
    """Makers whose register tables are in no text that we have read: the wizard is for them."""
    told = " ".join(f"{load(name).maker} {load(name).device}".lower() for name in names())
    for maker in ("汉威", "安可信", "诺安", "翼捷", "rae", "sensidyne", "spirax"):
        assert maker not in told.split()


@pytest.mark.parametrize(
    ("name", "entry", "channel", "place"),
    [
        ("honeywell_xrl", "gas", 1, (3, 102)),
        ("honeywell_tppro", "gas_float", 64, (4, 254)),
        ("draeger_regard3900", "gas", 16, (4, 226)),
        ("crowcon_vortex", "gas", 12, (3, 3109)),
        ("igd_toc635", "gas", 999, (4, 998)),
        ("msa_ultima", "gas", 3, (3, 210)),
        ("honeywell_hc900", "out", 24, (3, 0x1746)),
        ("rosemount_5300", "fv", 1, (4, 1308)),
        ("rosemount_3095", "pt", 1, (3, 404)),
        ("generic_sis_gateway", "zsc", 100, (2, 399)),
        ("pemtech_pt2008", "gas", 2, (3, 34)),
    ],
)
def test_where_a_value_stands_on_the_wire(
    name: str, entry: str, channel: int, place: tuple[int, int]
) -> None:
    found = load(name)
    at = found.place(found.value[entry], channel)
    assert (at.function, at.address) == place


def raw(**changes: Any) -> dict[str, Any]:
    """The map of the generic detector with tables or keys changed."""
    made = tomllib.loads((FOLDER / "cn_generic_gas.toml").read_text("utf-8"))
    for dotted, value in changes.items():
        table, _, key = dotted.rpartition("__")
        place = made
        for part in filter(None, table.split("__")):
            place = place.setdefault(part, {})
        place[key] = value
    return made


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"value__gas__scael": 0.1}, "value.gas.scael"),
        ({"schema": 2}, "schema"),
        ({"version": 0}, "version"),
        ({"value__gas__at": -1}, "value.gas.at"),
        ({"value__gas__at": 65_536}, "value.gas"),
        ({"value__gas__fc": 5}, "value.gas.fc"),
        ({"value__gas__fc": 1, "value__gas__type": "u16"}, "value.gas"),
        ({"value__gas__type": "u24"}, "value.gas.type"),
        ({"value__gas__type": "f32", "value__gas__mask": 1}, "value.gas"),
        ({"value__gas__times": "range"}, "value.gas"),
        ({"value__gas__status": ["stat"]}, "value.gas"),
        ({"status__state__values": {}}, "status.state"),
        ({"status__state__values": {"1": "alarm-1"}}, "status.state"),
        ({"status__state__values": {"1": "well"}}, "status.state.values.1"),
        ({"status": {}}, ""),
        ({"blocked": [{"at": 0, "why": "x"}]}, "value.gas"),
        ({"base": "entity"}, "value.gas"),
        ({"identity__name": {"at": 9, "fc": 3, "type": "ascii"}}, "identity.name"),
    ],
)
def test_a_slip_in_a_map_names_file_and_key(changes: dict[str, Any], key: str) -> None:
    parse(raw(), "x.toml")
    with pytest.raises(MapFault) as fault:
        parse(raw(**changes), "x.toml")
    assert str(fault.value).startswith("x.toml: ")
    assert any(path.startswith(key) or key in what for path, what in fault.value.problems)


def test_a_site_changes_single_keys_of_a_map() -> None:
    changed = overridden(
        "honeywell_xrl", {"value.gas": {"at": 40203}, "heartbeat": {"period_s": 9.0}}, shift=-100
    )
    assert changed.place(changed.value["gas"]) == Place(3, 102, "f32")
    assert changed.place(changed.value["temperature"]) == Place(3, 16, "s16")
    assert changed.heartbeat is not None
    assert changed.heartbeat.period_s == 9.0
    assert load("honeywell_xrl").value["gas"].at == 40103


def test_commands_of_a_device_are_documented_and_never_read() -> None:
    """Writing there accepts alarms or trips a valve."""
    never = {name: load(name).never for name in names() if load(name).never}
    assert never == {
        "draeger_regard3900": {(3, 250)},
        "msa_ultima": {(3, 300), (3, 301)},
        "rotork_valve": {(3, 5)},
    }
