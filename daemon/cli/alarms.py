"""`alarms`: the running daemon, asked through its live socket."""

from __future__ import annotations

import argparse
import getpass
import uuid
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from parkwatch.daemon.cli import output
from parkwatch.daemon.pipeline.link import LinkFault, call_once

LOCAL = ZoneInfo("Asia/Shanghai")
DEADLINE_S = 10.0


def ask(options: argparse.Namespace, op: str, **fields: Any) -> Any:
    """The answer of the daemon; LinkFault where it refuses, is not there or stays silent."""
    try:
        return call_once(options.data / "run" / "live.sock", op, deadline_s=DEADLINE_S, **fields)
    except LinkFault as fault:
        if not isinstance(fault.__cause__, TimeoutError):
            raise
        raise LinkFault(
            "SYS-103",
            f"守护进程 {DEADLINE_S:g} s 未应答 the daemon did not answer within {DEADLINE_S:g} s",
            "稍后重试,并查看其日志 retry, and see its log",
        ) from fault


def when(nanoseconds: str) -> str:
    """Day and time on the park's clock."""
    seconds = int(nanoseconds) / 1e9
    return datetime.fromtimestamp(seconds, UTC).astimezone(LOCAL).strftime("%m-%d %H:%M:%S")


def _clock(nanoseconds: int) -> str:
    """A time within a cause; one that no clock shows stays a number."""
    try:
        return when(str(nanoseconds))
    except (ValueError, OverflowError, OSError):
        return str(nanoseconds)


def list_alarms(options: argparse.Namespace) -> int:
    """All alarms that are not normal, most urgent first."""
    data = ask(options, "alarms")
    if options.json:
        output.document(ok=True, data=data)
        return 0
    order = list(output.SHAPES)
    rows = []
    for item in sorted(data["items"], key=lambda i: (order.index(i["grade"]), i["raised"])):
        value = "--" if item["value"] is None else f"{item['value']:g}"
        limit = "" if item["limit"] is None else f"/{item['limit']:g}"
        rows.append(
            (
                output.SHAPES[item["grade"]], output.STATES[item["state"]], when(item["raised"]),
                item["tag"], f"{value}{limit} {item['unit']}", item["id"], item["occurrence"],
                str(item["version"]),
            )
        )  # fmt: skip
    head = ("等级", "状态", "时间", "位号", "现值/限值", "报警 id", "occurrence", "version")
    output.table(head, rows)
    return 0


def bump(options: argparse.Namespace) -> int:
    """Record a portable reading or zero check beside a detector; a catalytic sensor that went over
    range counts again."""
    at = options.at or datetime.now(LOCAL).isoformat("T", "seconds")
    data = ask(
        options, "command", action="check", alarm=f"{options.id}:fault", occurrence="0", version=0,
        command=options.command_id or str(uuid.uuid4()), person=f"cli:{getpass.getuser()}",
        role="technician", source="cli", reason=options.reason, value=options.value,
        instrument=options.instrument, at=at,
    )  # fmt: skip
    if options.json:
        output.document(ok=True, data=data)
    else:
        print(f"✓ {options.id}  {options.value:g}  {options.instrument}")
    return 0


def why(options: argparse.Namespace) -> int:
    """Which sample, limit and timer raised it: one line, then every input."""
    from parkwatch.rules.alarms import why as words  # noqa: PLC0415 - the others need no words

    item = _alarm(options)
    langs = ("zh", "en")
    told = {"alarm": item["id"], "clock": _clock}
    line = {lang: words.line(item["cause"], lang, **told) for lang in langs}
    zh, en = (words.table(item["cause"], lang, **told) for lang in langs)
    rows = list(zip(zh, en, strict=True))
    if options.json:
        inputs = [
            {"key": a.key, "label": {"zh": a.label, "en": b.label},
             "value": {"zh": a.text, "en": b.text}}
            for a, b in rows
        ]  # fmt: skip
        shown = ("id", "occurrence", "version", "grade", "state", "cause")
        data = {"line": line, "inputs": inputs, **{key: item[key] for key in shown}}
        output.document(ok=True, data=data)
        return 0
    print(f"{output.SHAPES[item['grade']]} {output.STATES[item['state']]}  {item['id']}")
    print(f"{line['zh']}\n{line['en']}\n")
    output.table(
        ("输入 input", "中文", "English"),
        [(f"{a.label} {b.label}", a.text, b.text) for a, b in rows],
    )
    return 0


def _alarm(options: argparse.Namespace) -> dict[str, Any]:
    """The alarm that the command names."""
    for item in ask(options, "alarms")["items"]:
        if item["id"] == options.id:
            return dict(item)
    what = f"没有此报警 no such alarm: {options.id}"
    raise LinkFault("ALM-404", what, "parkwatch alarms list", status=404)
