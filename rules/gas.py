"""The gas table of profile `gbt50493` (default): set points with unit, source and evidence grade.

Level 1 <= 25 %LEL or <= 100 % OEL, level 2 <= 50 %LEL or <= 200 % OEL (GB/T 50493-2019, evidence
B). Toxic set points are given in mg/m3 and converted with the declared molar mass at 20 degC,
101.325 kPa (24.055 L/mol), always rounded down to the channel's resolution: the bound is "<=".
Evidence: A text of the law read, B two consistent secondary sources, C one, D our own proposal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from parkwatch.rules.grade import Grade
from parkwatch.rules.site import SECOND_NS, Limit, Point

MOLAR_VOLUME_L = 24.055
PROFILE = "gbt50493"


@dataclass(frozen=True, slots=True)
class Gas:
    """A row: `molar` g/mol; `levels` in mg/m3 for toxics (0.0, 0.0 for combustibles, whose set
    points are 25 and 50 %LEL); `high` end of the usual range in `unit`; `clause` and `evidence`.
    """

    key: str
    zh: str
    en: str
    unit: str
    molar: float
    levels: tuple[float, float]
    high: float
    resolution: float
    clause: str
    evidence: str


_LEL = "GB/T 50493-2019 ≤25/50 %LEL"
_OEL = "GB/T 50493-2019 ≤100/200 % OEL"
_TABLE = (
    Gas("CH4", "甲烷", "methane", "%LEL", 16.04, (0, 0), 100, 1, _LEL, "B"),
    Gas("C3H8", "丙烷", "propane", "%LEL", 44.10, (0, 0), 100, 1, _LEL, "B"),
    Gas("H2", "氢气", "hydrogen", "%LEL", 2.016, (0, 0), 100, 1, _LEL, "B"),
    Gas("C2H4", "乙烯", "ethylene", "%LEL", 28.05, (0, 0), 100, 1, _LEL, "B"),
    Gas("CO", "一氧化碳", "CO", "ppm", 28.01, (20, 40), 100, 0.1, _OEL + " TWA 20", "B"),
    Gas("H2S", "硫化氢", "H2S", "ppm", 34.08, (10, 20), 50, 0.1, _OEL + " MAC 10", "B"),
    Gas("NH3", "氨", "ammonia", "ppm", 17.03, (20, 40), 100, 0.1, _OEL + " TWA 20", "B"),
    Gas("CL2", "氯气", "chlorine", "ppm", 70.91, (1, 2), 5, 0.01, _OEL + " MAC 1", "B"),
    Gas("SO2", "二氧化硫", "SO2", "ppm", 64.06, (5, 10), 20, 0.01, _OEL + " TWA 5", "B"),
    Gas("HCN", "氰化氢", "HCN", "ppm", 27.03, (1, 2), 10, 0.01, _OEL + " MAC 1", "B"),
    Gas("C6H6", "苯", "benzene", "ppm", 78.11, (3, 6), 10, 0.01, _OEL + " TWA 3", "C"),
    Gas("COCL2", "光气", "phosgene", "ppm", 98.92, (0.5, 1), 1, 0.01, _OEL + " MAC 0.5", "B"),
    Gas("HF", "氟化氢", "HF", "ppm", 20.01, (2, 4), 10, 0.1, _OEL + " MAC 2", "B"),
    Gas("CO2", "二氧化碳", "CO2", "ppm", 44.01, (9000, 18000), 50_000, 10, _OEL, "B"),
    Gas("O2", "氧气", "oxygen", "%vol", 32.00, (0, 0), 30, 0.1, "GB 30871-2022 19.5 / 23.5", "A"),
)
GASES: dict[str, Gas] = {gas.key: gas for gas in _TABLE}

O2_LOW, O2_LOW_2, O2_HIGH, O2_DEADBAND = 19.5, 18.0, 23.5, 0.2
LEL_LEVELS, LEL_DEADBAND = (25.0, 50.0), 2.0
_ON = (3 * SECOND_NS, SECOND_NS)
_OFF = (10 * SECOND_NS, 30 * SECOND_NS)


def find(name: str) -> Gas | None:
    """The gas of a name as people write it (`h2s`, `Cl2`), or None."""
    return GASES.get(name.upper())


def units(gas: Gas) -> tuple[str, ...]:
    """Units in which a channel of this gas may declare its values."""
    if gas.unit == "ppm":
        return ("ppm", "mg/m3")
    return (gas.unit,)


def round_down(value: float, resolution: float) -> float:
    """The largest step of `resolution` that is not above `value`.

    >>> round_down(7.058, 0.1)
    7.0
    """
    if resolution <= 0:
        return value
    steps = math.floor(value / resolution + 1e-9)
    return round(steps * resolution, 9)


def upper_bound(gas: Gas, level: int, unit: str) -> float:
    """The legal bound of a set point (level 1 or 2) in the channel's unit, unrounded."""
    if gas.unit == "%LEL":
        return LEL_LEVELS[level - 1]
    milligrams = gas.levels[level - 1]
    return milligrams if unit == "mg/m3" else milligrams * MOLAR_VOLUME_L / gas.molar


def set_points(gas: Gas, unit: str, resolution: float) -> tuple[float, float]:
    """The default level 1 and level 2 of a gas with high limits, rounded to the safe side."""
    return (
        round_down(upper_bound(gas, 1, unit), resolution),
        round_down(upper_bound(gas, 2, unit), resolution),
    )


def limits_for(
    point: Point, *, al1: float | None = None, al2: float | None = None, lift_yellow: bool = False
) -> Sequence[Limit]:
    """The limits of a gas point: defaults of the profile where `al1`, `al2` are not declared."""
    gas = GASES[point.gas]
    yellow = Grade.ORANGE if lift_yellow else Grade.YELLOW
    if gas.key == "O2":
        return _oxygen(point, al1 or O2_LOW, al2 or O2_LOW_2, yellow)
    resolution = point.resolution or gas.resolution
    first, second = set_points(gas, point.unit, resolution)
    first, second = al1 or first, al2 or second
    deadband = LEL_DEADBAND if gas.unit == "%LEL" else max(0.1 * first, resolution)
    return [
        Limit(
            point.index, "gas", level, "high", limit, grade, deadband,
            _ON[level - 1], _OFF[level - 1],
            latch=level == 2, votes=level == 2, clause=gas.clause,
        )
        for level, limit, grade in ((1, first, yellow), (2, second, Grade.ORANGE))
    ]  # fmt: skip


def _oxygen(point: Point, first: float, second: float, yellow: Grade) -> Sequence[Limit]:
    clause = GASES["O2"].clause
    rows = (
        ("low", 1, "low", first, yellow, False),
        ("low", 2, "low", second, Grade.ORANGE, True),
        ("high", 2, "high", O2_HIGH, Grade.ORANGE, True),
    )
    return [
        Limit(
            point.index, group, level, side, limit, grade, O2_DEADBAND,
            _ON[level - 1], _OFF[level - 1], latch=latch, votes=latch, clause=clause,
        )
        for group, level, side, limit, grade, latch in rows
    ]  # fmt: skip
