"""Brokers with their gateways and points as the MQTT driver needs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from secrets import token_bytes

from parkwatch.daemon.config.check_secrets import KEY_BYTES_MIN
from parkwatch.daemon.config.model import BrokerTable, Config, DeviceTable
from parkwatch.daemon.config.resolve_points import point_id
from parkwatch.drivers.config import Broker, Gateway, Mapped

Text = Callable[[str | None], str | None]
"""A secret: empty where none is configured, None where it cannot be read."""


def brokers_of(
    config: Config,
    devices: Sequence[DeviceTable],
    indices: Mapping[str, int],
    text: Text,
    base: Path,
) -> tuple[Broker, ...]:
    """Every broker whose password can be read; `indices`: full point id to index, `base`: what the
    paths of certificates are relative to."""
    made = []
    for name, table in config.broker.items():
        password = text(table.password)
        if password is not None:
            gateways = tuple(_gateways(config, name, devices, indices, text))
            made.append(_broker(name, table, password, gateways, base))
    return tuple(made)


def _broker(
    name: str, table: BrokerTable, password: str, gateways: tuple[Gateway, ...], base: Path
) -> Broker:
    return Broker(
        id=name,
        host=table.host,
        port=table.port,
        user=table.user,
        password=password,
        tls=table.tls,
        ca_file=path_of(base, table.ca),
        cert_file=path_of(base, table.cert),
        key_file=path_of(base, table.key),
        client_id=table.client_id,
        version=table.version,
        client=table.client,
        share=table.share,
        per_enterprise=table.connections == "enterprise",
        gateways=gateways,
    )


def path_of(base: Path, written: str | None) -> str:
    """A file as the system finds it; empty where none is named."""
    return str(base / written) if written else ""


def _gateways(
    config: Config,
    broker: str,
    devices: Sequence[DeviceTable],
    indices: Mapping[str, int],
    text: Text,
) -> list[Gateway]:
    points: dict[tuple[str, str], dict[str, int]] = {}
    mapping: dict[tuple[str, str], list[Mapped]] = {}
    for device in devices:
        if device.broker != broker or device.gateway is None:
            continue
        owner = (device.enterprise, device.gateway)
        names, mapped = points.setdefault(owner, {}), mapping.setdefault(owner, [])
        for point in device.points:
            wire = f"{device.id}/{point_id(point)}"
            index = names[wire] = indices[f"{device.enterprise}/{wire}"]
            if point.topic is not None:
                mapped.append(
                    Mapped(point.topic, point.path or "", index, point.scale, point.offset,
                           point.time_path or "")
                )  # fmt: skip
    return [
        Gateway(f"{owner}/{name}", owner, name, names, tuple(mapping[owner, name]),
                _key(config, owner, text))
        for (owner, name), names in points.items()
    ]  # fmt: skip


def _key(config: Config, owner: str, text: Text) -> bytes:
    reference = config.enterprise[owner].key
    if not reference:
        return b""
    try:
        return bytes.fromhex(text(reference) or "") or token_bytes(KEY_BYTES_MIN)
    except ValueError:
        # Unreadable now: a key that nobody has refuses all, where none would believe anybody.
        return token_bytes(KEY_BYTES_MIN)
