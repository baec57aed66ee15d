"""The demo park: one declaration that scales, is served as declared, and is written as TOML."""

from __future__ import annotations

import re
import stat
import struct
import tomllib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from argon2 import PasswordHasher

from parkwatch.simulator.config_text import (
    PEOPLE,
    Wiring,
    demo_config,
    secret_references,
    write_secrets,
)
from parkwatch.simulator.layout import POINTS_MAX, demo_layout
from parkwatch.simulator.registers import Registers, place

ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def wiring(folder: Path | None = None) -> Wiring:
    return Wiring(15020, 11883, "json://127.0.0.1:19000/", secret_references(folder))


@pytest.mark.parametrize("points", [0, 60, 151, 1000])
def test_the_park_has_as_many_points_as_asked_for(points: int) -> None:
    layout = demo_layout(points)
    assert len(layout.signals) == max(points, 51)
    assert len({s.full_id for s in layout.signals}) == len(layout.signals)
    names = Counter([z.id for z in layout.zones] + [d.id for d in layout.devices] + ["gw-1"])
    assert set(names.values()) == {1}
    assert {s.zone for s in layout.signals} <= {z.id for z in layout.zones}
    assert all(ID.fullmatch(s.id) for s in layout.signals)
    for device in layout.devices:
        assert 0 < len(layout.of(device.id)) <= 100
    panel = [s for s in layout.signals if s.device == "panel-1"]
    assert len(panel) == 16
    assert len([s for s in layout.signals if s.device.startswith("node-")]) == 16


def test_too_many_points_are_refused() -> None:
    with pytest.raises(ValueError, match="10000"):
        demo_layout(POINTS_MAX + 1)


def test_no_two_signals_share_a_register() -> None:
    layout = demo_layout(500)
    taken: Counter[tuple[str, int, int]] = Counter()
    for s in layout.signals:
        if s.reg:
            function, address = place(s.reg)
            for word in range(2 if s.type == "f32" else 1):
                taken[s.device, function, address + word] += 1
    assert set(taken.values()) == {1}


@pytest.mark.parametrize(
    ("reg", "expected"), [(1, (1, 0)), (10001, (2, 0)), (30011, (4, 10)), (40017, (3, 16))]
)
def test_printed_registers(reg: int, expected: tuple[int, int]) -> None:
    assert place(reg) == expected


def test_every_signal_reads_back_from_the_banks_as_shown() -> None:
    layout = demo_layout(120)
    registers = Registers(layout)
    shown = np.array(
        [round(s.low + s.resolution * (3 + i % 7), 6) if s.type != "bit" else i % 2
         for i, s in enumerate(layout.signals)],
        dtype=np.float64,
    )  # fmt: skip
    registers.write(shown)
    units = {d.id: d.unit_id for d in layout.devices}
    for i, s in enumerate(layout.signals):
        if not s.reg:
            continue
        function, address = place(s.reg)
        count = 2 if s.type == "f32" else 1
        pdu = struct.pack(">BHH", function, address, count)
        data = registers.units[units[s.device]].answer(pdu)[2:]
        form = {"u16": ">H", "s16": ">h", "f32": ">f", "bit": "B"}[s.type]
        assert struct.unpack(form, data)[0] * s.scale == pytest.approx(shown[i]), s.full_id


def test_the_configuration_holds_the_whole_park(tmp_path: Path) -> None:
    layout = demo_layout(80)
    config = tomllib.loads(demo_config(layout, wiring(tmp_path)))
    assert config["schema"] == 1
    assert config["park"] == {"name": "示例园区", "tz": "Asia/Shanghai"}
    assert config["enterprise"]["huadong"]["name"] == "华东化工"
    assert config["zone"]["tank-a"]["name"] == "罐区A"
    assert config["channel"]["work"]["url"] == "json://127.0.0.1:19000/"
    assert config["people"]["zhangwei"]["role"] == "shift-lead"
    assert set(config["chain"]["default"]) == {"red", "orange", "yellow", "blue"}
    points = {
        f"huadong/{device['id']}/{point.get('id', point['tag'].lower())}"
        for device in config["device"]
        for point in device["points"]
    }
    assert points == {s.full_id for s in layout.signals}
    assert all(rule["point"] in points for rule in config["rule"])
    assert {d["port"] for d in config["device"] if "port" in d} == {15020}
    gateways = [d for d in config["device"] if d["template"] == "mqtt-gateway"]
    assert {(d["broker"], d["gateway"]) for d in gateways} == {("demo", "gw-1")}
    assert all("reg" not in point for d in gateways for point in d["points"])
    (row,) = [p for p in config["device"][0]["points"] if p["tag"] == "H2S-0103"]
    assert row == {
        "tag": "H2S-0103", "zone": "tank-a", "gas": "H2S", "reg": 40006, "type": "u16",
        "scale": 0.1, "range": [0, 50], "resolution": 0.1,
    }  # fmt: skip


def test_chains_and_secrets_name_only_what_exists(tmp_path: Path) -> None:
    text = demo_config(demo_layout(), wiring(tmp_path))
    people = {member.id for member in PEOPLE}
    duties = {duty for member in PEOPLE for duty in member.duties}
    for tiers in tomllib.loads(text)["chain"]["default"].values():
        for tier in tiers:
            for who in tier["call"] if isinstance(tier, dict) else tier:
                assert who in people or who.removeprefix("duty:") in duties
    write_secrets(tmp_path)
    for path in re.findall(r'"file:([^"]+)"', text):
        assert Path(path).read_text("utf-8")


def test_without_a_folder_secrets_come_from_the_environment() -> None:
    text = demo_config(demo_layout(), wiring())
    assert 'password = "env:PARKWATCH_DEMO_MQTT"' in text
    assert "file:" not in text


def test_secrets_fit_each_other_are_private_and_stay(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    write_secrets(folder)
    typed = (folder / "zhangwei.password").read_text("utf-8")
    assert PasswordHasher().verify((folder / "zhangwei.argon2").read_text("utf-8"), typed)
    assert {stat.S_IMODE(p.stat().st_mode) for p in folder.iterdir()} == {0o600}
    write_secrets(folder)
    assert (folder / "zhangwei.password").read_text("utf-8") == typed
