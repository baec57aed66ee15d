"""Equipment as it is written: which model a device is, which part each of its points plays.

A gas panel, a PLC of one boiler, a vessel, a gateway of one ESD, the tests of one permit. A device
whose template watches a boiler or an ESD is that model only where something of it is written
(`model`, a role, a plate): a park that guards it by [[rule]] goes on as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from parkwatch.daemon.config.model import Config, DeviceTable, PointTable
from parkwatch.daemon.config.resolve_points import native_unit, point_id, row_of
from parkwatch.daemon.config.template import root
from parkwatch.rules.equipment import MODELS, expand
from parkwatch.rules.equipment.draft import Expansion, Model, Role
from parkwatch.rules.gas.profiles import CONFINED, GBT50493
from parkwatch.rules.site import Limit, Point

DETECTOR, PERMIT = "detector", "confined"
GAS_ROLES: Mapping[str, str] = {DETECTOR: "gas", PERMIT: "test"}
"""What a gas point is in these models, written or not."""
OF_THE_POINT = ("al1", "al2", "lel")
"""Figures that stand at their point and not on the plate: their bounds are checked there."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one point is in the model: the role it names, and the suffix that tells it from others
    of the role (empty where there is one only)."""

    role: Role
    suffix: str

    @property
    def key(self) -> str:
        """The role as the model knows it."""
        return f"{self.role.name}-{self.suffix}" if self.suffix else self.role.name


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit of equipment: a model with its points (positions in the device) and its plate."""

    model: str
    parts: Mapping[str, int]
    plate: Mapping[str, float]
    profile: str

    def expanded(
        self, device_id: str, points: Sequence[Point], lifted: frozenset[str]
    ) -> Expansion:
        """Its limits and refusals; `points` of the device, `lifted`: zones that lift yellow."""
        own = {key: points[index] for key, index in self.parts.items()}
        calm = expand(self.model, device_id, own, self.plate, profile=self.profile)
        zones = {point.index: point.zone for point in own.values()}
        if lifted.isdisjoint(zones.values()):
            return calm
        raised = expand(
            self.model, device_id, own, self.plate, profile=self.profile, lift_yellow=True
        )
        limits = (
            up if _zone(up, zones) in lifted else plain
            for plain, up in zip(calm.limits, raised.limits, strict=True)
        )
        return Expansion(tuple(limits), calm.refusals)


def _zone(limit: Limit, zones: Mapping[int, str]) -> str:
    return zones.get(limit.point) or limit.alarm.rpartition(":")[0]


def kind_of(config: Config, device: DeviceTable) -> str:
    """What a device watches: its model says it, else its template."""
    if device.model is not None:
        return "gas" if device.model == DETECTOR else device.model
    shipped = root(config, device)
    return shipped.kind if shipped is not None else "gas"


def model_of(config: Config, device: DeviceTable) -> str | None:
    """The model of a device; None where nothing that it says is about one."""
    if device.model is not None:
        return device.model
    told = any(point.role is not None or point.of is not None for point in device.points)
    if not told and not device.plate:
        return None
    kind = kind_of(config, device)
    return DETECTOR if kind == "gas" else kind


def profile_of(config: Config, device: DeviceTable, point: PointTable) -> str:
    """The set-point profile of a gas point: the nearest one that is written."""
    if kind_of(config, device) == PERMIT:
        return CONFINED
    zone = config.zone.get(point.zone)
    return point.profile or device.profile or (zone and zone.profile) or GBT50493


def role_of(model: Model, text: str) -> Role | None:
    """The role that a text names, with or without a suffix."""
    return next((role for role in model.roles if role.suffix(text) is not None), None)


def parts(model_name: str, device: DeviceTable) -> dict[int, Part]:
    """What each point of a device is, by its position; points that play no part are left out."""
    model = MODELS[model_name]
    found: dict[int, Part] = {}
    owners = {point_id(point): point for point in device.points}
    for index, point in enumerate(device.points):
        text = point.role or (GAS_ROLES.get(model_name) if point.gas is not None else None)
        role = role_of(model, text) if text is not None else None
        if role is None or text is None:
            continue
        suffix = role.suffix(text) or ""
        if role.many and not suffix:
            suffix = _suffix(model, owners.get(point.of or ""), point.of or point_id(point))
        found[index] = Part(role, suffix)
    return found


def _suffix(model: Model, owner: PointTable | None, name: str) -> str:
    """The suffix that a point shares with the one it is `of`: that one's own, else its id."""
    role = role_of(model, owner.role) if owner is not None and owner.role is not None else None
    if owner is None or owner.role is None or role is None:
        return name
    return role.suffix(owner.role) or name


def units(config: Config, device: DeviceTable) -> Iterator[Unit]:
    """The units of a device: each gas detector that needs the model, else the device as a whole.

    A detector needs it for the panel's bits, another profile, another unit or its own LEL; any
    other has the limits of the gas table as it is.
    """
    name = model_of(config, device)
    if name is not None and name != DETECTOR:
        found = parts(name, device)
        plate = dict(device.plate)
        for index, part in found.items():
            plate |= _at_point(device.points[index], part.suffix)
        yield Unit(name, {part.key: index for index, part in found.items()}, plate, CONFINED)
    # Gas detectors of a device of another model are detectors too, but for the tests of a permit.
    if name != PERMIT:
        yield from _detectors(config, device)


def _detectors(config: Config, device: DeviceTable) -> Iterator[Unit]:
    panel = model_of(config, device) == DETECTOR
    found = parts(DETECTOR, device) if panel else _plain(device)
    bits: dict[str, dict[str, int]] = {}
    for index, part in found.items():
        if part.role.name != "gas":
            bits.setdefault(part.suffix, {})[part.key] = index
    for index, part in found.items():
        point = device.points[index]
        if part.role.name != "gas" or row_of(point) is None:
            continue
        own = {part.key: index, **bits.get(part.suffix, {})}
        plate = {**(device.plate if panel else {}), **_at_point(point, part.suffix)}
        profile = profile_of(config, device, point)
        extra = {key for key in plate if key.partition("-")[0] not in OF_THE_POINT}
        if len(own) > 1 or profile != GBT50493 or extra or not native_unit(point):
            yield Unit(DETECTOR, own, plate, profile)


def _plain(device: DeviceTable) -> dict[int, Part]:
    role = role_of(MODELS[DETECTOR], "gas")
    assert role is not None
    return {
        index: Part(role, point_id(point))
        for index, point in enumerate(device.points)
        if point.gas is not None
    }


def _at_point(point: PointTable, suffix: str) -> dict[str, float]:
    """What the point itself says of its set points, as the model's plate has it."""
    values = ((key, getattr(point, key)) for key in OF_THE_POINT)
    return {f"{key}-{suffix}": value for key, value in values if value is not None}
