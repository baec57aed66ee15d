"""Gas detectors on a panel: our set points, the panel's own alarm bits, and where both differ.

The panel stays the primary system. A level is TRUE when our limit or the panel's bit says so, for
the vote too; that one of them does not agree is an alarm of its own. Line type (open path, LEL.m)
arms with written set points only: its bounds were recalled and not verified.
"""

from __future__ import annotations

import dataclasses

from parkwatch.rules.equipment.draft import OURS, Draft, Model, Role, figure, formula, seconds
from parkwatch.rules.fault import Fault
from parkwatch.rules.gas import GASES, profiles
from parkwatch.rules.grade import Grade
from parkwatch.rules.site import Limit, Point

DISCREPANCY_S = 10.0
PANEL = "panel"
"""Name of the rows that the panel's own bits make."""
_PANEL = "GB 16808 控制器自身报警 the panel's own alarm"
_DIFFERS = f"{OURS}: 控制器与监测不一致 panel and supervisor differ"
_BITS = (("panel-al1", 1), ("panel-al2", 2))
_HIGH_BIT = "panel-high"
"""Oxygen only: the panel's bit for enrichment; al1 and al2 are its two low stages."""


def build(draft: Draft) -> None:
    """Every `gas` and `gas-SUFFIX` with the panel bits of the same suffix."""
    known = set()
    for suffix, point in draft.many("gas"):
        known.add(suffix)
        _detector(draft, suffix, point)
    for name in (*(bit for bit, _ in _BITS), _HIGH_BIT):
        for suffix, bit in draft.many(name):
            if suffix not in known:
                draft.refuse(
                    "EQP-201", f"{bit.tag} 无对应气体点 a panel bit without its gas point",
                    f"给气体点角色 give the detector the role gas-{suffix}", point=bit,
                )  # fmt: skip


def _detector(draft: Draft, suffix: str, point: Point) -> None:
    if point.gas not in GASES:
        draft.refuse(
            "EQP-202", f"{point.tag} 未写气体 has no gas", "写明 gas write the gas of the detector",
            point=point,
        )  # fmt: skip
        return
    written = (draft.number("al1", suffix), draft.number("al2", suffix))
    al1, al2 = written
    if al1 is not None and al2 is not None and not _ordered(point, al1, al2):
        draft.refuse(
            "EQP-203", f"{point.tag} {al1:g}, {al2:g} 两级次序不对 levels in the wrong order",
            "二级须离正常更远 level 2 lies further from normal", point=point,
        )  # fmt: skip
        return
    try:
        limits = profiles.limits(
            draft.profile, point, al1=al1, al2=al2, lel=draft.number("lel", suffix) or 0.0,
            enriched=bool(draft.number("enriched", suffix)),
        )  # fmt: skip
    except Fault as fault:
        draft.refuse(fault.code, f"{point.tag} {fault.what}", fault.remedy, point=point)
        return
    draft.arm(point, *limits)
    _panel(draft, suffix, point, limits)


def _ordered(point: Point, al1: float, al2: float) -> bool:
    return 0 < al2 < al1 if point.gas == "O2" else 0 < al1 < al2


def _panel(draft: Draft, suffix: str, point: Point, limits: list[Limit]) -> None:
    """The panel's bits beside our limits, and one alarm for all the differences between them."""
    oxygen = point.gas == "O2"
    bits: list[tuple[Point, Limit]] = []
    for name, level in _BITS:
        bit = draft.pair(name, suffix)
        if bit is not None:
            bits.append((bit, _row(limits, "low" if oxygen else "gas", level)))
    bit = draft.pair(_HIGH_BIT, suffix)
    if bit is not None and oxygen:
        bits.append((bit, _row(limits, "high", 2)))
    elif bit is not None:
        draft.refuse(
            "EQP-204", f"{bit.tag} 仅用于氧气 {_HIGH_BIT} is for oxygen",
            "用 panel-al1、panel-al2 use those roles", point=bit,
        )  # fmt: skip
    draft.arm(point, *(_said(bit, limit) for bit, limit in bits))
    if bits:
        _compare(draft, suffix, point, bits)


def _row(limits: list[Limit], group: str, level: int) -> Limit:
    return next(limit for limit in limits if limit.group == group and limit.level == level)


def _said(bit: Point, limit: Limit) -> Limit:
    """The same level of the same group, TRUE while the panel's bit is set; the panel has delayed
    it already. On the side of the limit, so that a low oxygen alarm never votes as a high one."""
    high = limit.side == "high"
    return dataclasses.replace(
        limit, limit=1.0 if high else 0.0, deadband=0.0, on_delay_ns=0, kind="expression",
        measure=formula("panel >= 1" if high else "panel < 1", panel=bit), name=PANEL,
        clause=_PANEL,
    )  # fmt: skip


def _compare(draft: Draft, suffix: str, point: Point, bits: list[tuple[Point, Limit]]) -> None:
    """Between limit and the end of the deadband either answer is right, so neither differs.

    `panel_latches` on the plate: the panel holds its bit until it is reset by hand (GB 16808), so
    that only a bit that is missing says something.
    """
    latches = bool(draft.number("panel_latches", suffix))
    parts: list[str] = []
    names: dict[str, Point] = {}
    for number, (bit, limit) in enumerate(bits, 1):
        name = f"panel_{number}"
        names[name] = bit
        high = limit.side == "high"
        over = f"gas {'>=' if high else '<='} {figure(limit.limit)}"
        released = round(limit.limit - limit.deadband * (1 if high else -1), 9)
        within = f"gas {'<' if high else '>'} {figure(released)}"
        parts.append(f"{name} < 1 and {over}")
        if not latches:
            parts.append(f"{name} >= 1 and {within}")
    draft.arm(
        point,
        Limit(
            point.index, "discrepancy", 1, "high", 1.0, Grade.ORANGE,
            on_delay_ns=seconds(DISCREPANCY_S), off_delay_ns=seconds(DISCREPANCY_S),
            measure=formula(" or ".join(parts), gas=point, **names), kind="discrepancy",
            clause=_DIFFERS,
        ),
    )  # fmt: skip


MODEL = Model(
    (
        Role("gas", many=True, required=True),
        Role("panel-al1", state=True, many=True),
        Role("panel-al2", state=True, many=True),
        Role(_HIGH_BIT, state=True, many=True),
    ),
    frozenset({"al1", "al2", "lel", "enriched", "panel_latches"}),
    build,
)
