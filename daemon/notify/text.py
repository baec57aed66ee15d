"""What a message says: grade, place, what with number and unit, time, action; at most 70 units.

Order never changes (ux.md section 4): the tag is dropped first, then the place is shortened;
value, unit and grade never are.
"""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from parkwatch.rules.gas import GASES
from parkwatch.rules.grade import Grade
from parkwatch.rules.site import Site
from parkwatch.rules.transition import Transition

UNITS_MAX = 70
WORDS = {Grade.RED: "红警", Grade.ORANGE: "橙警", Grade.YELLOW: "黄警", Grade.BLUE: "蓝警"}
ACTIONS = {
    Grade.RED: "立即撤离",
    Grade.ORANGE: "限3分",
    Grade.YELLOW: "限10分",
    Grade.BLUE: "请检查",
}
_REASONS = {"fault": "探测器故障", "stale": "数据中断", "comms": "通信中断"}
_GROUPS = {"high": "偏高", "low": "偏低", "state": "动作", "gas": ""}
_ENDED = {"return": "恢复", "reset": "解除"}


def units(text: str) -> int:
    """Length as a short message counts it: UTF-16 units."""
    return len(text.encode("utf-16-le")) // 2


def compose(site: Site, transition: Transition, tz: str, *, repeat: int = 0) -> str:
    """The Chinese short message of a transition."""
    ended = _ENDED.get(transition.event)
    grade = ended or WORDS[transition.grade]
    action = "须现场核实后复位" if transition.event == "return" else ACTIONS[transition.grade]
    if ended and transition.event != "return":
        action = f"{transition.cause.get('person', '')}复位"
    clock = datetime.fromtimestamp(transition.received / 1e9, UTC).astimezone(ZoneInfo(tz))
    place, tag, what = _parts(site, transition)
    mark = f" 第{repeat + 1}次" if repeat else ""
    drill = "【演练】" if transition.origin.startswith("drill") else ""
    text = ""
    for where, name in ((place, tag), (place, ""), (place[:8], "")):
        words = [
            f"{drill}【{site.name}】{grade}",
            where,
            name,
            what,
            f"{clock:%H:%M}",
            action + mark,
        ]
        text = " ".join(word for word in words if word)
        if units(text) <= UNITS_MAX:
            break
    return text


def title(transition: Transition) -> str:
    """The headline of a card: shape, grade, first words."""
    shape = {"red": "◆", "orange": "▲", "yellow": "■", "blue": "●"}[transition.grade]
    return f"{shape} {_ENDED.get(transition.event) or WORDS[transition.grade]}"


def _parts(site: Site, transition: Transition) -> tuple[str, str, str]:
    """Place, tag, and what happened."""
    owner, _, group = transition.alarm.rpartition(":")
    cause = transition.cause
    if group.startswith("vote-"):
        gas = GASES[str(cause["gas"])].zh
        voters = cause["voters"]
        value = max((v["value"] for v in voters if v["value"] is not None), default=None)
        how = "单只无旁证" if cause["single"] else f"{len(voters)}只同报"
        return _zone(site, owner), "", f"{gas}{_number(value)}{cause['unit']} {how}"
    point = next((p for p in site.points if p.id == owner), None)
    if point is None:
        text = "失联" if group == "link" else str(cause.get("text", group))
        lost = f" {cause['points']}点状态未知" if group == "link" and "points" in cause else ""
        return site.enterprises.get(owner.partition("/")[0], ""), owner, f"{text}{lost}"[:40]
    if group == "fault":
        what = _REASONS.get(str(cause.get("reason")), "探测器故障")
    else:
        name = GASES[point.gas].zh if point.gas else _GROUPS.get(group, group)
        what = f"{name}{_number(cause.get('value'))}{point.unit}"
    return _zone(site, point.zone), point.tag, what


def _zone(site: Site, zone_id: str) -> str:
    zone = site.zones[zone_id]
    return site.enterprises.get(zone.enterprise, "") + zone.name


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else "--"
