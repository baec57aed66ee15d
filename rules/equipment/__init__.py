"""Equipment models: from a device's roles and nameplate to the limits that guard it. The one door.

Models: `detector`, `boiler`, `vessel`, `esd` and `confined` (a permit). `expand` is pure and says
with every limit which clause or reasoning it comes from, and with every refusal what to do. What
is refused in part is still armed as far as it can be; whether a device with refusals may run at
all is the configuration's decision.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from parkwatch.rules.equipment import boiler, confined, esd, vessel
from parkwatch.rules.equipment import detector as equipment_detector
from parkwatch.rules.equipment.draft import Draft, Expansion, Model, Refusal, Role, finite
from parkwatch.rules.gas import PROFILE
from parkwatch.rules.grade import Grade
from parkwatch.rules.site import Limit, Point

__all__ = ["MODELS", "Expansion", "Refusal", "expand"]

MODELS: Mapping[str, Model] = {
    "boiler": boiler.MODEL,
    "confined": confined.MODEL,
    "detector": equipment_detector.MODEL,
    "esd": esd.MODEL,
    "vessel": vessel.MODEL,
}
_LIFTED = frozenset({"gas", "high", "low"})


def expand(
    model: str, device_id: str, points_by_role: Mapping[str, Point], plate: Mapping[str, float],
    *, profile: str = PROFILE, lift_yellow: bool = False,
) -> Expansion:  # fmt: skip
    """The limits and refusals of a device.

    `plate` holds the nameplate and settings in the units of their points; `KEY-SUFFIX` is for one
    unit of a repeated role. `profile` of gas set points. `lift_yellow`: the zone raises yellow
    process alarms (gas, level, pressure) to orange.
    """
    found = MODELS.get(model)
    if found is None:
        return Expansion((), (_unknown_model(device_id, model),))
    draft = Draft(device_id, dict(points_by_role), finite(plate), profile)
    _check_roles(draft, found)
    _check_plate(draft, found, plate)
    found.build(draft)
    limits = draft.limits
    if lift_yellow:
        limits = [_lifted(limit) for limit in limits]
    return Expansion(tuple(limits), tuple(draft.refusals))


def _lifted(limit: Limit) -> Limit:
    if limit.grade is Grade.YELLOW and limit.group in _LIFTED:
        return dataclasses.replace(limit, grade=Grade.ORANGE)
    return limit


def _check_roles(draft: Draft, model: Model) -> None:
    """Every role is known and of its nature, and what the model needs is there.

    A state where a value must be, or the other way round, plays no part at all.
    """
    for key, point in sorted(draft.points.items()):
        role = _role(model, key)
        if role is None:
            draft.refuse(
                "EQP-101", f"未知角色 unknown role {key} ({point.tag})",
                f"用 use {', '.join(role.name for role in model.roles)}", point=point,
            )  # fmt: skip
        elif role.state != (point.kind == "state"):
            is_, wanted = ("不是", "a state") if role.state else ("是", "a measured value")
            draft.refuse(
                "EQP-102", f"{point.tag} {is_}开关量 is not {wanted}, as {key} must be",
                "改 kind 或角色 change its kind or its role", point=point,
            )  # fmt: skip
            del draft.points[key]
    for role in model.roles:
        if role.required and not any(role.suffix(key) is not None for key in draft.points):
            draft.refuse(
                "EQP-105", f"缺角色 no point has the role {role.name}",
                "给相应的点写 role give it to the point, or nothing guards this", key=role.name,
            )  # fmt: skip


def _role(model: Model, key: str) -> Role | None:
    return next((role for role in model.roles if role.suffix(key) is not None), None)


def _check_plate(draft: Draft, model: Model, plate: Mapping[str, float]) -> None:
    """Every figure is one of the model's and a number, so that a slip is not a missing figure."""
    for key in sorted(plate):
        if key not in draft.plate:
            what, fix = f"{key} 不是数 is no number", "写成有限的数 write a number"
            draft.refuse("EQP-104", what, fix, key=key)
        elif not any(Role(name, many=True).suffix(key) is not None for name in model.plate):
            draft.refuse(
                "EQP-103", f"未知参数 unknown figure {key}",
                f"用 use {', '.join(sorted(model.plate))}", key=key,
            )  # fmt: skip


def _unknown_model(device_id: str, model: str) -> Refusal:
    return Refusal(
        "EQP-100", f"{device_id}: 未知设备模型 unknown equipment model {model}",
        f"用 use {', '.join(MODELS)}",
    )  # fmt: skip
