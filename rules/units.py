"""Concentration units: ppm, mg/m3, %vol, %LEL, with the molar mass and the LEL that are declared.

Molar volume 24.055 L/mol: 20 degC and 101.325 kPa, the convention of Chinese hygiene limits. At
25 degC it is 24.465 (NIOSH, ACGIH), 1.7 % apart; 20 degC is the stricter one for a limit in mg/m3.
"""

from __future__ import annotations

import math

MOLAR_VOLUME_L = 24.055
PPM_PER_PERCENT = 10_000.0
_SLACK = 1e-9  # 0.3 / 0.1 is 2.9999999999999996 and means 3 steps.
UNITS = ("ppm", "mg/m3", "%vol", "%LEL")


def convert(
    value: float, source: str, target: str, *, molar: float = 0.0, lel: float = 0.0
) -> float:
    """`value` from one unit of `UNITS` in another.

    `molar` in g/mol is needed from and to mg/m3, `lel` in %vol (of the gas that the channel is
    calibrated with, never a general constant) from and to %LEL; where it is not declared that is
    a ValueError: a wrong unit makes a set point meaningless.

    >>> round(convert(10.0, "mg/m3", "ppm", molar=34.08), 3)
    7.058
    """
    if source == target:
        return value
    return value * _ppm(source, molar, lel) / _ppm(target, molar, lel)


def _ppm(unit: str, molar: float, lel: float) -> float:
    """How many ppm one of `unit` is."""
    if unit == "ppm":
        return 1.0
    if unit == "%vol":
        return PPM_PER_PERCENT
    if unit == "mg/m3" and molar > 0:
        return MOLAR_VOLUME_L / molar
    if unit == "%LEL" and lel > 0:
        return lel / 100.0 * PPM_PER_PERCENT
    raise ValueError(f"{unit} needs a molar mass or an LEL, or is no unit of concentration")


def round_down(value: float, resolution: float) -> float:
    """The largest step of `resolution` that is not above `value`; the value where it is 0.

    >>> round_down(7.058, 0.1)
    7.0
    """
    if resolution <= 0:
        return value
    return round(math.floor(value / resolution + _SLACK) * resolution, 9)


def round_up(value: float, resolution: float) -> float:
    """The smallest step of `resolution` that is not below `value`; the value where it is 0.

    >>> round_up(19.5, 1.0)
    20.0
    """
    if resolution <= 0:
        return value
    return round(math.ceil(value / resolution - _SLACK) * resolution, 9)
