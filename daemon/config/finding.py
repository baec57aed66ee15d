"""One thing that a check found, and what every check may look at."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from parkwatch.daemon.config.model import Config, DeviceTable
from parkwatch.daemon.config.words import both

At = tuple[str | int, ...]
UNSAFE = both("该点因此不投用", "it would not be safe to arm this")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong (`error`) or doubtful (`warning`); `path` leads to it in the file."""

    code: str
    path: At
    message: str
    why: str
    fix: str
    level: str = "error"


@dataclass(frozen=True, slots=True)
class Context:
    """What the checks look at.

    `devices` have their templates filled in, in the order of `config.device`. `names`: the ids
    that each table declares, those of entries included that are wrong themselves: one mistake is
    not reported twice. `doubtful`: full ids of devices of which some point's id is not known.
    `touched`: paths at which what was malformed gave way to something harmless. `now_ns`: against
    which overrides end; `data`: the folder whose site key verifies them.
    """

    config: Config
    devices: tuple[DeviceTable, ...]
    names: Mapping[str, frozenset[str]]
    doubtful: frozenset[str]
    touched: frozenset[At]
    base: Path
    env: Mapping[str, str]
    now_ns: int = 0
    data: Path | None = None

    def declares(self, table: str, name: str) -> bool:
        """Whether the file has this entry in this table."""
        return name in self.names.get(table, frozenset())

    def whole(self, *path: str | int) -> bool:
        """Whether nothing at or below a path had to be repaired: it says what the file says."""
        return not any(each[: len(path)] == path for each in self.touched)


def unknown(context: Context, path: At, name: str, table: str) -> Finding:
    """A reference to what is not declared, with the nearest name that is."""
    return Finding(
        "CFG-117",
        path,
        both(f'"{name}" 不在 {table}', f'there is no {table} "{name}"'),
        both("它指向的东西不存在", "it points at nothing"),
        nearest(name, context.names.get(table, ())) or _declare(table, name),
    )


def missing(path: At, key: str) -> Finding:
    """A key that this entry needs."""
    return Finding(
        "CFG-105", path, both(f'缺少 "{key}"', f'"{key}" is missing'), UNSAFE, add_key(key)
    )


def add_key(key: str) -> str:
    """The cure of a missing key."""
    return both(f"写上 {key} = …", f"add {key} = …")


def nearest(name: str, known: Iterable[str]) -> str:
    """`did you mean …?` with the nearest known name, or empty."""
    near = difflib.get_close_matches(name, list(known), 1)
    return both(f"您是否要写 {near[0]}?", f"did you mean {near[0]}?") if near else ""


def _declare(table: str, name: str) -> str:
    return both(f"声明 [{table}.{name}] 或改名", f"declare [{table}.{name}] or rename")
