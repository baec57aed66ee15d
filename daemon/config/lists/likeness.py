"""Rows that are too like each other: one detector twice, tags that only a close look tells apart,
one gas in two units."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping

from parkwatch.daemon.config.lists.reading import Entry, Reading
from parkwatch.daemon.config.lists.rows import gas_key
from parkwatch.daemon.config.lists.sheet import Found
from parkwatch.daemon.config.names import part_of
from parkwatch.daemon.config.words import both

_SAME = str.maketrans(
    {"O": "0", "I": "1", "L": "1", "|": "1", **dict.fromkeys("‐‑‒–—―−－ー一_", "-")}
)
_SHOWN = 6


def skeleton(tag: str) -> str:
    """What is left of a tag for the eye: O is 0, l and I are 1, dashes are alike, blanks nothing.

    >>> skeleton("h2s-O1O3") == skeleton("H2S－0l03") == skeleton("H2S 0103".replace(" ", "—"))
    True
    """
    plain = unicodedata.normalize("NFKC", tag).upper().translate(_SAME)
    return "".join(plain.split())


def find(reading: Reading, known: Iterable[str]) -> None:
    """Add what is found; `known`: tags that the configuration has already."""
    reading.found += [*_twice(reading), *_alike(reading, known), *_plates(reading)]
    reading.found += _units(reading)


def _cell(reading: Reading, entry: Entry, key: str) -> str:
    return reading.sheet.cell(entry.row, reading.columns[key])


def _twice(reading: Reading) -> Iterator[Found]:
    """One detector in two rows."""
    first: dict[tuple[str, str], Entry] = {}
    tags: dict[str, Entry] = {}
    for entry in reading.entries:
        tag = entry.cells.get("tag", "")
        if not tag:
            continue
        name = part_of(entry.cells.get("id", tag))
        device = entry.cells.get("device", "").lower()
        other = first.setdefault((device, name), entry)
        at = entry.row, reading.columns["tag"]
        if other is not entry:
            told = _cell(reading, other, "tag")
            what = both(f'"{tag}" 与 {told} 重复', f'"{tag}" is in {told} already')
            why = both("一个探测器只能有一行", "a detector has one row")
            fix = both("删去其一或改位号", "delete or rename one")
            yield Found("CFG-219", *at, what, why, fix)
            continue
        same = tags.setdefault(tag, entry)
        if same is not entry:
            told = _cell(reading, same, "tag")
            what = both(f'位号 "{tag}" 也在 {told} (另一设备)', f'"{tag}" is in {told} too')
            why = both("报警短信中两点无法区分", "nobody could tell them apart in a message")
            fix = both("核对铭牌", "look at the plates")
            yield Found("LINT-053", *at, what, why, fix, "warning")


def _alike(reading: Reading, known: Iterable[str]) -> Iterator[Found]:
    """Tags that differ by O and 0, l, I and 1, a blank or a dash."""
    seen: dict[str, tuple[str, str]] = {}
    for tag in known:
        seen.setdefault(skeleton(tag), (tag, both("配置中", "in the configuration")))
    for entry in reading.entries:
        tag = entry.cells.get("tag", "")
        if not tag:
            continue
        cell = _cell(reading, entry, "tag")
        other, where = seen.setdefault(skeleton(tag), (tag, cell))
        if other != tag:
            yield _pair(reading, entry, f'"{tag}" ≈ "{other}" ({where})')


def _plates(reading: Reading) -> Iterator[Found]:
    for entry in reading.entries:
        tag, plate = entry.cells.get("tag", ""), entry.cells.get("plate", "")
        if tag and plate and part_of(tag) != part_of(plate):
            like = skeleton(tag) == skeleton(plate)
            sign = "≈" if like else "≠"
            yield _pair(reading, entry, f'"{tag}" {sign} 铭牌 plate "{plate}"')


def _pair(reading: Reading, entry: Entry, told: str) -> Found:
    what = both(f"位号仅 O/0、l/1、空格或横线之差: {told}", f"all but the same tag: {told}")
    if "≠" in told:
        what = both(f"位号与铭牌不符: {told}", f"the tag is not the plate's: {told}")
    why = both("抄错的位号会把人派到别的探测器", "a slip sends people to another detector")
    fix = both("到现场核对铭牌", "look at the plate on site")
    return Found("LINT-053", entry.row, reading.columns["tag"], what, why, fix, "warning")


def _units(reading: Reading) -> Iterator[Found]:
    """One gas in ppm and mg/m3: allowed where each row says its own."""
    if "gas" not in reading.columns:
        return
    by_gas: dict[str, dict[str, list[Entry]]] = {}
    for entry in reading.entries:
        if "gas" in entry.cells:
            units = by_gas.setdefault(gas_key(entry.cells["gas"]), {})
            units.setdefault(entry.cells.get("unit", ""), []).append(entry)
    for gas, units in by_gas.items():
        if len(units) > 1 and len(set(units) & {"ppm", "mg/m3"}) > 1:
            yield from _mixed(reading, gas, units)


def _mixed(reading: Reading, gas: str, units: Mapping[str, list[Entry]]) -> Iterator[Found]:
    key = "unit" if "unit" in reading.columns else "gas"
    told = "; ".join(
        f"{unit}: {', '.join(_cell(reading, entry, key) for entry in entries[:_SHOWN])}"
        for unit, entries in units.items() if unit
    )  # fmt: skip
    for entry in units.get("", ()):
        what = both(f"{gas} 有两种单位,此行没写 ({told})", f"{gas} has two units, this row none")
        why = both("猜错单位,限值差一倍以上", "a wrong guess: set points off by half or more")
        yield Found("CFG-220", entry.row, reading.columns[key], what, why, "ppm | mg/m3")
    row = min((e.row for unit, entries in units.items() if unit for e in entries), default=0)
    what = both(f"{gas} 有两种单位: {told}", f"{gas} has two units: {told}")
    why = both("换算不同,可能抄错", "one of them may be a slip")
    fix = both("对照控制器显示逐行核对", "compare each with the controller's display")
    yield Found("LINT-054", row, reading.columns[key], what, why, fix, "warning")
