"""`parkwatch report`: KPIs of a period and the inspector's list of a day, from the journal."""

from __future__ import annotations

import argparse
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from parkwatch.daemon.app.change import Running
from parkwatch.daemon.app.stopped import running
from parkwatch.daemon.cli import output
from parkwatch.daemon.cli.moments import time_ns
from parkwatch.daemon.config import site_key
from parkwatch.daemon.ledger.compliance import compliance, put_signed
from parkwatch.daemon.ledger.days import written
from parkwatch.daemon.ledger.kpi import Position, kpi
from parkwatch.rules.fault import Fault

DAYS = 30
"""domain.md, section 4: a KPI says something over at least so many days."""
_DAY_NS = 86_400 * 10**9
_VERDICTS = {"ok": "✓ 达标 ok", "amber": "! 黄 amber", "red": "✗ 红 red"}
_FIGURES = {
    "per_hour": "每小时报警 per hour",
    "per_10min": "每10分钟报警 per 10 min",
    "per_day": "每日报警 per day",
    "windows_over_10": "10分钟超10条占比 windows > 10",
    "flood": "报警集中时间占比 time in flood",
    "top_10": "前十占比 share of top 10",
    "chattering": "抖动报警 chattering",
    "fleeting": "瞬时报警 fleeting",
    "stale": "长驻报警(最多一日) stale, worst day",
    "share_blue": "蓝占比 blue",
    "share_yellow": "黄占比 yellow",
    "share_orange": "橙占比 orange",
    "share_red": "红占比 red",
    "outside": "未按规定的抑制与更改 outside the method",
}
_KINDS = {
    "shelved": "搁置 shelved", "suppressed": "抑制 suppressed",
    "out_of_service": "停用 out of service", "bypassed": "旁路 bypassed",
    "overdue": "超期 overdue", "override": "越限签署 override", "disarmed": "撤防 disarmed",
    "removed": "删除 removed", "loosened": "放宽 loosened", "rescaled": "改量程 re-scaled",
    "rewired": "改接 rewired", "altered": "更改 altered", "unmanned": "通知减少 fewer told",
    "gap": "监测缺口 gap", "close": "关闭报警 closed", "reset_by_two": "双人复位 reset by two",
    "bump": "便携仪记录 portable reading",
}  # fmt: skip


def run_kpi(options: argparse.Namespace) -> int:
    """KPIs with target and verdict of a period (the last 30 days) for a position.

    Fault CLI-002 for an unknown zone or enterprise, KPI-001 where the journal holds nothing then.
    """
    found = running(options.data)
    zone = ZoneInfo(found.resolved.tz)
    now = time.time_ns()
    until = min(time_ns(options.until, zone, now), now)
    asked = time_ns(options.since, zone, until - DAYS * _DAY_NS), until
    with _readable():
        report = kpi(options.data, asked, _position(options, found), zone)
    if options.json:
        output.document(ok=True, data=report)
        return 0
    _print_kpi(report, zone)
    return 0


def _position(options: argparse.Namespace, found: Running) -> Position:
    site = found.resolved.site
    config = found.loaded.config
    assert config is not None, "it runs"
    for given, known in (
        (options.zone, list(site.zones)),
        (options.enterprise, list(config.enterprise)),
    ):
        for name in given:
            if name not in known:
                what = f"没有此区域或企业 no such zone or enterprise: {name}"
                raise Fault("CLI-002", what, ", ".join(known[:10]))
    zone_of = {point.id: point.zone for point in site.points}
    return Position(frozenset(options.enterprise), frozenset(options.zone), zone_of)


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise Fault(
            "SYS-107", f"没有日志或读不到 no journal, or unreadable: {error}", "--data"
        ) from error
    except sqlite3.DatabaseError as error:
        raise Fault(
            "JNL-003", f"日志损坏 the journal is damaged: {error}", "journal verify"
        ) from error


