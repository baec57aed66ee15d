"""Points, devices, zones and suppressions compared: what came, went, or measures another thing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic_core import to_jsonable_python

from parkwatch.daemon.config.changes.kinds import Change
from parkwatch.daemon.config.changes.limits import Limits
from parkwatch.daemon.config.model import Config, DeviceTable
from parkwatch.daemon.config.resolve_points import point_id
from parkwatch.daemon.config.template import effective
from parkwatch.rules.site import Point, Site

_SCALE = ("unit", "gas", "kind", "low", "high", "resolution", "sentinels")
_PLACE = ("zone", "head")
_SILENCE = ("stale_ns", "scan_ns", "on_change")
"""How long nothing may be heard before the channel's fault is raised: larger is looser."""
_REGISTER = (
    "reg", "channel", "value", "type", "order", "scale", "offset", "mask", "step", "signal",
    "spare",
)  # fmt: skip
_MAP = ("registers", "shift")
_SELF = ("identity", "self_check")
_LINE = (
    "template", "host", "port", "transport", "serial", "baud", "parity", "stop_bits", "data_bits",
    "unit_id", "broker", "gateway",
)  # fmt: skip
_PATIENCE = ("timeout", "max_connections", "pause", "turnaround")
_BROKER = ("host", "port", "user", "tls", "client_id")


def changes(old: Limits, new: Limits) -> Iterator[Change]:
    """What differs between the points, devices, zones and suppressions of two sites."""
    befores = {point.id: point for point in old.site.points}
    afters = {point.id: point for point in new.site.points}
    for name, point in befores.items():
        if name not in afters:
            yield Change("removed", name, "", point.tag, None, old.hang_on(name))
        else:
            yield from _point(old, point, afters[name])
    for name, point in afters.items():
        if name not in befores:
            yield Change("added", name, "", None, point.tag)
    yield from _devices(old.site, new.site)
    yield from _zones(old.site, new.site)
    yield from _suppressions(old, new)
    if old.site.red_reset_two != new.site.red_reset_two:
        kind = "loosened" if old.site.red_reset_two else "tightened"
        was, now = ("two" if site.red_reset_two else "one" for site in (old.site, new.site))
        yield Change(kind, "park", "red_reset", was, now)


def _point(old: Limits, one: Point, other: Point) -> Iterator[Change]:
    for keys, kind in ((_SCALE, "rescaled"), (_PLACE, "altered"), (("tag",), "neutral")):
        for key in keys:
            was, now = getattr(one, key), getattr(other, key)
            if was != now:
                yield Change(kind, one.id, key, was, now, old.hang_on(one.id))
    for key in _SILENCE:
        was, now = getattr(one, key), getattr(other, key)
        if was != now:
            kind = "loosened" if now > was else "tightened"
            yield Change(kind, f"{one.id}:fault", key, was, now)
    if one.folds != other.folds:
        kind = "loosened" if one.folds else "tightened"
        yield Change(kind, one.id, "folds", one.folds, other.folds, old.hang_on(one.id))
    yield from _dates(one, other)
    was, now = one.armed == "unarmed", other.armed == "unarmed"
    if was != now:
        kind = "disarmed" if now else "tightened"
        yield Change(kind, one.id, "armed", one.armed, other.armed, old.hang_on(one.id))


def _dates(one: Point, other: Point) -> Iterator[Change]:
    """The dates on its card: a new one is news of a test, one less is a reminder less."""
    befores, afters = ({due.what: due.day for due in point.dues} for point in (one, other))
    for what in dict.fromkeys((*befores, *afters)):
        was, now = befores.get(what), afters.get(what)
        if was != now:
            kind = "loosened" if now is None else "neutral"
            yield Change(kind, f"{one.id}:due", f"{what}_due", was, now)


def _devices(old: Site, new: Site) -> Iterator[Change]:
    for name, device in old.devices.items():
        other = new.devices.get(name)
        if other is None:
            yield Change("removed", name)
            continue
        if device.kind != other.kind:
            yield Change("altered", name, "kind", device.kind, other.kind)
        if device.blind_grade != other.blind_grade:
            less = other.blind_grade.urgency < device.blind_grade.urgency
            kind = "loosened" if less else "tightened"
            yield Change(kind, name, "blind_grade", device.blind_grade, other.blind_grade)
    for name in new.devices:
        if name not in old.devices:
            yield Change("added", name)
    gateways = [
        {d.gateway for d in site.devices.values() if d.gateway} for site in (old, new)
    ]  # fmt: skip
    for name in sorted(gateways[0] - gateways[1]):
        yield Change("removed", name)


