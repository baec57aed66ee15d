"""Set-point profiles as data: every cell with value, unit, source and evidence grade.

`gbt50493` (default, from gas.py), `gbzt223` (half and whole MAC or PC-STEL) and `confined_space`
(GB 30871-2022). One channel has one profile: H2S is 10 and 20 mg/m3 in the first, 5 and 10 in the
second. A cell that was only recalled (evidence R) is shown and never an active default.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from parkwatch.rules import gas as gases
from parkwatch.rules.fault import Fault
from parkwatch.rules.gas import GASES, O2_HIGH, PROFILE, Cell, Gas, limits_for, step_of
from parkwatch.rules.grade import Grade
from parkwatch.rules.site import Limit, Point
from parkwatch.rules.units import MOLAR_VOLUME_L, convert, round_down, round_up

GBT50493, GBZT223, CONFINED = PROFILE, "gbzt223", "confined_space"
LINE_UNIT = "LEL.m"
LEL_SPLIT = 4.0
"""%vol; from here on GB 30871-2022 5.3.2 allows 0.5 instead of 0.2 %vol."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One cell: `value` in `unit`, `source` with standard and clause, `evidence` A, B, C, D, R."""

    value: float
    unit: str
    source: str
    evidence: str

    @property
    def active(self) -> bool:
        """Whether it may be a default; what was only recalled may not."""
        return self.evidence != "R"


@dataclass(frozen=True, slots=True)
class Row:
    """The set points of one gas: level 1 and 2; for oxygen the low ones and both `high` ones.

    `high` is the first enrichment stage (None: there is none), `high_2` the last.
    """

    al1: Setting
    al2: Setting
    high: Setting | None = None
    high_2: Setting | None = None

    @property
    def cells(self) -> tuple[Setting, ...]:
        found = (self.al1, self.al2, self.high, self.high_2)
        return tuple(cell for cell in found if cell is not None)


_O2_64 = "GB 30871-2022 6.4"
_ENRICHED = Setting(O2_HIGH, "%vol", f"{_O2_64} 富氧环境不大于 23.5 enriched", "A")
_FUEL = "GB 30871-2022 5.3.2"
_UPPER = Setting(25.0, "%LEL", "ParkWatch (D): 25 %LEL, level 1 of GB/T 50493-2019", "D")
_RECALLED = "GB/T 50493-2019 线型 open path, recalled"
LINE = Row(Setting(1.0, LINE_UNIT, _RECALLED, "R"), Setting(2.0, LINE_UNIT, _RECALLED, "R"))
"""Open-path detectors: recalled and not verified, so that both values must be written."""
COMBUSTIBLE = (
    Row(Setting(0.5, "%vol", f"{_FUEL} 爆炸下限≥4 %: ≤0.5 %vol", "A"), _UPPER),
    Row(Setting(0.2, "%vol", f"{_FUEL} 爆炸下限<4 %: ≤0.2 %vol", "A"), _UPPER),
)
"""Confined spaces: where the LEL is at least 4 %vol, and where it is below."""


def _setting(cell: Cell, unit: str) -> Setting:
    return Setting(cell.value, unit, cell.source, cell.evidence)


def _gbt50493(gas: Gas) -> Row | None:
    if gas.al1 is None or gas.al2 is None:
        return None
    row = Row(_setting(gas.al1, gas.native), _setting(gas.al2, gas.native))
    return dataclasses.replace(row, high_2=_ENRICHED) if gas.key == "O2" else row


def _gbzt223(gas: Gas) -> Row | None:
    """The scheme is for toxic gases; a combustible gas and oxygen keep GB/T 50493's cells."""
    if gas.native != "mg/m3":
        return _gbt50493(gas)
    base, name = (gas.mac, "MAC") if gas.mac is not None else (gas.stel, "PC-STEL")
    if base is None:
        return None
    source = f"{base.source} {name} {base.value:g} mg/m3"
    return Row(
        Setting(base.value / 2, "mg/m3", f"GBZ/T 223-2009 预报 1/2; {source}", base.evidence),
        Setting(base.value, "mg/m3", f"GBZ/T 223-2009 警报 1/1; {source}", base.evidence),
    )


