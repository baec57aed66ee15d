"""Pressure vessels: working pressure, safety valve and design pressure bound one measured pressure.

Contracts: it arms only with p_work < 0.98 p_sv_set and p_sv_set <= p_design. Our default (D),
domain.md section 2: yellow before the valve lifts, orange where it must, red at design pressure.
"""

from __future__ import annotations

from parkwatch.rules.equipment.draft import OURS, Draft, Model, Role, seconds
from parkwatch.rules.grade import Grade
from parkwatch.rules.site import Limit, Point
from parkwatch.rules.units import round_down

PLATE = ("p_work", "p_sv_set", "p_design")
"""Working pressure, set pressure of the lowest safety valve, design pressure; the point's unit."""
WORK_SHARE_MAX = 0.98
"""p_work stays below this share of p_sv_set, and yellow at or below it: room for an alarm."""
SPAN_SHARE, RESEAT_SHARE = 0.02, 0.10
"""Deadbands: 2 % of span; and 10 % of the set pressure, as a safety valve reseats at 90 % of it,
so that its cycles are one alarm and not many."""
YELLOW_S, ORANGE_S = 15.0, 2.0
_YELLOW = f"{OURS}: min(max(1.02 p_work, 0.92 p_sv_set), 0.98 p_sv_set)"
_ORANGE = f"{OURS}: 安全阀整定压力 safety valve set pressure (TSG 21-2016)"
_RED = f"{OURS}: 设计压力 design pressure (TSG 21-2016)"


def build(draft: Draft) -> None:
    """A vessel with one pressure."""
    if "pressure" in draft.points:
        guard(draft, draft.points["pressure"])


def guard(draft: Draft, point: Point) -> None:
    """The pressure rules for a vessel's or a drum's pressure; `unprotected` where they cannot be.

    Refusals EQP-401 missing nameplate, EQP-402 p_work too near to the valve, EQP-403 valve above
    design, EQP-404 the resolution leaves no room.
    """
    missing = [key for key in PLATE if not draft.plate.get(key, 0.0) > 0]
    if missing:
        draft.unprotected(
            "EQP-401", point,
            f"未保护:铭牌缺 not protected, the nameplate lacks {', '.join(missing)}",
            "补全铭牌压力 write the missing pressures in the point's unit",
        )  # fmt: skip
        return
    p_work, p_sv_set, p_design = (draft.plate[key] for key in PLATE)
    room = round(WORK_SHARE_MAX * p_sv_set, 9)
    if not p_work < room:
        draft.unprotected(
            "EQP-402", point,
            f"未保护:工作压力 {p_work:g} 不低于整定压力的 98 % ({room:g}) not protected, p_work is "
            "not below 0.98 p_sv_set",
            "核对工作压力与安全阀整定压力 check both: no alarm fits between them", key="p_work",
        )  # fmt: skip
        return
    if p_sv_set > p_design:
        draft.unprotected(
            "EQP-403", point,
            f"未保护:整定压力 {p_sv_set:g} 高于设计压力 {p_design:g} not protected, p_sv_set is "
            "above p_design",
            "核对安全阀与铭牌 check the valve and the nameplate (TSG 21-2016)", key="p_sv_set",
        )  # fmt: skip
        return
    _arm(draft, point, p_work, p_sv_set, p_design)


def yellow(p_work: float, p_sv_set: float) -> float:
    """Where the warning starts: above work, below the valve; unit of its arguments.

    >>> yellow(1000.0, 1350.0)
    1242.0
    """
    wanted = max(1.02 * p_work, 0.92 * p_sv_set)
    return round(min(wanted, WORK_SHARE_MAX * p_sv_set), 9)


def _arm(draft: Draft, point: Point, p_work: float, p_sv_set: float, p_design: float) -> None:
    step = point.resolution
    first, valve, design = (
        round_down(value, step) for value in (yellow(p_work, p_sv_set), p_sv_set, p_design)
    )
    if not p_work < first < valve:
        draft.unprotected(
            "EQP-404", point,
            f"未保护:分辨率 {step:g} 过粗 not protected, too coarse between {p_work:g} and "
            f"{p_sv_set:g}",
            "换用更细的量程 use a finer transmitter",
        )  # fmt: skip
        return
    band = SPAN_SHARE * point.span
    bands = [min(share, (limit - p_work) / 2) for share, limit in (
        (band, first), (RESEAT_SHARE * p_sv_set, valve), (band, design))]  # fmt: skip
    yellow_ns = seconds(YELLOW_S)
    rows = (
        (1, first, Grade.YELLOW, yellow_ns, False, _YELLOW),
        (2, valve, Grade.ORANGE, seconds(ORANGE_S), False, _ORANGE),
        (3, design, Grade.RED, 0, True, _RED),
    )
    draft.arm(
        point,
        *(
            Limit(
                point.index, "high", level, "high", limit, grade, round(deadband, 9), on_ns,
                yellow_ns, latch=latch, clause=clause,
            )
            for (level, limit, grade, on_ns, latch, clause), deadband in zip(
                rows, bands, strict=True
            )
        ),
    )  # fmt: skip


MODEL = Model((Role("pressure", required=True),), frozenset(PLATE), build)
