"""The engine's state as bytes: a JSON head, then columns; rows by name, which outlives indices.

Rows that are at rest are left out. The names of all rows are kept beside, packed once: a snapshot
is read by an engine of another configuration too, row by row where the name is the same.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parkwatch.rules.evaluate.compile import GATED, NEVER, YIELDED, Table
from parkwatch.rules.measures.windows import Windows
from parkwatch.rules.site import Site
from parkwatch.rules.transition import Transition

MAGIC = b"parkwatch-engine-5\n"
_LEVELS = frozenset({"raise", "reraise", "rise", "fall", "return", "close"})
_COLUMNS = ("holds", "live", "since", "left", "off")


class Keys:
    """The names of the rows of a table, as text and packed."""

    def __init__(self, table: Table, site: Site) -> None:
        ids = [point.id for point in site.points]
        self.names_of = {
            channel: _measure(table, channel, ids)
            for channel in range(table.points, table.channels)
        }
        self.names: list[str] = []
        seen: dict[str, int] = {}
        for row, limit in enumerate(table.limits):
            owner = limit.alarm or f"{ids[limit.point]}:{limit.group}"
            name = f"{owner}:{limit.level}:{limit.side}:{limit.kind}:{int(limit.shadow)}"
            channel = int(table.channel[row])
            if channel >= table.points:
                name += f":{self.names_of[channel]}"
            again = seen[name] = seen.get(name, 0) + 1
            self.names.append(name if again == 1 else f"{name}#{again}")
        self.packed = zlib.compress("\n".join(self.names).encode(), 1)


def _measure(table: Table, channel: int, ids: Sequence[str]) -> str:
    """A measure by the names of its points."""
    measure = table.measures[channel - table.points]
    own = {k: getattr(measure, k) for k in measure.__slots__}
    if "program" in own:
        own["program"] = own["program"].text
    for name in ("points", "peers"):
        if name in own:
            own[name] = [ids[p] for p in own[name]]
    if "point" in own:
        own["point"] = ids[own["point"]]
    return json.dumps([type(measure).__name__, own], ensure_ascii=False, sort_keys=True)


def pack(
    keys: Keys, table: Table, windows: Sequence[Windows], now: int, rest: Mapping[str, Any]
) -> bytes:
    """The state as bytes. A running delay is kept as what is left of it."""
    at_rest = ~(table.holds | table.live) & (table.due == NEVER) & (table.left == NEVER)
    rows = np.flatnonzero(~at_rest | (table.off != 0)).astype(np.int32)
    due, left = table.due[rows], table.left[rows]
    columns: dict[str, NDArray[Any]] = {
        "rows": rows,
        "holds": table.holds[rows],
        "live": table.live[rows],
        "since": table.since[rows],
        "left": np.where(due != NEVER, np.maximum(due - now, 0), left),
        "off": table.off[rows],
    }
    names = []
    for i, some in enumerate(windows):
        names.append([keys.names_of[channel] for channel in some.channels])
        columns |= {f"window-{i}-{name}": column for name, column in some.snapshot(now).items()}
    head = {
        "now": now,
        "rest": rest,
        "windows": names,
        "columns": [[name, c.dtype.str, list(c.shape)] for name, c in columns.items()],
        "keys": len(keys.packed),
    }
    text = json.dumps(head, ensure_ascii=False).encode()
    parts = (MAGIC, len(text).to_bytes(8, "little"), text, keys.packed)
    return b"".join([*parts, *(np.ascontiguousarray(c).tobytes() for c in columns.values())])


def readable(snapshot: bytes) -> bool:
    """Whether this version wrote it; else the whole journal is folded."""
    return snapshot.startswith(MAGIC)


def unpack(
    snapshot: bytes, keys: Keys, table: Table, windows: Sequence[Windows], now: int
) -> dict[str, Any]:
    """Set rows and windows as they were; what else was kept. Delays stay paused until the channel
    is seen again."""
    assert readable(snapshot)
    begin = len(MAGIC) + 8
    size = int.from_bytes(snapshot[len(MAGIC) : begin], "little")
    head = json.loads(snapshot[begin : begin + size])
    packed = snapshot[begin + size : begin + size + head["keys"]]
    columns = dict(_columns(snapshot, begin + size + head["keys"], head["columns"]))
    _rows(keys, table, packed, columns)
    _windows(keys, windows, head["windows"], columns, now)
    rest: dict[str, Any] = head["rest"]
    return rest


def _columns(
    snapshot: bytes, at: int, described: Sequence[Any]
) -> Iterator[tuple[str, NDArray[Any]]]:
    for name, dtype, shape in described:
        count = int(np.prod(shape))
        column = np.frombuffer(snapshot, dtype=np.dtype(dtype), count=count, offset=at)
        yield name, column.reshape(shape)
        at += column.nbytes


def _rows(keys: Keys, table: Table, packed: bytes, columns: Mapping[str, NDArray[Any]]) -> None:
    there = np.arange(len(columns["rows"]))
    here = columns["rows"]
    if packed != keys.packed:
        names = zlib.decompress(packed).decode().split("\n")
        index = {name: row for row, name in enumerate(keys.names)}
        found = [(index.get(names[row], -1), i) for i, row in enumerate(here.tolist())]
        # A limit that is gone from the configuration: its alarm is in the book.
        kept = [(row, i) for row, i in found if row >= 0]
        here = np.array([row for row, _ in kept], dtype=np.int64)
        there = np.array([i for _, i in kept], dtype=np.int64)
    for name in _COLUMNS:
        getattr(table, name)[here] = columns[name][there]
    # Nothing would ever switch on what has no enable expression, or yields to nothing, any more.
    switched = np.zeros_like(table.off)
    for why, groups in ((GATED, table.gates), (YIELDED, table.yielding)):
        for rows in groups.values():
            switched[rows] |= why
    table.off &= switched


def _windows(
    keys: Keys,
    windows: Sequence[Windows],
    names: Sequence[Sequence[str]],
    columns: Mapping[str, NDArray[Any]],
    now: int,
) -> None:
    for i, saved in enumerate(names):
        for some in windows:
            place = {keys.names_of[channel]: w for w, channel in enumerate(some.channels)}
            both = [(place[name], w) for w, name in enumerate(saved) if name in place]
            if both:
                prefix = f"window-{i}-"
                own = {
                    name.removeprefix(prefix): column
                    for name, column in columns.items()
                    if name.startswith(prefix)
                }
                some.restore(own, [h for h, _ in both], [t for _, t in both], now)


def fold_rows(table: Table, rows: Sequence[int], transition: Transition) -> None:
    """What a journaled transition of a point's alarm says about its rows.

    Rows whose level it does not change keep what the snapshot said, a paused delay included.
    """
    if transition.event not in _LEVELS:
        return
    level = int(transition.cause.get("level", 0))
    for row in rows:
        live = table.limits[row].level <= level
        if live != bool(table.live[row]):
            table.live[row] = table.holds[row] = live
            table.left[row] = NEVER
            table.since[row] = transition.occurrence
