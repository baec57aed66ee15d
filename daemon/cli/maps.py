"""`templates list | show`: the device maps that ship, every register with where it is printed."""

from __future__ import annotations

import argparse
from typing import Any

from parkwatch.daemon.cli import output
from parkwatch.daemon.config.finding import nearest
from parkwatch.daemon.config.template import MAPS, PLAIN, shipped
from parkwatch.daemon.config.words import both, spoken
from parkwatch.drivers.devicemap import DeviceMap, Entry, StatusEntry, ValueEntry, load
from parkwatch.rules.fault import Fault


def list_all(options: argparse.Namespace) -> int:
    """Every template: the device maps, then the plain ones that name registers point by point."""
    rows = [_row(load(name)) for name in MAPS]
    plain = [{"id": name, "kind": shipped(name).kind, "wire": shipped(name).wire} for name in PLAIN]
    if options.json:
        output.document(ok=True, data={"maps": rows, "plain": plain})
        return 0
    output.table(
        ("id", "设备 device", "厂家 maker", "版本 edition", "通道 ch", "状态", "心跳", "设置"),
        [
            (
                row["id"], row["device"], row["maker"], row["edition"], str(row["channels"]),
                *("✓" if row[key] else "-" for key in ("status", "heartbeat", "identity")),
            )
            for row in rows
        ],
    )  # fmt: skip
    print("\n" + spoken(both("无点表的模板,逐点写 reg:", "without a map, `reg` point by point:")))
    output.table(("id", "kind", "wire"), [tuple(row.values()) for row in plain])
    return 0


def show(options: argparse.Namespace) -> int:
    """One map whole. Fault CFG-150 for an unknown one."""
    if options.id in PLAIN:
        what = both(
            f"{options.id} 没有点表,点位自己写 reg", f"{options.id} has no map of registers"
        )
        raise Fault("CFG-150", what, both("点表模板", "those with a map: parkwatch templates list"))
    if options.id not in MAPS:
        what = both(f'没有点表 "{options.id}"', f'there is no device map "{options.id}"')
        raise Fault("CFG-150", what, nearest(options.id, MAPS) or "parkwatch templates list")
    found = load(options.id)
    if options.json:
        data = found.model_dump(by_alias=True, exclude_defaults=True)
        data["registers"] = [dict(zip(KEYS, row, strict=True)) for row in rows(found)]
        output.document(ok=True, data=data)
        return 0
    for name, text in facts(found):
        print(f"{name}: {text}")
    print()
    one = found.source
    table = [(*row[:-1], "↑" if row[-1] == one else row[-1]) for row in rows(found)]
    output.table(HEAD, table)
    return 0


HEAD = ("条目 entry", "编号 at", "fc", "线上 wire", "类型 type", "含义 meaning", "来源 source")

KEYS = ("entry", "at", "function", "address", "type", "meaning", "source")


def facts(found: DeviceMap) -> list[tuple[str, str]]:
    """What a map says of its device as a whole, label and text."""
    limits = (
        f"{found.block_words_max} 字/次 words a read, {found.pause_ms} ms 间隔 between requests"
    )
    told = [
        ("设备 device", f"{found.maker} {found.device}"),
        ("版本 edition", f"{found.edition}; map {found.version}, schema {found.schema_}"),
        ("来源 source", f"{found.source} ({found.verified})"),
        ("编号 addresses", f"{found.base}; order {found.order}; {found.channels} 通道 channels"),
        ("连接 link", f"{', '.join(found.transports)}; {limits}"),
        ("无状态 no status", found.unguarded),
        *(("注意 note", note) for note in found.notes),
        *(("禁写 never written", f"{each.at}: {each.why}") for each in found.blocked),
    ]
    return [(label, text) for label, text in told if text]


def rows(found: DeviceMap) -> list[tuple[str, ...]]:
    """Every register of a map as HEAD names it."""
    made: list[tuple[str, ...]] = []
    for name, entry in found.entries():
        place = found.place(entry)
        step = f" +{entry.stride}(n-1)" if entry.stride else ""
        kind = place.type if place.words == 1 else f"{place.type} {place.order}"
        bits = f" & {place.mask:#06x}" if place.mask else ""
        made.append(
            (
                name, f"{entry.at}{step}", str(place.function), str(place.address), kind + bits,
                meaning(entry), entry.source or found.source,
            )
        )  # fmt: skip
    return made


def meaning(entry: Entry) -> str:
    """What an entry says, in one line."""
    said: list[str] = []
    if isinstance(entry, ValueEntry):
        said += [_scaling(entry)] if _scaling(entry) else []
        said += [
            f"{key} ← {name}" for key in ("times", "decimals") if (name := getattr(entry, key))
        ]
        said += [f"须写 write {key}" for key in entry.ask]
    if isinstance(entry, StatusEntry):
        said += [f"bit {bit} {text}" for bit, text in entry.bits.items()]
        said += [f"{span} {text}" for span, text in entry.values.items()]
    period = getattr(entry, "period_s", None)
    said += [f"每 every {period:g} s"] if period else []
    compare = getattr(entry, "compare", "first")
    said += [f"= {compare}"] if compare != "first" else []
    return "; ".join([*said, entry.what] if entry.what else said)


def _scaling(entry: ValueEntry) -> str:
    offset = f" {entry.offset:+g}" if entry.offset else ""
    scale = f"x {entry.scale:g}" if entry.scale != 1 or offset else ""
    return f"{scale}{offset} {entry.unit}".strip()


def _row(found: DeviceMap) -> dict[str, Any]:
    return {
        "id": found.id,
        "device": found.device,
        "maker": found.maker,
        "edition": found.edition,
        "version": found.version,
        "verified": found.verified,
        "channels": found.channels,
        "status": bool(found.status),
        "heartbeat": found.heartbeat is not None,
        "identity": bool(found.identity),
    }