def _print_kpi(report: Mapping[str, Any], zone: ZoneInfo) -> None:
    since, until = int(report["from"]), int(report["to"])
    about = " ".join([*report["enterprises"], *report["zones"]]) or "全园区 the whole park"
    days = (until - since) / _DAY_NS
    print(f"报警绩效 KPI  {about}  {written(since, zone)[:19]} – {written(until, zone)[:19]}")
    short = f"  不足 {DAYS} 天,仅供参考 under {DAYS} days" if days < DAYS else ""
    print(f"监测覆盖 watched {report['watched_percent']:g}%  {days:.1f} 天 days{short}\n")
    rows = [
        (
            _FIGURES[f["key"]], "--" if f["value"] is None else f"{f['value']:.3g} {f['unit']}",
            f["target"], "--" if f["value"] is None else _VERDICTS[f["verdict"]],
            " ".join(f"{c['alarm']}×{c['n']}" for c in f["culprits"][:3]),
        )
        for f in report["figures"]
    ]  # fmt: skip
    output.table(("指标 figure", "值 value", "目标 target", "判定 verdict", "主因 culprits"), rows)
    print()
    waits = [
        (
            output.SHAPES[a["grade"]], str(a["n"]), f"{a['median_s']:g}", f"{a['p90_s']:g}",
            f"{a['worst_s']:g}", a["worst_alarm"],
        )
        for a in report["acknowledged"]
    ]  # fmt: skip
    head = ("确认用时 s", "次数 n", "中位 median", "p90", "最长 worst", "报警 alarm")
    output.table(head, waits)
    calls = report["unacknowledged"]
    oldest = f",最早 oldest {calls['oldest']['alarm']}" if calls["n"] else ""
    covered = " ".join(f"{name} {n}" for name, n in report["covered"].items()) or "0"
    print(
        f"\n实际报警 activations {report['activations']}  遮蔽中 masked {report['masked']}  "
        f"重复提醒 re-alarms {report['realarms']}  10分钟峰值 peak {report['peak_10min']}\n"
        f"期末未确认 unacknowledged {calls['n']}{oldest}\n遮蔽次数 masks {covered}"
    )
    for flood in report["floods"][:10]:
        span = (
            f"{written(int(flood['from']), zone)[:19]} – {written(int(flood['to']), zone)[11:19]}"
        )
        print(f"报警集中 flood {span}  最多 most {flood['most']}/10min")


def run_compliance(options: argparse.Namespace) -> int:
    """The signed list of a day; into a file, or printed. Fault CLI-002 for a day that is none."""
    found = running(options.data)
    zone = ZoneInfo(found.resolved.tz)
    day = _day(options.day, zone)
    unarmed = [p.id for p in found.resolved.site.points if p.armed == "unarmed"]
    with _readable():
        signed = compliance(options.data, day, zone, site_key.read(options.data), unarmed)
    if options.out is not None:
        _write(options.out, signed)
    if options.json:
        output.document(ok=True, data=signed)
        return 0
    print(f"合规清单 compliance  {day}  {len(signed['rows'])} 条 rows  日志 journal "
          f"{signed['head']['seq']}  HMAC {signed['hmac'][:16]}…\n")  # fmt: skip
    if not signed["rows"]:
        print("当日无此类事项 nothing of the kind on that day")
        return 0
    cells = [
        (
            _KINDS.get(r["kind"], r["kind"]), r["about"], r["person"], r["second"], r["reason"],
            r["from"][:19], r["to"][:19] or (r["planned"][:19] and f"→ {r['planned'][:19]}"),
            r["detail"],
        )
        for r in signed["rows"]
    ]  # fmt: skip
    head = ("事项 what", "对象 about", "人员 person", "第二人 second", "原因 why", "起 from",
            "止 to (→ 计划 planned)", "说明 detail")  # fmt: skip
    output.table(head, cells)
    return 0


def _day(text: str, zone: ZoneInfo) -> date:
    today = datetime.now(UTC).astimezone(zone).date()
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise Fault("CLI-002", f"不是日期 is no day: {text}", "2026-11-25") from error
    if day > today:
        raise Fault("CLI-002", f"日期未到 the day is yet to come: {text}", str(today))
    return day


def _write(path: Path, signed: Mapping[str, Any]) -> None:
    try:
        put_signed(path, signed)
    except OSError as error:
        raise Fault("SYS-108", f"不可写 cannot be written: {path}", error.strerror or "") from error
