"""Equipment: roles that the model knows, each played once, a plate that adds up.

What a model refuses to arm is an error. Figures of a nameplate that are missing are a warning: the
model then arms a standing yellow alarm that says so. So is a part of a boiler that is not wired.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from parkwatch.daemon.config.check_park import Made, Park
from parkwatch.daemon.config.equipment import (
    DETECTOR,
    GAS_ROLES,
    OF_THE_POINT,
    model_of,
    parts,
    role_of,
)
from parkwatch.daemon.config.finding import UNSAFE, At, Context, Finding, nearest
from parkwatch.daemon.config.model import DeviceTable, PointTable
from parkwatch.daemon.config.resolve_points import point_id
from parkwatch.daemon.config.template import root
from parkwatch.daemon.config.words import both
from parkwatch.rules.equipment import MODELS
from parkwatch.rules.equipment.draft import Model, Refusal, Role

_UNSEEN = both("其余照常投用,此项无人看护", "the rest is armed, and nothing guards this")
_UNPROTECTED = both("未保护,常驻黄色报警提示", "not protected: a standing yellow alarm says so")
_FLAGS = ("enriched", "panel_latches")
_SIGNED = ("level_extreme_low", "level_low", "level_high", "level_extra_high")
_TWINS = {"voted": "voted-pt1-a"}
"""Roles that need a suffix of their own: the sensors of one vote, and how it is written."""
_BITS = ("panel-al1", "panel-al2", "panel-high")
SHOWN_MAX = 5
_MISSING = ("EQP-301", "EQP-401")
_TOLD = ("EQP-101", "EQP-103", "EQP-104")
"""Refusals that are found here, with the nearest word."""
_FROM_ROLES = ("EQP-105", "EQP-201", "EQP-502", "EQP-503", "EQP-601")
_FROM_FIGURES = ("EQP-106", *_MISSING)
"""What only follows where a role, or a figure of the plate, is wrong."""
_LACKS = ("drum-level", "drum-pressure", "pressure", "trip", "test", "gas", "work")
"""Roles without which a model has nothing to guard; of the others one may not be wired."""


@dataclass(frozen=True, slots=True)
class _Owners:
    """Ids that an `of` of a device may name: its points, and those of them that are detectors."""

    all: dict[str, None]
    gas: dict[str, None]

    @classmethod
    def of(cls, device: DeviceTable) -> _Owners:
        ids = {point_id(point): point for point in device.points}
        detectors = (key for key, point in ids.items() if point.gas is not None)
        return cls(dict.fromkeys(ids), dict.fromkeys(detectors))


def findings(context: Context, park: Park, wrong: set[At]) -> Iterator[Finding]:
    """What is wrong with the equipment of a park; `wrong`: points of which an error is known."""
    bad = {*wrong}
    odd: dict[int, set[str]] = {}
    for number, device in enumerate(context.devices):
        at: At = ("device", number)
        model = model_of(context.config, device)
        if model is None or root(context.config, device) is None:
            continue
        for finding in _figures(device, model, at):
            odd.setdefault(number, set()).update(_FROM_FIGURES)
            yield finding
        for finding in _roles(device, model, at):
            bad.add(finding.path[:4])
            odd.setdefault(number, set()).update(_FROM_ROLES)
            yield finding
        if model == DETECTOR and device.model is not None:
            yield from _no_detector(device, at)
    for made in park.made:
        told = {*_TOLD, *odd.get(made.number, ())}
        for refusal in made.expansion.refusals:
            place = park.places.get(refusal.point)
            if refusal.code not in told and place not in bad:
                yield _refused(context, made, refusal, place)


def _figures(device: DeviceTable, name: str, at: At) -> Iterator[Finding]:
    """Every figure is one of the model's, of a unit that is there, and can be meant."""
    model = MODELS[name]
    known = sorted(key for key in model.plate if key not in OF_THE_POINT)
    suffixes = {part.suffix for part in parts(name, device).values()}
    votes = {suffix.rpartition("-")[0] for suffix in suffixes}
    for key, value in device.plate.items():
        path = (*at, "plate", key)
        base, dash, suffix = key.partition("-")
        if base in OF_THE_POINT and base in model.plate:
            zh, en = f"{base} 写在点上", f"{base} stands at its point"
            yield _odd("EQP-103", path, zh, en, both(f"点上写 {base} = …", f"{base} = … there"))
        elif base not in known:
            fix = nearest(base, known) or " | ".join(known) or both("删除", "remove it")
            zh = f'"{key}" 不是 {name} 的参数'
            yield _odd("EQP-103", path, zh, f'"{key}" is no figure of a {name}', fix)
        elif dash and suffix not in suffixes | votes:
            zh, en = f'没有 "{suffix}"', f'there is no "{suffix}" for {base}'
            yield _odd("EQP-103", path, zh, en, nearest(suffix, suffixes | votes) or base)
        elif base in _FLAGS and value not in (0.0, 1.0):
            yield _odd("EQP-104", path, f"{key} 须为 0 或 1", f"{key} is 0 or 1", f"{key} = 1")
        elif base not in (*_FLAGS, *_SIGNED) and value <= 0:
            zh, en = f"{key} = {value:g} 须大于 0", f"{key} = {value:g} must be above 0"
            yield _odd("EQP-104", path, zh, en, both("核对铭牌", "check the nameplate"))


def _odd(code: str, path: At, zh: str, en: str, fix: str) -> Finding:
    return Finding(code, path, both(zh, en), UNSAFE, fix)


