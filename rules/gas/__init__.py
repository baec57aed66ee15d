"""The gas table of profile `gbt50493` (default): every cell with its source and evidence grade.

Level 1 <= 25 %LEL or <= 100 % OEL, level 2 <= 50 %LEL or <= 200 % OEL (GB/T 50493-2019); a gas
that is both explosive and toxic is set by its toxicity. Toxic set points are in mg/m3, converted
with the molar mass of the row (units.py) and always rounded down to the channel's resolution: the
bound is "<=". Evidence: A text of the law read, B two consistent secondary sources, C one, D our
own proposal, R recalled and not verified: shown, never active.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from parkwatch.rules.fault import Fault
from parkwatch.rules.grade import Grade
from parkwatch.rules.site import SECOND_NS, Limit, Point
from parkwatch.rules.units import MOLAR_VOLUME_L, convert, round_down, round_up

PROFILE = "gbt50493"
__all__ = [
    "GASES", "MOLAR_VOLUME_L", "PROFILE", "Cell", "Gas", "effective", "find", "limits_for",
    "misplaced", "round_down", "set_points", "step_of", "units", "upper_bound", "weaker",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure of the table: `source` names standard and clause, `evidence` is A, B, C, D, R."""

    value: float
    source: str
    evidence: str

    @property
    def active(self) -> bool:
        return self.evidence != "R"


@dataclass(frozen=True, slots=True)
class Gas:
    """A row; None where the table has no figure.

    `molar` g/mol; `lel` %vol (for display: a channel declares the LEL it is calibrated with);
    `mac`, `twa`, `stel` mg/m3; `al1`, `al2` set points in `native` (%LEL, mg/m3 or %vol); `high`
    end of the usual range and `resolution`, both in `unit` (D).
    """

    key: str
    zh: str
    en: str
    unit: str
    native: str
    high: float
    resolution: float
    molar: Cell | None = None
    lel: Cell | None = None
    mac: Cell | None = None
    twa: Cell | None = None
    stel: Cell | None = None
    al1: Cell | None = None
    al2: Cell | None = None

    @property
    def levels(self) -> tuple[Cell, Cell] | None:
        """Both set points where they may be used: never one that was only recalled."""
        if self.al1 is None or self.al2 is None or not (self.al1.active and self.al2.active):
            return None
        return self.al1, self.al2

    @property
    def clause(self) -> str:
        return self.al1.source if self.al1 is not None else "无缺省限值 no default set point"

    @property
    def evidence(self) -> str:
        return self.al1.evidence if self.al1 is not None else "D"


_LEL_RULE = "GB/T 50493-2019 ≤25/50 %LEL"
_OEL_RULE = "GB/T 50493-2019 ≤100/200 % OEL"
_IEC = "IEC 60079-20-1:2010"


def _combustible(
    key: str, names: tuple[str, str], molar: Cell | None, lel: Cell, twa: Cell | None = None
) -> Gas:
    return Gas(
        key, *names, "%LEL", "%LEL", 100.0, 1.0, molar, lel, twa=twa,
        al1=Cell(25.0, _LEL_RULE, "B"), al2=Cell(50.0, _LEL_RULE, "B"),
    )  # fmt: skip


def _toxic(
    key: str, names: tuple[str, str], molar: float, oel: tuple[float, float, float], evidence: str,
    channel: tuple[float, float, float],
) -> Gas:  # fmt: skip
    """`oel`: MAC, PC-TWA, PC-STEL in mg/m3, 0 where there is none; MAC comes first.

    `channel`: end of the range and resolution in ppm, LEL in %vol or 0.
    """
    base, name = (oel[0], "MAC") if oel[0] else (oel[1], "PC-TWA")
    source = f"{_OEL_RULE}; GBZ 2.1-2019 {name} {base:g} mg/m3"
    mac, twa, stel = (Cell(value, "GBZ 2.1-2019", evidence) if value else None for value in oel)
    high, resolution, lel = channel
    return Gas(
        key, *names, "ppm", "mg/m3", high, resolution,
        molar=_b(molar), lel=_b(lel) if lel else None, mac=mac, twa=twa, stel=stel,
        al1=Cell(base, source, evidence), al2=Cell(2 * base, source, evidence),
    )  # fmt: skip


def _b(value: float) -> Cell:
    return Cell(value, _IEC, "B")


