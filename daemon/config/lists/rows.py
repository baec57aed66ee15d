"""One row of a list as the table of a point: words as people write them, numbers, dates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from parkwatch.daemon.config.lists.columns import BY_KEY
from parkwatch.daemon.config.names import plain
from parkwatch.rules import gas as gases

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
_SPAN = re.compile(r"([+-]?[\d.]+)(?:-|~|\.\.|至|到)([+-]?[\d.]+)")
SENSORS = {
    "催化": "catalytic", "催化燃烧": "catalytic", "催化燃烧式": "catalytic", "红外": "ir",
    "红外式": "ir", "电化学": "ec", "电化学式": "ec", "光离子": "pid", "光离子化": "pid",
    "半导体": "semiconductor", "其他": "other",
}  # fmt: skip
YES, NO = ("是", "yes", "y", "true", "1", "√"), ("否", "no", "n", "false", "0", "×")
_WORDS = {"device", "id", "head", "type", "order"}
"""Keys whose values are lower case, whatever a list writes."""
_FLOATS = ("f32", "f64")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: where it begins (1-based), its cells by key, those that are not empty."""

    line: int
    cells: Mapping[str, str]


def number(text: str) -> float | int | str:
    """A number as written; the text where it is none: whoever reads it refuses it.

    >>> number("0.10"), number("40017"), number("25%")
    (0.1, 40017, '25%')
    """
    if not text.isascii() or _NUMBER.fullmatch(text) is None:
        return text
    return int(text) if text.lstrip("+-").isdigit() else float(text)


def span(text: str) -> tuple[str, str] | None:
    """The two ends of a range as one text, None where it is none.

    >>> span("0~100"), span("-20 - 50"), span("100")
    (('0', '100'), ('-20', '50'), None)
    """
    found = _SPAN.fullmatch("".join(plain(text).split()))
    return (found[1], found[2]) if found else None


def gas_key(text: str) -> str:
    """The gas table's key of a gas by its formula, Chinese or English name; the text where it has
    none.

    >>> gas_key("硫化氢"), gas_key("ｈ２ｓ"), gas_key("空气")
    ('H2S', 'H2S', '空气')
    """
    said = plain(text)
    row = gases.find(said)
    if row is not None:
        return row.key
    names = (said, said.removesuffix("气"), f"{said}气")
    return next((gas.key for gas in gases.GASES.values() if gas.zh in names), said)


def flag(text: str) -> bool | str:
    """Yes or no; the text where it is neither."""
    said = plain(text).lower()
    return True if said in YES else False if said in NO else text


def table(row: Row) -> dict[str, Any]:
    """The row as the table of a point; what is malformed stays text, for the model to refuse."""
    made: dict[str, Any] = {}
    for key, text in row.cells.items():
        column = BY_KEY[key]
        if column.carried or key in ("device", "decimals", "low", "high", "range"):
            continue
        match column.kind:
            case "number" | "whole" | "address":
                made[key] = number(text)
            case "flag":
                made[key] = flag(text)
            case _:
                made[key] = _word(key, text)
    ends = _range(row.cells)
    if ends is not None:
        made["range"] = ends
    return _decimals(made, row.cells.get("decimals", ""))


def _word(key: str, text: str) -> str:
    if key == "gas":
        return gas_key(text)
    if key == "sensor":
        return SENSORS.get(plain(text), plain(text).lower())
    return plain(text).lower() if key in _WORDS else text


def _range(cells: Mapping[str, str]) -> Any:
    """Both ends as one value; half a range is one that the model refuses."""
    if "range" in cells:
        ends = span(cells["range"])
        return [number(end) for end in ends] if ends else cells["range"]
    found = [number(cells[key]) for key in ("low", "high") if key in cells]
    if found and "high" in cells and len(found) == 1:
        return [0, *found]
    return found or None


def _decimals(made: dict[str, Any], text: str) -> dict[str, Any]:
    """Decimals of the display: how a whole number is scaled, and one step of its values."""
    if not text:
        return made
    places = number(text)
    if not isinstance(places, int) or not 0 <= places <= 6:
        return {**made, "scale": text}
    step = round(10.0**-places, places)
    scaled = {} if made.get("type") in _FLOATS else {"scale": step}
    return {**scaled, "resolution": step, **made}