def _roles(device: DeviceTable, name: str, at: At) -> Iterator[Finding]:
    model = MODELS[name]
    taken: dict[str, str] = {}
    found = parts(name, device)
    owners = _Owners.of(device)
    for index, point in enumerate(device.points):
        path = (*at, "points", index)
        said = point.role is not None or point.of is not None
        wrong = list(_role(owners, point, model, name, path)) if said else []
        yield from wrong
        part = found.get(index)
        if part is None or wrong:
            continue
        other = taken.setdefault(part.key, point.tag)
        if other is not point.tag:
            yield Finding(
                "EQP-107", (*path, "role"),
                both(f"角色 {part.key} 已属于 {other}", f"{other} has the role {part.key} already"),
                both("一个角色只有一个点", "one point plays a role"),
                both("改 role 或 of;每台设备一张表", "change role or of; one device a vessel"),
            )  # fmt: skip


def _role(
    owners: _Owners, point: PointTable, model: Model, name: str, path: At
) -> Iterator[Finding]:
    """One written role: known, of the nature of its point, and `of` a point that there is."""
    role = role_of(model, point.role) if point.role is not None else None
    names = [each.name for each in model.roles]
    if point.role is None:
        zh, en = "of 须与 role 同写", "`of` says nothing without a role"
        yield _odd("EQP-108", (*path, "of"), zh, en, both("写上 role", "add role"))
        return
    if role is None:
        zh = f'"{point.role}" 不是 {name} 的角色'
        fix = nearest(point.role, names) or " | ".join(names)
        yield _odd("EQP-101", (*path, "role"), zh, f'"{point.role}" is no role of a {name}', fix)
        return
    gas = GAS_ROLES.get(name) == role.name
    if (point.gas is not None) != gas and role.name != "voted":
        zh = f"{point.tag} {'不是' if gas else '是'}气体点"
        en = f"{point.tag} is {'no' if gas else 'a'} gas point"
        fix = both("改角色或 gas", "change the role, or gas")
        yield _odd("EQP-102", (*path, "role"), zh, en, fix)
        return
    if role.state != (point.kind == "state"):
        zh = f"{point.tag} {'须' if role.state else '不能'}为开关量"
        en = f"{point.tag} must {'' if role.state else 'not '}be a state"
        fix = both('改 role 或 kind = "state"', 'change the role, or kind = "state"')
        yield _odd("EQP-102", (*path, "role"), zh, en, fix)
        return
    suffix = role.suffix(point.role)
    if role.name in _TWINS and not suffix:
        zh, en = f"{role.name} 须写明是哪一组", f"{role.name} must say which vote it is of"
        yield _odd("EQP-101", (*path, "role"), zh, en, f'role = "{_TWINS[role.name]}"')
    yield from _of(owners, point, role, suffix or "", path)


def _of(owners: _Owners, point: PointTable, role: Role, suffix: str, path: At) -> Iterator[Finding]:
    """What a point belongs to: another point of its device; a panel's bit to a detector."""
    bit = role.name in _BITS
    known = owners.gas if bit else owners.all
    if point.of is not None and (not role.many or suffix):
        zh, en = f"{point.role} 不需要 of", f"{point.role} needs no `of`"
        yield _odd("EQP-108", (*path, "of"), zh, en, both("删除其一", "remove one of them"))
    elif point.of is not None and (point.of not in known or point.of == point_id(point)):
        zh = f'of = "{point.of}" 不是本设备的{"气体" if bit else ""}点'
        en = f'of = "{point.of}" is no {"gas " if bit else ""}point of this device'
        yield _odd(
            "EQP-108",
            (*path, "of"),
            zh,
            en,
            nearest(point.of, known) or " | ".join(list(known)[:SHOWN_MAX]),
        )
    elif bit and point.of is None and not suffix:
        zh, en = f"{point.tag} 属于哪个探测器?", f"which detector is {point.tag} of?"
        fix = f'of = "{next(iter(known))}"' if known else both("补气体点", "add the detector")
        yield _odd("EQP-108", (*path, "role"), zh, en, fix)


def _no_detector(device: DeviceTable, at: At) -> Iterator[Finding]:
    if all(point.gas is None for point in device.points):
        zh, en = "detector 没有气体点", "a detector without a gas point"
        yield _odd("EQP-105", (*at, "model"), zh, en, both("补气体点", "add a gas point"))


def _refused(context: Context, made: Made, refusal: Refusal, place: At | None) -> Finding:
    """What a model refuses, at the plate or the point that it is about."""
    path = _place(context, made, refusal, place)
    if not _tolerable(refusal):
        return Finding(refusal.code, path, refusal.what, UNSAFE, refusal.fix)
    why = _UNPROTECTED if refusal.code in _MISSING else _UNSEEN
    return Finding(refusal.code, path, refusal.what, why, refusal.fix, "warning")


def _tolerable(refusal: Refusal) -> bool:
    if refusal.code == "EQP-105":
        return refusal.key not in _LACKS
    return refusal.code in _MISSING


def _place(context: Context, made: Made, refusal: Refusal, place: At | None) -> At:
    """The plate for what its figures are wrong or missing for, else the point, else the device."""
    at: At = ("device", made.number)
    device = context.devices[made.number]
    if refusal.code[:5] in ("EQP-3", "EQP-4") and device.plate:
        key = (refusal.key,) if refusal.key in device.plate else ()
        return (*at, "plate", *key)
    if place is None:
        return at
    return (*place, "range" if refusal.code == "EQP-106" else "role")