def _confined(gas: Gas) -> Row | None:
    """Toxic: within GBZ 2.1, its OEL. Combustible: `COMBUSTIBLE`, by the declared LEL."""
    row = _gbt50493(gas)
    if row is None:
        return None
    if gas.native == "mg/m3":
        source = f"{_O2_64} 符合 GBZ 2.1; {row.al1.source}"
        return dataclasses.replace(row, al1=dataclasses.replace(row.al1, source=source))
    if gas.key == "O2":
        low = Setting(gases.O2_LOW, "%vol", f"{_O2_64} 19.5-21 %vol", "A")
        high = Setting(21.0, "%vol", f"{_O2_64} 19.5-21 %vol", "A")
        return Row(low, row.al2, high, _ENRICHED)
    return None


def _table(build: Callable[[Gas], Row | None]) -> Mapping[str, Row]:
    rows = ((gas.key, build(gas)) for gas in GASES.values())
    return MappingProxyType({key: row for key, row in rows if row is not None})


PROFILES: Mapping[str, Mapping[str, Row]] = MappingProxyType(
    {GBT50493: _table(_gbt50493), GBZT223: _table(_gbzt223), CONFINED: _table(_confined)}
)


def row_of(profile: str, gas: Gas, *, lel: float = 0.0, unit: str = "") -> Row:
    """The active row of a gas; `lel` in %vol as the channel declares it, never a table's.

    Fault CFG-127 for an unknown profile, CFG-128 where the LEL is needed and not declared, CFG-122
    where there is no set point or only a recalled one.
    """
    if profile not in PROFILES:
        raise Fault(
            "CFG-127",
            f"未知的限值方案 unknown profile {profile}",
            f"写成其一 write one of {', '.join(PROFILES)}",
        )
    row = LINE if unit == LINE_UNIT else PROFILES[profile].get(gas.key)
    if row is None and profile == CONFINED and gas.native == "%LEL":
        if lel <= 0:
            raise _no_lel(gas)
        row = COMBUSTIBLE[0 if lel >= LEL_SPLIT else 1]
    if row is None or not all(cell.active for cell in row.cells):
        raise Fault(
            "CFG-122",
            f"{gas.key} {unit} 在 {profile} 中无可用缺省限值 no default set points in force",
            "写明 al1 与 al2 write al1 and al2",
        )
    return row


def set_points(
    profile: str, gas: Gas, unit: str, resolution: float, *,
    lel: float = 0.0, molar_volume: float = MOLAR_VOLUME_L,
) -> tuple[float, float]:  # fmt: skip
    """Level 1 and level 2 in `unit`, rounded to the safe side (down, for oxygen up).

    `lel` in %vol, of the gas that the channel is calibrated with; `molar_volume` in L/mol at the
    temperature declared for the conversion. Faults of `row_of`, CFG-104 for a unit that is none,
    CFG-123 where the resolution leaves nothing of level 1 or of the step between both.

    >>> set_points("gbzt223", GASES["H2S"], "ppm", 0.1)
    (3.5, 7.0)
    """
    row = row_of(profile, gas, lel=lel, unit=unit)
    if gas.key == "O2":
        return round_up(row.al1.value, resolution), round_up(row.al2.value, resolution)
    first, second = (
        round_down(_in_unit(cell, gas, unit, lel, molar_volume), resolution)
        for cell in (row.al1, row.al2)
    )
    if not 0 < first < second:
        raise Fault(
            "CFG-123",
            f"{gas.key} 分辨率 {resolution:g} {unit} 粗于限值 is coarser than its set points",
            "更换量程或写明 al1 与 al2 use a finer range, or write al1 and al2",
        )
    return first, second


