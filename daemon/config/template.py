"""Templates: what a shipped one, then the site's own, say of a device and its points.

Precedence: gas table < shipped template < site template < device < point. A device map is a shipped
template too: of what it says of registers a site overrides single keys (`registers`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

from parkwatch.daemon.config.model import (
    Config,
    DeviceDefaults,
    DeviceTable,
    PointDefaults,
    PointTable,
    RegisterTable,
    TemplateTable,
)
from parkwatch.drivers import devicemap

PLAIN = (
    "modbus-tcp-panel", "mqtt-gateway", "steam-boiler", "esd-readonly", "pressure-vessel",
    "confined-space",
)  # fmt: skip
MAPS = devicemap.names()
SHIPPED = (*PLAIN, *MAPS)
_EITHER = (("gas", ("kind",)), ("kind", ("gas", "al1", "al2", "sensor", "lel")))
_DEPTH_MAX = 8


class Shipped(DeviceDefaults):
    """A template of ours. `kind`: what it watches; `wire`: the driver that reads it."""

    kind: Literal["gas", "boiler", "esd", "vessel", "confined"]
    wire: Literal["modbus", "mqtt"]
    defaults: PointDefaults = PointDefaults()


@dataclass(frozen=True, slots=True)
class Layer:
    """One template on the way from a device to what is shipped."""

    name: str
    table: TemplateTable | Shipped

    def point(self) -> dict[str, Any]:
        """What it says of points."""
        return _said(self.table.defaults, PointDefaults)

    def device(self) -> dict[str, Any]:
        """What it says of the device."""
        return _said(self.table, DeviceDefaults)


@cache
def shipped(name: str) -> Shipped:
    """A template of ours, by a name out of SHIPPED."""
    if name in MAPS:
        return _of_map(devicemap.load(name))
    file = resources.files("parkwatch.daemon.config").joinpath(f"templates/{name}.toml")
    return Shipped.model_validate(tomllib.loads(file.read_text("utf-8")))


def _of_map(found: devicemap.DeviceMap) -> Shipped:
    said: dict[str, Any] = {}
    if found.max_connections is not None:
        said["max_connections"] = found.max_connections
    said |= {key: getattr(found.serial, key) for key in found.serial.model_fields_set}
    if found.pause_ms:
        said["pause"] = f"{found.pause_ms}ms"
    if found.turnaround_ms:
        said["turnaround"] = f"{found.turnaround_ms}ms"
    return Shipped(kind=found.kind, wire="modbus", **said)


def map_name(config: Config, template: str) -> str:
    """The device map that a template rests on, empty where it is none."""
    found = layers(config, template)
    return found[-1].name if found and found[-1].name in MAPS else ""


def layers(config: Config, name: str) -> list[Layer]:
    """The templates from the named one to the shipped one; the last is a TemplateTable only where
    the way leads nowhere (unknown name or a circle: `check` reports it)."""
    found: list[Layer] = []
    while name in config.template and len(found) < _DEPTH_MAX:
        found.append(Layer(name, config.template[name]))
        name = config.template[name].extends
    if name in SHIPPED:
        found.append(Layer(name, shipped(name)))
    return found


def root(config: Config, device: DeviceTable) -> Shipped | None:
    """The shipped template that a device rests on, None where its template leads nowhere."""
    found = layers(config, device.template)
    return found[-1].table if found and isinstance(found[-1].table, Shipped) else None


def effective(config: Config) -> Iterator[DeviceTable]:
    """Every device with what its templates say filled in, in the file's order."""
    ways: dict[str, list[Layer]] = {}
    for device in config.device:
        way = ways.setdefault(device.template, layers(config, device.template))
        own: dict[str, Any] = {}
        points: dict[str, Any] = {}
        registers: dict[str, RegisterTable] = {}
        for layer in reversed(way):
            own |= layer.device()
            points |= layer.point()
            registers = _merged(registers, layer.table.registers)
        own = {key: value for key, value in own.items() if key not in device.model_fields_set}
        own["registers"] = _merged(registers, device.registers)
        own["points"] = [_filled(point, points) for point in device.points]
        yield device.model_copy(update=own)


def _merged(
    lower: dict[str, RegisterTable], upper: dict[str, RegisterTable]
) -> dict[str, RegisterTable]:
    """Changes to the entries of a map, key by key: the nearer one counts."""
    made = dict(lower)
    for name, table in upper.items():
        said = {key: getattr(table, key) for key in table.model_fields_set}
        made[name] = made[name].model_copy(update=said) if name in made else table
    return made


def _filled(point: PointTable, defaults: dict[str, Any]) -> PointTable:
    said = point.model_fields_set
    update = {key: value for key, value in defaults.items() if key not in said}
    for key, others in _EITHER:
        if key in said:
            for other in others:  # A level transmitter on a gas panel is no gas detector.
                update.pop(other, None)
    return point.model_copy(update=update) if update else point


def _said(table: Any, of: Any) -> dict[str, Any]:
    return {key: getattr(table, key) for key in table.model_fields_set if key in of.model_fields}
