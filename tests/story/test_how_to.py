"""The how-to pages show what their commands print, and the code on them does what they say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gateway_page
import serial_line
from recording import plain, recorded

from parkwatch.drivers.mqtt.seal import sealed


def compared(page: Path, found: Mapping[str, str]) -> None:
    shown = recorded(page.read_text("utf-8"))
    assert list(shown) == list(found)
    for name, text in found.items():
        assert plain(shown[name]) == plain(text), f"record {page.name} anew: {name}"


async def test_a_serial_line(tmp_path: Path) -> None:
    compared(serial_line.PAGE, await serial_line.record(tmp_path))


def test_a_gateway(tmp_path: Path) -> None:
    compared(gateway_page.PAGE, gateway_page.record(tmp_path))


def test_what_a_gateway_signs_as_shown_is_what_the_daemon_opens() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", gateway_page.PAGE.read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    topic, payload, key = "park/huadong/gw-1/readings", '{"v":1}', "00ff" * 16
    ours = sealed(topic, payload.encode(), bytes.fromhex(key))
    assert names["signed"](key, topic, payload) == ours.decode()