def weaker(
    profile: str, gas: Gas, level: int, value: float, unit: str, *, lel: float = 0.0
) -> bool:  # fmt: skip
    """Whether a written set point is weaker than the profile's bound: it needs a signed override.

    Oxygen: only the first low stage is bound. A profile without a row for the gas binds nothing.
    """
    try:
        row = row_of(profile, gas, lel=lel, unit=unit)
    except Fault as fault:
        if fault.code != "CFG-122":
            raise
        return False
    if gas.key == "O2":
        return level == 1 and value < row.al1.value
    cell = row.al1 if level == 1 else row.al2
    return value > _in_unit(cell, gas, unit, lel, MOLAR_VOLUME_L)


def limits(
    profile: str, point: Point, *, al1: float | None = None, al2: float | None = None,
    lel: float = 0.0, enriched: bool = False,
) -> list[Limit]:  # fmt: skip
    """The limits of a gas point under a profile; `al1`, `al2` in its unit stand for the cells.

    `enriched`: an oxygen-enriched setting, where only 23.5 %vol bounds it from above. Each limit
    names its own cell, or that it was written. Faults of `set_points` where a default is needed.
    """
    gas = GASES[point.gas]
    if point.unit not in (*gases.units(gas), "%vol", LINE_UNIT):
        raise _no_unit(gas, point.unit)
    first, second = al1, al2
    if first is None or second is None:
        default = set_points(profile, gas, point.unit, step_of(point), lel=lel)
        first = default[0] if first is None else first
        second = default[1] if second is None else second
    found = limits_for(point, al1=first, al2=second)
    try:
        row = row_of(profile, gas, lel=lel, unit=point.unit)
    except Fault:  # Everything was written, and the profile has nothing to say about this gas.
        return [dataclasses.replace(limit, clause=_written("")) for limit in found]
    if row.high is not None and not enriched:
        found.append(_first_enrichment(point, row.high, found[-1]))
    return [_sourced(limit, row, (al1, al2)) for limit in found]


def _first_enrichment(point: Point, cell: Setting, last: Limit) -> Limit:
    """Yellow at the end of the normal range, with level 1's delays, below the last stage.

    One step of deadband: air is 20.9 %vol and must end it.
    """
    first, step = limits_for(point)[0], step_of(point)
    return dataclasses.replace(
        first, group=last.group, side=last.side, grade=Grade.YELLOW,
        limit=round_down(cell.value, step), deadband=step,
    )  # fmt: skip


def _sourced(limit: Limit, row: Row, written: tuple[float | None, float | None]) -> Limit:
    if limit.group == "high":
        cell = row.high if limit.level == 1 else row.high_2
        assert cell is not None
        return dataclasses.replace(limit, clause=cell.source)
    cell = row.al1 if limit.level == 1 else row.al2
    if written[limit.level - 1] is None:
        return dataclasses.replace(limit, clause=cell.source)
    return dataclasses.replace(limit, clause=_written(cell.source))


def _written(bound: str) -> str:
    return f"现场设定 site value; {bound}" if bound else "现场设定 site value"


def _in_unit(cell: Setting, gas: Gas, unit: str, lel: float, molar_volume: float) -> float:
    """A cell in another unit; the molar volume matters where mass meets volume."""
    if cell.unit == unit:
        return cell.value
    if "%LEL" in {cell.unit, unit} and lel <= 0:
        raise _no_lel(gas)
    molar = gas.molar.value if gas.molar is not None else 0.0
    # convert() counts with 24.055 L/mol; 1 mg/m3 is molar_volume / molar ppm.
    scaled = molar * MOLAR_VOLUME_L / molar_volume
    try:
        return convert(cell.value, cell.unit, unit, molar=scaled, lel=lel)
    except ValueError:
        raise _no_unit(gas, unit) from None


def _no_lel(gas: Gas) -> Fault:
    return Fault(
        "CFG-128",
        f"{gas.key} 未声明爆炸下限 the LEL of the calibration gas is not declared",
        "写明 lel (%vol) write lel in %vol",
    )


def _no_unit(gas: Gas, unit: str) -> Fault:
    return Fault(
        "CFG-104",
        f'"{unit}" 不是 {gas.key} 的单位 is no unit of this gas',
        f"用 use {' | '.join(gases.units(gas))}",
    )
