"""Steam boilers: drum level, drum pressure, flame, and whether the fuel really was cut.

Extreme low water is orange while the interlock has cut the fuel, and red when the fuel valve has
not confirmed within 10 s. Not to know whether it is shut is not a confirmation. It stays latched
when the level rises again: after a cut the drum swells, and cold water on a dry boiler kills.
"""

from __future__ import annotations

from itertools import pairwise

from parkwatch.rules.equipment import vessel
from parkwatch.rules.equipment.draft import OURS, Draft, Model, Role, formula, seconds
from parkwatch.rules.grade import Grade
from parkwatch.rules.measures import Formula
from parkwatch.rules.site import Limit, Point
from parkwatch.rules.units import round_down, round_up

LEVELS = ("level_extreme_low", "level_low", "level_high", "level_extra_high")
"""From below upwards, about the normal line; unit of the level (mm)."""
LEVEL_BAND, LEVEL_S, EXTRA_HIGH_S, FUEL_S = 0.05, 60.0, 2.0, 10.0
"""Share of span, and seconds: warnings, extra-high, and how long the fuel valve may take."""
FEED_S, FEED_BAND, STATE_OFF_S = 15.0, 0.02, 10.0
_WARNING = f"{OURS}: 高低水位预警 level warning, TSG 11-2020"
_EXTRA_HIGH = f"{OURS}: 超高水位 extra-high level, TSG 11-2020"
_EXTREME = f"{OURS}: 极低水位联锁 extreme low water interlock, TSG 11-2020"
_UNCUT = f"{OURS}: 极低水位且 10 s 内燃料阀未确认关闭 fuel not confirmed shut, TSG 11-2020"
_FLAME = f"{OURS}: 熄火保护 flame failure protection, TSG 11-2020"
_FEED = f"{OURS}: 给水压力低 feed-water pressure low, site value"


def build(draft: Draft) -> None:
    """A steam boiler; every part that is there is armed, every part that is not is refused."""
    uncut = _uncut(draft)
    if "drum-level" in draft.points:
        _level(draft, draft.points["drum-level"], uncut)
    if "drum-pressure" in draft.points:
        vessel.guard(draft, draft.points["drum-pressure"])
    if "flame-fail" in draft.points:
        flame = draft.points["flame-fail"]
        draft.arm(
            flame,
            Limit(
                flame.index, "state", 1, "high", 1.0, Grade.ORANGE,
                off_delay_ns=seconds(STATE_OFF_S), latch=True, clause=_FLAME,
                first_out=draft.device_id, name="flame-failure",
            ),
        )  # fmt: skip
    if "low-water-trip" in draft.points:
        trip = draft.points["low-water-trip"]
        draft.arm(trip, *_extreme(draft, trip, ("state", 1, "high"), 1.0, uncut))
    if "feed-water-pressure" in draft.points:
        _feed(draft, draft.points["feed-water-pressure"])


def _uncut(draft: Draft) -> Formula | None:
    """That the fuel valve is not confirmed shut, as an enable expression.

    UNKNOWN leaves a condition enabled (site.py, Limit): an unknown feedback raises as an open valve
    does. Without a feedback nothing is ever confirmed.
    """
    closed = draft.points.get("fuel-valve-closed")
    return None if closed is None else formula("not closed", closed=closed)


def _level(draft: Draft, point: Point, uncut: Formula | None) -> None:
    marks = {key: draft.plate[key] for key in LEVELS if key in draft.plate}
    missing = [key for key in LEVELS if key not in marks]
    if missing:
        draft.unprotected(
            "EQP-301", point, f"未保护:缺水位限值 not protected, no {', '.join(missing)}",
            "补全水位限值 (mm) write the missing levels",
        )  # fmt: skip
    if any(not low < high for low, high in pairwise(marks.values())):
        draft.unprotected(
            "EQP-302", point, "未保护:水位限值次序颠倒 not protected, levels in the wrong order",
            "须 极低 < 低 < 高 < 超高 extreme low < low < high < extra high",
        )  # fmt: skip
        return
    step, band = point.resolution, _band(point, marks)
    off_ns = seconds(LEVEL_S)
    for key, level, grade, on_s, clause in (
        ("level_high", 1, Grade.YELLOW, LEVEL_S, _WARNING),
        ("level_extra_high", 2, Grade.ORANGE, EXTRA_HIGH_S, _EXTRA_HIGH),
        ("level_low", 1, Grade.YELLOW, LEVEL_S, _WARNING),
    ):
        if key not in marks:
            continue
        side, safe = ("low", round_up) if key == "level_low" else ("high", round_down)
        draft.arm(
            point,
            Limit(
                point.index, side, level, side, safe(marks[key], step), grade, band,
                seconds(on_s), off_ns, clause=clause,
            ),
        )  # fmt: skip
    if "level_extreme_low" in marks:
        limit = round_up(marks["level_extreme_low"], step)
        draft.arm(point, *_extreme(draft, point, ("low", 2, "low"), limit, uncut))


def _band(point: Point, marks: dict[str, float]) -> float:
    """5 % of span, at most a quarter of what lies between low and high, at least one step.

    So that a warning ends before the level is at the other one, and not in the middle only.
    """
    band = LEVEL_BAND * point.span
    if "level_low" in marks and "level_high" in marks:
        band = min(band, (marks["level_high"] - marks["level_low"]) / 4)
    return round(max(band, point.resolution), 9)


def _extreme(
    draft: Draft, point: Point, row: tuple[str, int, str], limit: float, uncut: Formula | None
) -> tuple[Limit, Limit]:  # fmt: skip
    """Orange at once, one level higher red while the fuel is not confirmed shut for 10 s."""
    group, level, side = row
    orange = Limit(
        point.index, group, level, side, limit, Grade.ORANGE, latch=True, clause=_EXTREME,
        first_out=draft.device_id, name="extreme-low",
    )  # fmt: skip
    red = Limit(
        point.index, group, level + 1, side, limit, Grade.RED, on_delay_ns=seconds(FUEL_S),
        latch=True, clause=_UNCUT, enable=uncut, first_out=draft.device_id, name="extreme-low",
    )  # fmt: skip
    return orange, red


def _feed(draft: Draft, point: Point) -> None:
    """A low limit where the site gives one; no rule of thumb knows the pumps."""
    if (limit := draft.plate.get("p_feed_low")) is None:
        return
    deadband = round(max(FEED_BAND * point.span, point.resolution), 9)
    draft.arm(
        point,
        Limit(
            point.index, "low", 1, "low", round_up(limit, point.resolution), Grade.YELLOW,
            deadband, seconds(FEED_S), seconds(FEED_S), clause=_FEED,
        ),
    )  # fmt: skip


MODEL = Model(
    (
        Role("drum-level", required=True),
        Role("drum-pressure", required=True),
        Role("flame-fail", state=True, required=True),
        Role("fuel-valve-closed", state=True, required=True),
        Role("low-water-trip", state=True, required=True),
        Role("feed-water-pressure"),
    ),
    frozenset((*LEVELS, *vessel.PLATE, "p_feed_low")),
    build,
)
