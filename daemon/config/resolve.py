"""From what was written to what the rooms need: the Site, the drivers' devices, people, chains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from parkwatch.daemon.config.check import point_id
from parkwatch.daemon.config.model import (
    After,
    ChainTable,
    Config,
    DeviceTable,
    PointTable,
    duration_ns,
)
from parkwatch.daemon.config.secrets import resolve_secret, resolve_url
from parkwatch.drivers.config import Broker, Gateway, ModbusDevice, Register
from parkwatch.rules.gas import find, limits_for
from parkwatch.rules.grade import Grade
from parkwatch.rules.site import SECOND_NS, Device, Limit, Point, Site, Zone

STALE_NS_MIN = 10 * SECOND_NS
REPEAT_NS = {
    "red": 60 * SECOND_NS,
    "orange": 600 * SECOND_NS,
    "yellow": 1800 * SECOND_NS,
}
"""Repeat intervals of the default chains (contracts.md); blue does not repeat."""
_DEVICE_KIND = {
    "modbus-tcp-panel": "gas",
    "mqtt-gateway": "gas",
    "steam-boiler": "boiler",
    "esd-readonly": "esd",
}


@dataclass(frozen=True, slots=True)
class Person:
    """A person; `enterprise` is empty for the park, `password` an argon2id string or empty."""

    id: str
    name: str
    role: str
    phone: str
    enterprise: str
    duties: tuple[str, ...]
    channels: tuple[str, ...]
    password: str = field(repr=False, default="")


@dataclass(frozen=True, slots=True)
class Channel:
    """A way to people; `url` is resolved."""

    id: str
    kind: str
    url: str = field(repr=False)
    per_minute: int = 15


@dataclass(frozen=True, slots=True)
class Chain:
    """The first tier by grade, and how often it is repeated in ns (0: never)."""

    first: Mapping[str, tuple[str, ...]]
    repeat_ns: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Resolved:
    """Everything that a start needs; no secret reference is left."""

    site: Site
    modbus: tuple[ModbusDevice, ...]
    brokers: tuple[Broker, ...]
    people: Mapping[str, Person]
    channels: Mapping[str, Channel]
    chains: Mapping[str, Chain]
    history: str
    bind: str
    public_url: str
    tz: str
    anchors: tuple[Path, ...]
    journal_key: bytes = field(repr=False)


def resolve(config: Config, base: Path, env: Mapping[str, str]) -> Resolved:
    """Raises SecretFault where a secret is gone; everything else was checked by `load`."""
    site, indices = _site(config)
    key = config.journal.key
    return Resolved(
        site=site,
        modbus=tuple(
            _modbus(device, indices) for device in config.device if device.host is not None
        ),
        brokers=_brokers(config, indices, base, env),
        people={
            person_id: Person(
                person_id, p.name, p.role, p.phone, p.enterprise or "",
                tuple(p.duties), tuple(p.channels),
                resolve_secret(p.password, base, env) if p.password else "",
            )
            for person_id, p in config.people.items()
        },
        channels={
            channel_id: Channel(channel_id, c.kind, resolve_url(c.url, base, env), c.per_minute)
            for channel_id, c in config.channel.items()
        },
        chains={chain_id: _chain(chain) for chain_id, chain in config.chain.items()},
        history=config.history.store,
        bind=config.console.bind,
        public_url=config.console.public_url,
        tz=config.park.tz,
        anchors=tuple(base / name for name in config.journal.anchors),
        journal_key=resolve_secret(key, base, env).encode() if key else b"",
    )  # fmt: skip


def _site(config: Config) -> tuple[Site, Mapping[str, int]]:
    zones = {
        f"{z.enterprise}/{zone_id}": Zone(
            f"{z.enterprise}/{zone_id}", z.enterprise, z.name, z.chain, z.risk, z.lift_yellow
        )
        for zone_id, z in config.zone.items()
    }
    points: list[Point] = []
    limits: list[Limit] = []
    devices: dict[str, Device] = {}
    for device in config.device:
        full = f"{device.enterprise}/{device.id}"
        kind = _DEVICE_KIND[device.template]
        gateway = f"{device.enterprise}/{device.gateway}" if device.gateway else ""
        floor = Grade.BLUE if kind == "gas" else Grade.ORANGE
        devices[full] = Device(full, device.enterprise, kind, gateway, floor)
        for written in device.points:
            point = _point(device, written, len(points))
            points.append(point)
            if point.gas:
                lift = zones[point.zone].lift_yellow
                limits += limits_for(point, al1=written.al1, al2=written.al2, lift_yellow=lift)
    indices = {point.id: point.index for point in points}
    limits += [
        Limit(
            indices[rule.point], rule.group, rule.level, "low" if rule.group == "low" else "high",
            rule.limit, Grade(rule.grade), rule.deadband, duration_ns(rule.on_delay),
            duration_ns(rule.off_delay), rule.latch, clause=rule.clause,
        )
        for rule in config.rule
    ]  # fmt: skip
    enterprises = {enterprise_id: e.name for enterprise_id, e in config.enterprise.items()}
    return Site(points, zones, devices, limits, enterprises, config.park.name), indices


def _point(device: DeviceTable, written: PointTable, index: int) -> Point:
    row = find(written.gas) if written.gas else None
    state = written.kind == "state"
    low, high = written.range or (0.0, row.high if row else 1.0 if state else 65535.0)
    return Point(
        id=f"{device.enterprise}/{device.id}/{point_id(written)}",
        index=index,
        tag=written.tag,
        enterprise=device.enterprise,
        device=f"{device.enterprise}/{device.id}",
        zone=f"{device.enterprise}/{written.zone}",
        unit=written.unit or (row.unit if row else ""),
        gas=row.key if row else "",
        kind=written.kind or "",
        low=low,
        high=high,
        resolution=written.resolution or (row.resolution if row else 0.0),
        stale_ns=max(3 * duration_ns(device.scan), STALE_NS_MIN),
    )


def _modbus(device: DeviceTable, indices: Mapping[str, int]) -> ModbusDevice:
    assert device.host is not None
    full = f"{device.enterprise}/{device.id}"
    return ModbusDevice(
        id=full,
        host=device.host,
        port=device.port,
        unit_id=device.unit_id,
        scan_ns=duration_ns(device.scan),
        timeout_s=duration_ns(device.timeout) / SECOND_NS,
        registers=tuple(
            _register(written, indices[f"{full}/{point_id(written)}"]) for written in device.points
        ),
    )


def _register(written: PointTable, index: int) -> Register:
    assert written.reg is not None
    function, address = wire_address(written.reg)
    low, high = written.range or (0.0, 100.0)
    return Register(
        point=index,
        function=function,
        address=address,
        type=written.type or ("bit" if function <= 2 else "u16"),
        order=written.order,
        scale=written.scale,
        signal=written.signal or "",
        low=low,
        high=high,
    )


def wire_address(printed: int) -> tuple[int, int]:
    """Function and 0-based address of a register as makers print it, with 5 or 6 digits.

    >>> wire_address(40017), wire_address(10001), wire_address(400017)
    ((3, 16), (2, 0), (3, 16))
    """
    unit = 100_000 if printed > 99_999 else 10_000
    table, number = divmod(printed, unit)
    return {0: 1, 1: 2, 3: 4, 4: 3}[table], number - 1


def _brokers(
    config: Config, indices: Mapping[str, int], base: Path, env: Mapping[str, str]
) -> tuple[Broker, ...]:
    made = []
    for broker_id, b in config.broker.items():
        points: dict[tuple[str, str], dict[str, int]] = {}
        for device in config.device:
            if device.broker == broker_id and device.gateway is not None:
                names = points.setdefault((device.enterprise, device.gateway), {})
                for written in device.points:
                    wire = f"{device.id}/{point_id(written)}"
                    names[wire] = indices[f"{device.enterprise}/{wire}"]
        made.append(
            Broker(
                broker_id, b.host, b.port, b.user,
                resolve_secret(b.password, base, env) if b.password else "", b.tls,
                client_id=b.client_id,
                gateways=tuple(
                    Gateway(f"{owner}/{name}", owner, name, of, key=_key(config, owner, base, env))
                    for (owner, name), of in points.items()
                ),
            )
        )  # fmt: skip
    return tuple(made)


def _key(config: Config, owner: str, base: Path, env: Mapping[str, str]) -> bytes:
    reference = config.enterprise[owner].key
    return bytes.fromhex(resolve_secret(reference, base, env)) if reference else b""


def _chain(chain: ChainTable) -> Chain:
    first: dict[str, tuple[str, ...]] = {}
    for grade in ("red", "orange", "yellow", "blue"):
        tiers = getattr(chain, grade)
        if tiers:
            tier = tiers[0]
            first[grade] = tuple(tier.call if isinstance(tier, After) else tier)
    repeat = dict(REPEAT_NS)
    repeat.update({str(grade): duration_ns(text) for grade, text in chain.repeat.items()})
    return Chain(first, repeat)
