"""Emergency shutdown, read only: trips, bypasses with their time, valves, solver, voted sensors.

A trip is red and latches, and the first one is kept. A bypass is only a reminder (yellow) until it
is overdue or not alone (orange). Defaults ours (D), domain.md section 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from parkwatch.rules.equipment.draft import OURS, Draft, Model, Role, formula, seconds
from parkwatch.rules.expression.tree import NAMES_MAX
from parkwatch.rules.grade import Grade
from parkwatch.rules.measures import Formula
from parkwatch.rules.site import Limit, Point

BYPASS_MAX_H, TRAVEL_S, DEVIATION_S = 8.0, 10.0, 30.0
DEVIATION_SHARE = 0.05
"""Of span: how far voted sensors may be apart where the plate says nothing."""
OFF_S = 10.0
_TRIP = f"{OURS}: 联锁动作 trip, latched with first-out"
_BYPASS = f"{OURS}: 旁路投用须报警并显示 a bypass is alarmed and shown"
_OVERDUE = f"{OURS}: 旁路超过许可时间 bypass beyond its permitted time"
_SEVERAL = f"{OURS}: 同一装置旁路多于一个 more than one bypass in a unit"
_VALVE = f"{OURS}: 行程时间后阀位与指令不符 valve differs from command after its travel time"
_DEMANDED = f"{OURS}: 联锁动作中阀门未到位 valve not in place while a trip is active"
_SOLVER = f"{OURS}: 逻辑控制器诊断 logic solver diagnostic"
_DEVIATION = f"{OURS}: 表决仪表偏差 voted sensors deviate"


def build(draft: Draft) -> None:
    """Everything that the solver's read-only gateway shows."""
    trips = [point for _, point in draft.many("trip")]
    for point in trips:
        row = _state(point, Grade.RED, _TRIP, first_out=draft.device_id, name="trip", latch=True)
        draft.arm(point, row)
    _bypasses(draft)
    _valves(draft, trips)
    for _, point in draft.many("solver-health"):
        draft.arm(point, _state(point, Grade.ORANGE, _SOLVER, name="solver-health"))
    for vote, sensors in _voted(draft).items():
        _deviation(draft, vote, sensors)


def _state(
    point: Point, grade: Grade, clause: str, *, name: str, first_out: str = "", latch: bool = False
) -> Limit:  # fmt: skip
    return Limit(
        point.index, "state", 1, "high", 1.0, grade, off_delay_ns=seconds(OFF_S), latch=latch,
        clause=clause, first_out=first_out, name=name,
    )  # fmt: skip


def _bypasses(draft: Draft) -> None:
    by_zone: dict[str, list[Point]] = {}
    for suffix, point in draft.many("bypass"):
        by_zone.setdefault(point.zone, []).append(point)
        permitted_h = draft.number("bypass_max_h", suffix)
        permitted_h = BYPASS_MAX_H if permitted_h is None else permitted_h
        overdue = Limit(
            point.index, "state", 2, "high", 1.0, Grade.ORANGE,
            on_delay_ns=seconds(3600.0 * permitted_h), off_delay_ns=seconds(OFF_S),
            clause=f"{_OVERDUE} ({permitted_h:g} h)", name="bypass-overdue",
        )  # fmt: skip
        draft.arm(point, _state(point, Grade.YELLOW, _BYPASS, name="bypass"), overdue)
    for zone, points in by_zone.items():
        if len(points) > 1:
            _several(draft, zone, points)


def _several(draft: Draft, zone: str, points: Sequence[Point]) -> None:
    """`ZONE:bypass-DEVICE`; two that are seen decide, whatever the others are (Kleene's count)."""
    if len(points) > NAMES_MAX:
        draft.refuse(
            "EQP-501", f"{zone} 有 {len(points)} 个旁路 too many bypasses to count",
            f"每装置至多 {NAMES_MAX} 个,拆分区域 split the zone",
        )  # fmt: skip
        return
    names = {f"bypass_{n}": point for n, point in enumerate(points, 1)}
    device = draft.device_id.rpartition("/")[2]
    draft.limits.append(
        Limit(
            -1, "state", 1, "high", 1.0, Grade.ORANGE, off_delay_ns=seconds(OFF_S),
            measure=formula(f"count({', '.join(names)}) > 1", **names), kind="expression",
            alarm=f"{zone}:bypass-{device}", clause=_SEVERAL, name="bypass-count",
        )
    )  # fmt: skip


