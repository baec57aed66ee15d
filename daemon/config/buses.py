"""Which Modbus devices share a line, and how that line is spoken on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from parkwatch.daemon.config.device_maps import modbus_unit
from parkwatch.daemon.config.fields import duration_ns
from parkwatch.daemon.config.model import Config, DeviceTable
from parkwatch.daemon.config.template import root
from parkwatch.drivers.config import Bus
from parkwatch.rules.site import SECOND_NS


def bus_id(device: DeviceTable) -> str:
    """The line that a device hangs on, as counters, events and `health` call it."""
    if device.transport == "rtu":
        return f"rtu:{device.serial}"
    return f"{device.transport}:{device.host}:{device.port}"


def on_modbus(config: Config, devices: Iterable[DeviceTable]) -> list[DeviceTable]:
    """Those that a Modbus template reads."""
    found = ((device, root(config, device)) for device in devices)
    return [device for device, shipped in found if shipped is not None and shipped.wire == "modbus"]


def buses_of(
    config: Config, devices: Iterable[DeviceTable], indices: Mapping[str, int]
) -> tuple[Bus, ...]:
    """Modbus devices (templates filled in) by line; `indices`: full point id to index."""
    lines: dict[str, list[DeviceTable]] = {}
    for device in on_modbus(config, devices):
        lines.setdefault(bus_id(device), []).append(device)
    return tuple(_bus(config, name, members, indices) for name, members in lines.items())


def _bus(
    config: Config, name: str, devices: Sequence[DeviceTable], indices: Mapping[str, int]
) -> Bus:
    """One line; what its devices say of it in different ways is taken at its most patient."""
    first = devices[0]
    allowed = [d.max_connections for d in devices if d.max_connections is not None]
    return Bus(
        id=name,
        transport=first.transport,
        units=tuple(modbus_unit(config, device, indices) for device in devices),
        host=first.host or "",
        port=first.port,
        serial=(first.serial or "") if first.transport == "rtu" else "",
        baud=first.baud,
        parity=first.parity,
        stop_bits=first.stop_bits,
        data_bits=first.data_bits,
        connections=min([*allowed, len(devices)]) if allowed and first.transport == "tcp" else 1,
        timeout_s=max(duration_ns(d.timeout) for d in devices) / SECOND_NS,
        pause_s=max(duration_ns(d.pause) for d in devices) / SECOND_NS,
    )
