"""`alarms`, `points`, `status`: the running daemon, asked through its live socket."""

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


def _ask(options: argparse.Namespace, op: str, **fields: Any) -> Any:
    return call_once(options.data / "run" / "live.sock", op, **fields)


def _when(nanoseconds: str) -> str:
    seconds = int(nanoseconds) / 1e9
    return datetime.fromtimestamp(seconds, UTC).astimezone(LOCAL).strftime("%m-%d %H:%M:%S")


def list_alarms(options: argparse.Namespace) -> int:
    """All alarms that are not normal, most urgent first."""
    data = _ask(options, "alarms")
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
                output.SHAPES[item["grade"]], output.STATES[item["state"]], _when(item["raised"]),
                item["tag"], f"{value}{limit} {item['unit']}", item["id"], item["occurrence"],
                str(item["version"]),
            )
        )  # fmt: skip
    head = ("等级", "状态", "时间", "位号", "现值/限值", "报警 id", "occurrence", "version")
    output.table(head, rows)
    return 0


def act(options: argparse.Namespace) -> int:
    """Acknowledge, silence or reset: of the version that was seen, else of the present one."""
    occurrence, version = options.occurrence, options.version
    if occurrence is None or version is None:
        found = [i for i in _ask(options, "alarms")["items"] if i["id"] == options.id]
        if not found:
            raise LinkFault(
                "ALM-404",
                f"没有此报警 no such alarm: {options.id}",
                "parkwatch alarms list",
                status=404,
            )
        occurrence = found[0]["occurrence"] if occurrence is None else occurrence
        version = found[0]["version"] if version is None else version
    data = _ask(
        options, "command", action=options.action, alarm=options.id, occurrence=str(occurrence),
        version=int(version), command=options.command_id or str(uuid.uuid4()),
        person=f"cli:{getpass.getuser()}", role="shift-lead", source="cli", reason=options.reason,
        console="cli", seconds=options.seconds,
    )  # fmt: skip
    if options.json:
        output.document(ok=True, data=data)
    else:
        print(f"{options.id}  {output.STATES[data['item']['state']]}")
    return 0


def why(options: argparse.Namespace) -> int:
    """Which sample, limit and timer raised it."""
    found = [i for i in _ask(options, "alarms")["items"] if i["id"] == options.id]
    if options.json:
        output.document(ok=bool(found), data=found[0]["cause"] if found else None)
        return 0 if found else 5
    if not found:
        raise LinkFault("ALM-404", f"没有此报警 no such alarm: {options.id}", "alarms list")
    output.table(("输入", "值"), [(k, str(v)) for k, v in found[0]["cause"].items()])
    return 0


def list_points(options: argparse.Namespace) -> int:
    """Every point with its value, quality and age."""
    data = _ask(options, "points")
    items = [i for i in data["items"] if not options.id or i["id"] == options.id]
    if options.json:
        output.document(ok=True, data={"items": items})
        return 0
    output.table(
        ("位号", "值", "质量", "原因", "id"),
        [
            (
                i["tag"], "--" if i["value"] is None else f"{i['value']:g}", i["quality"],
                i["reason"], i["id"],
            )
            for i in items
        ],
    )  # fmt: skip
    return 0


def status(options: argparse.Namespace) -> int:
    """One screen: is it well, and what is not."""
    health = _ask(options, "health")
    if options.json:
        output.document(ok=health["ok"], data=health)
        return 0
    print(f"{'✓ 正常 well' if health['ok'] else '✗ 异常 not well'}  "
          f"{health['uptime_s']:.0f} s  日志 journal {health['journal']['seq']}")  # fmt: skip
    output.table(
        ("设备", "状态", "点数", "说明"),
        [(d["id"], d["state"], str(d["points"]), d["text"]) for d in health["devices"]],
    )
    for line in health["config"]["broken"]:
        print(f"! 配置未应用 configuration not applied: {line}")
    return 0