def _valves(draft: Draft, trips: Sequence[Point]) -> None:
    """Pairs of one suffix; command and feedback mean the same end position by 1."""
    commands = dict(draft.many("valve-command"))
    feedbacks = dict(draft.many("valve-feedback"))
    for suffix in sorted(commands.keys() ^ feedbacks.keys()):
        alone = commands.get(suffix) or feedbacks[suffix]
        draft.refuse(
            "EQP-502", f"{alone.tag} 阀门指令与反馈不成对 command and feedback are no pair",
            f"补另一个 add valve-command-{suffix} or valve-feedback-{suffix}", point=alone,
        )  # fmt: skip
    if len(trips) > NAMES_MAX:
        draft.refuse(
            "EQP-501", f"{len(trips)} 个联锁 too many trips for one device",
            "任何阀门不符均按红警;拆分设备 every valve counts as demanded: split the device",
        )  # fmt: skip
    for suffix in sorted(commands.keys() & feedbacks.keys()):
        travel_s = draft.number("travel_s", suffix)
        travel_ns = seconds(TRAVEL_S if travel_s is None else travel_s)
        pair = {"command": commands[suffix], "feedback": feedbacks[suffix]}
        draft.arm(pair["feedback"], *_discrepancy(pair, trips, travel_ns))


def _discrepancy(
    pair: Mapping[str, Point], trips: Sequence[Point], travel_ns: int
) -> list[Limit]:  # fmt: skip
    """Orange; red where a trip is active. Not to know whether one is leaves it red (Limit)."""
    differs = formula("command and not feedback or not command and feedback", **pair)
    rows: list[tuple[int, Grade, str, Formula | None]] = [(1, Grade.ORANGE, _VALVE, None)]
    names = {f"trip_{n}": point for n, point in enumerate(trips, 1)}
    if names and len(names) <= NAMES_MAX:
        rows.append((2, Grade.RED, _DEMANDED, formula(" or ".join(names), **names)))
    elif names:
        rows.append((2, Grade.RED, _DEMANDED, None))
    return [
        Limit(
            pair["feedback"].index, "discrepancy", level, "high", 1.0, grade,
            on_delay_ns=travel_ns, off_delay_ns=seconds(OFF_S), measure=differs,
            kind="discrepancy", enable=enable, clause=clause, name="valve",
        )
        for level, grade, clause, enable in rows
    ]  # fmt: skip


def _voted(draft: Draft) -> dict[str, list[Point]]:
    """Sensors of one vote: `voted-a` to `voted-c`, or `voted-NAME-a` where there are several."""
    votes: dict[str, list[Point]] = {}
    for suffix, point in draft.many("voted"):
        votes.setdefault(suffix.rpartition("-")[0], []).append(point)
    return votes


def _deviation(draft: Draft, vote: str, sensors: Sequence[Point]) -> None:
    """How far a sensor is from the nearest other one; of two, their distance, told once.

    Of three the one that differs from both is named.
    """
    first = sensors[0]
    if not 2 <= len(sensors) <= 3 or len({(p.unit, p.gas) for p in sensors}) > 1:
        draft.refuse(
            "EQP-503", f"{first.tag} 表决须 2-3 台同量仪表 a vote is 2 or 3 sensors of one kind",
            "核对 voted-* 角色与单位 check roles and units", point=first,
        )  # fmt: skip
        return
    names = dict(zip("abc", sensors, strict=False))
    bound = draft.number("deviation", vote) or DEVIATION_SHARE * first.span
    deadband = round(bound / 4, 9)
    for name, point in names.items() if len(sensors) == 3 else [("a", first)]:
        gaps = [f"abs({name} - {other})" for other in names if other != name]
        text = f"min({', '.join(gaps)})" if len(gaps) > 1 else gaps[0]
        draft.arm(
            point,
            Limit(
                point.index, "deviation", 1, "high", bound, Grade.YELLOW, deadband,
                seconds(DEVIATION_S), seconds(DEVIATION_S), measure=formula(text, **names),
                kind="deviation", clause=_DEVIATION, name="voted",
            ),
        )  # fmt: skip


MODEL = Model(
    (
        Role("trip", state=True, many=True, required=True),
        Role("bypass", state=True, many=True),
        Role("valve-command", state=True, many=True),
        Role("valve-feedback", state=True, many=True),
        Role("solver-health", state=True, many=True),
        Role("voted", many=True),
    ),
    frozenset({"bypass_max_h", "travel_s", "deviation"}),
    build,
)