_O2_RULE = "GB 30871-2022 6.4 (19.5 / 23.5 %vol)"
_TABLE = (
    _combustible("CH4", ("甲烷", "methane"), _b(16.04), _b(4.4)),
    _combustible("C3H8", ("丙烷", "propane"), _b(44.10), _b(1.7)),
    _combustible("H2", ("氢气", "hydrogen"), _b(2.016), _b(4.0)),
    _combustible(
        "GASOLINE", ("汽油", "gasoline vapour"), None, Cell(1.1, "recalled", "R"),
        Cell(300.0, "recalled: 溶剂汽油", "R"),
    ),
    _combustible("C2H4", ("乙烯", "ethylene"), _b(28.05), _b(2.3)),
    _toxic("CO", ("一氧化碳", "CO"), 28.01, (0, 20, 30), "B", (100, 0.1, 10.9)),
    _toxic("H2S", ("硫化氢", "H2S"), 34.08, (10, 0, 0), "B", (50, 0.1, 4.0)),
    _toxic("NH3", ("氨", "ammonia"), 17.03, (0, 20, 30), "B", (100, 0.1, 15)),
    _toxic("CL2", ("氯气", "chlorine"), 70.91, (1, 0, 0), "B", (5, 0.01, 0)),
    _toxic("SO2", ("二氧化硫", "SO2"), 64.06, (0, 5, 10), "B", (20, 0.01, 0)),
    _toxic("HCN", ("氰化氢", "HCN"), 27.03, (1, 0, 0), "B", (10, 0.01, 5.4)),
    _toxic("C6H6", ("苯", "benzene"), 78.11, (0, 3, 6), "C", (10, 0.01, 1.2)),
    _toxic("COCL2", ("光气", "phosgene"), 98.92, (0.5, 0, 0), "B", (1, 0.01, 0)),
    _toxic("HF", ("氟化氢", "HF"), 20.01, (2, 0, 0), "B", (10, 0.1, 0)),
    _toxic("CO2", ("二氧化碳", "CO2"), 44.01, (0, 9000, 18000), "B", (50_000, 10, 0)),
    _toxic("NO2", ("二氧化氮", "NO2"), 46.01, (0, 5, 10), "C", (20, 0.1, 0)),
    _toxic("HCL", ("氯化氢", "HCl"), 36.46, (7.5, 0, 0), "C", (20, 0.1, 0)),
    _toxic(
        "ETO", ("环氧乙烷", "ethylene oxide"), 44.05, (0, 0.6, 2), "C", (5, 0.01, 2.6)),
    Gas("VOC", "挥发性有机物", "VOC (isobutylene)", "ppm", "ppm", 2000.0, 0.1,
        _b(56.11), _b(1.6)),
    Gas("O2", "氧气", "oxygen", "%vol", "%vol", 30.0, 0.1, Cell(32.0, _IEC, "B"),
        al1=Cell(19.5, _O2_RULE, "A"), al2=Cell(18.0, "ParkWatch (D): 18.0 %vol", "D")),
)  # fmt: skip
GASES: dict[str, Gas] = {gas.key: gas for gas in _TABLE}

O2_LOW, O2_LOW_2, O2_HIGH, O2_DEADBAND = 19.5, 18.0, 23.5, 0.2
LEL_DEADBAND, TOXIC_DEADBAND = 2.0, 0.1
_STEP = 0.01  # Of a channel in a unit that the table gives no resolution for (%vol, LEL.m).
_ON = (3 * SECOND_NS, SECOND_NS)
_OFF = (10 * SECOND_NS, 30 * SECOND_NS)


def find(name: str) -> Gas | None:
    """The gas of a name as people write it (`h2s`, `Cl2`), or None."""
    return GASES.get(name.upper())


def units(gas: Gas) -> tuple[str, ...]:
    """Units in which a channel of this gas may declare its values."""
    if gas.native == "mg/m3":
        return ("ppm", "mg/m3")
    return (gas.unit,)


def upper_bound(gas: Gas, level: int, unit: str) -> float:
    """The legal bound of a high set point (level 1 or 2) in the channel's unit, unrounded.

    Infinite where the table has none (VOC: the site's own value per substance; oxygen: `weaker`).
    """
    levels = gas.levels
    if levels is None or gas.key == "O2":
        return math.inf
    molar = gas.molar.value if gas.molar is not None else 0.0
    return convert(levels[level - 1].value, gas.native, unit, molar=molar)


def weaker(gas: Gas, level: int, value: float, unit: str) -> bool:
    """Whether a set point is weaker than the bound, so that it needs a signed override.

    For oxygen only the first low stage is bound (19.5 %vol, contracts.md); the enrichment limit
    is not configurable.
    """
    if gas.key == "O2":
        return level == 1 and value < O2_LOW
    return value > upper_bound(gas, level, unit)


