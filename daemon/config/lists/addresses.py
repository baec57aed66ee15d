"""Register addresses of a list: as the maker prints them (40017), or counted from 0 (16, 0x10).

One column with both is what two makers' tables pasted into one look like: every value would land
one detector away, and nothing in the numbers says which.
"""

from __future__ import annotations

from collections.abc import Sequence

from parkwatch.daemon.config.lists.reading import Entry, Reading
from parkwatch.daemon.config.lists.sheet import Found
from parkwatch.daemon.config.words import both

PRINTED, ZERO = "printed", "zero-based"
LEAST_PRINTED = 10_001
_FIVE_DIGITS = 9_999
_SHOWN = 6


def settle(reading: Reading, how: str) -> None:
    """Every address as the maker prints it, in the entries; an error where that takes a guess.

    `how` says what a short number means: `printed`: it is counted from 1, `zero-based`: from 0;
    a number of five or six digits is what it is.
    """
    short = [entry for entry in reading.entries if _is_short(entry)]
    if not how and short:
        reading.found.append(_unsettled(reading, short))
    elif how:
        for entry in short:
            entry.cells["reg"] = _printed(entry, how)


def _is_short(entry: Entry) -> bool:
    """Whether an address may be counted from 0 or 1: a coil is printed as a short number too."""
    text = entry.cells.get("reg", "")
    if not text or entry.cells.get("type") == "bit" or entry.cells.get("kind") == "state":
        return text.startswith("0x")
    return int(text, 0 if text.startswith("0x") else 10) < LEAST_PRINTED


def _printed(entry: Entry, how: str) -> str:
    text = entry.cells["reg"]
    number = int(text, 16 if text.startswith("0x") else 10) + (how == ZERO)
    if entry.cells.get("type") == "bit" or entry.cells.get("kind") == "state":
        return str(number)
    return str((40_000 if number <= _FIVE_DIGITS else 400_000) + number)


def _unsettled(reading: Reading, short: Sequence[Entry]) -> Found:
    full = [entry for entry in reading.entries if entry.cells.get("reg") and entry not in short]
    told = ", ".join(
        f"{entry.cells['reg']} ({reading.sheet.cell(entry.row, reading.columns['reg'])})"
        for entry in [*full[:1], *short[:_SHOWN]]
    )
    if full:
        what = both(f"地址有两种写法: {told}", f"addresses are written in two ways: {told}")
    else:
        what = both(f"不知从 0 还是从 1 数起: {told}", f"counted from 0 or from 1? {told}")
    why = both("差一个地址,每个值都落到相邻探测器", "one off, every value is its neighbour's")
    fix = both("查点表后写 --addresses printed (从 1 数) 或 zero-based (从 0 数)",
               "see the maker's table: --addresses printed (from 1) or zero-based")  # fmt: skip
    at = short[0].row, reading.columns["reg"]
    return Found("CFG-217", *at, what, why, fix, whole=True)