def _zones(old: Site, new: Site) -> Iterator[Change]:
    for name, zone in old.zones.items():
        other = new.zones.get(name)
        if other is None:
            yield Change("removed", name, "", zone.name, None)
            continue
        if zone.alone_until != other.alone_until:
            kind = "loosened" if other.alone_until > zone.alone_until else "tightened"
            yield Change(kind, name, "alone_until", zone.alone_until, other.alone_until)
        for key in ("name", "risk"):
            was, now = getattr(zone, key), getattr(other, key)
            if was != now:
                yield Change("neutral", name, key, was, now)
    for name, zone in new.zones.items():
        if name not in old.zones:
            yield Change("added", name, "", None, zone.name)


def _suppressions(old: Limits, new: Limits) -> Iterator[Change]:
    """What is suppressed more widely is loosened; by another state, altered."""
    befores, afters = ({s.name: s for s in each.site.suppressions} for each in (old, new))
    for name in dict.fromkeys((*befores, *afters)):
        about = f"suppression.{name}"
        one, other = befores.get(name), afters.get(name)
        if one is None and other is not None:
            named = list(other.alarms)
            yield Change("loosened", about, "alarms", None, named, frozenset(named))
        elif one is not None and other is None:
            yield Change("tightened", about, "alarms", list(one.alarms), None)
        elif one is not None and other is not None:
            was, now = old.told(one.when), new.told(other.when)
            every = frozenset(other.alarms)
            if was != now:
                yield Change("altered", about, "when", was, now, every)
            if set(one.alarms) != set(other.alarms):
                more = every - set(one.alarms)
                kind = "loosened" if more else "tightened"
                yield Change(kind, about, "alarms", list(one.alarms), list(other.alarms), more)
            if one.until != other.until:
                kind = "loosened" if other.until > one.until or not other.until else "tightened"
                yield Change(kind, about, "until", one.until, other.until, every)
            if one.reason != other.reason:
                yield Change("neutral", about, "reason", one.reason, other.reason)


# How they are wired ------------------------------------------------------------------------------


def wiring(old: Config, new: Config, limits: Limits) -> Iterator[Change]:
    """Registers, links and brokers of what both configurations have; `limits` of the old one."""
    befores, afters = _devices_of(old), _devices_of(new)
    own: dict[str, set[str]] = {}
    for point in limits.site.points:
        alarms = (limits.of_point(point.index), limits.hang_on(point.id))
        own.setdefault(point.device, set()).update(*alarms)
    for name, device in befores.items():
        other = afters.get(name)
        if other is None:
            continue
        yield from _registers(name, device, other, limits)
        hanging = frozenset(own.get(name, ()))
        yield from _differing("rewired", name, (device, other), _LINE + _SELF, hanging)
        yield from _differing("rescaled", name, (device, other), _MAP, hanging)
        yield from _differing("neutral", name, (device, other), _PATIENCE)
    for name, broker in old.broker.items():
        if name in new.broker:
            yield from _differing(
                "rewired", f"broker.{name}", (broker, new.broker[name]), _BROKER
            )  # fmt: skip


def _devices_of(config: Config) -> Mapping[str, DeviceTable]:
    return {f"{device.enterprise}/{device.id}": device for device in effective(config)}


def _registers(
    name: str, device: DeviceTable, other: DeviceTable, limits: Limits
) -> Iterator[Change]:
    afters = {point_id(point): point for point in other.points}
    for point in device.points:
        after = afters.get(point_id(point))
        if after is not None:
            about = f"{name}/{point_id(point)}"
            both = (point, after)
            yield from _differing("rescaled", about, both, _REGISTER, limits.hang_on(about))


def _differing(
    kind: str,
    about: str,
    both: tuple[Any, Any],
    keys: tuple[str, ...],
    alarms: frozenset[str] = frozenset(),
) -> Iterator[Change]:
    for key in keys:
        was, now = (getattr(each, key) for each in both)
        if was != now:
            yield Change(kind, about, key, to_jsonable_python(was), to_jsonable_python(now), alarms)