def set_points(gas: Gas, unit: str, resolution: float) -> tuple[float, float]:
    """The default level 1 and level 2 of a gas, rounded to the safe side.

    Fault CFG-122 where the table has none, CFG-123 where the resolution rounds one to nothing.
    """
    if gas.levels is None:
        raise Fault(
            "CFG-122",
            f"{gas.key} 无缺省限值 has no default set points",
            "写明 al1 与 al2 write al1 and al2 for the substance",
        )
    if gas.key == "O2":
        return round_up(O2_LOW, resolution), round_up(O2_LOW_2, resolution)
    first, second = (round_down(upper_bound(gas, n, unit), resolution) for n in (1, 2))
    if first <= 0:
        raise Fault(
            "CFG-123",
            f"{gas.key} 分辨率 {resolution:g} {unit} 粗于限值 is coarser than its set point",
            "更换量程或写明 al1 与 al2 use a finer range, or write al1 and al2",
        )
    return first, second


def step_of(point: Point) -> float:
    """The resolution of a gas channel in its own unit: declared, else the usual one of its gas."""
    gas = GASES[point.gas]
    usual = gas.resolution if point.unit in units(gas) else _STEP
    return point.resolution or usual


def effective(
    point: Point, al1: float | None = None, al2: float | None = None
) -> tuple[float, float]:
    """Level 1 and level 2 as the engine compares them, in the point's unit.

    Written values stand for the profile's. Both are rounded to a step of the channel on the safe
    side (down, for oxygen up): what lies between two steps is never shown, so that the next step
    would alarm late. Level 1 is at least one step before level 2, whichever of them was written.
    Faults of `set_points` where a default is needed and cannot be had. An override above the bound
    is taken as it is: whether a signature stands beside it is the configuration's to check.
    """
    gas, step = GASES[point.gas], step_of(point)
    first, second = al1, al2
    if first is None or second is None:
        default = set_points(gas, point.unit, step)
        first = default[0] if first is None else first
        second = default[1] if second is None else second
    if gas.key == "O2":
        second = round_up(second, step)
        return max(round_up(first, step), round(second + step, 9)), second
    second = round_down(second, step)
    return min(round_down(first, step), round(second - step, 9)), second


def limits_for(
    point: Point, *, al1: float | None = None, al2: float | None = None, lift_yellow: bool = False
) -> list[Limit]:
    """The limits of a gas point; `al1`, `al2` (its unit) stand for the profile's where declared.

    On-delay 3 s and off-delay 10 s for level 1, 1 s and 30 s for level 2, which latches and votes
    (domain.md section 4). Set points and faults as `effective` says; `misplaced` tells which of
    them no value can reach.
    """
    gas, step = GASES[point.gas], step_of(point)
    first, second = effective(point, al1, al2)
    yellow = Grade.ORANGE if lift_yellow else Grade.YELLOW
    if gas.key == "O2":
        return _oxygen(point, first, second, yellow)
    usual = LEL_DEADBAND if point.unit == "%LEL" else TOXIC_DEADBAND * first
    # At most half of a low set point, or it would end only below zero; never less than a step.
    deadband = max(min(usual, first / 2), step)
    return [
        _limit(point, ("gas", 1, "high"), first, yellow, deadband, gas.clause),
        _limit(point, ("gas", 2, "high"), second, Grade.ORANGE, deadband, gas.clause),
    ]


def misplaced(point: Point, limits: Sequence[Limit]) -> tuple[Limit, ...]:
    """Limits on the point's own value that it can never reach, or never leave again."""
    return tuple(
        limit
        for limit in limits
        if limit.measure is None
        and limit.point == point.index
        and not (
            point.low < limit.limit <= point.high and limit.limit - limit.deadband >= point.low
            if limit.side == "high"
            else point.low <= limit.limit < point.high
            and limit.limit + limit.deadband <= point.high
        )
    )


def _oxygen(point: Point, first: float, second: float, yellow: Grade) -> list[Limit]:
    levels = GASES["O2"].levels
    assert levels is not None
    low, low_2 = (cell.source for cell in levels)
    step = step_of(point)
    deadband, high = max(O2_DEADBAND, step), round_down(O2_HIGH, step)
    return [
        _limit(point, ("low", 1, "low"), first, yellow, deadband, low),
        _limit(point, ("low", 2, "low"), second, Grade.ORANGE, deadband, low_2),
        _limit(point, ("high", 2, "high"), high, Grade.ORANGE, deadband, _O2_RULE),
    ]


def _limit(
    point: Point, row: tuple[str, int, str], limit: float, grade: Grade, deadband: float,
    clause: str,
) -> Limit:  # fmt: skip
    group, level, side = row
    return Limit(
        point.index, group, level, side, limit, grade, round(deadband, 9),
        _ON[level - 1], _OFF[level - 1], latch=level == 2, votes=level == 2, clause=clause,
    )  # fmt: skip
