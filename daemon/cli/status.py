"""`status`: one screen of the running daemon; well is only what nothing speaks against."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from parkwatch.daemon.cli import output
from parkwatch.daemon.cli.alarms import ask

BACKLOG_S_MAX = 10.0
EXIT_FINDINGS = 1
_ACTIVE = ("unack_active", "ack_active")
_STALLED = ("SYS-109", "引擎停顿 the engine does not turn", "查看守护进程日志 see the daemon's log")


def run(options: argparse.Namespace) -> int:
    """One screen: is it well, and what is not."""
    health = ask(options, "health")
    code = 0 if health["ok"] else EXIT_FINDINGS
    if options.json:
        errors = [] if health["ok"] else [output.fault_json(*_STALLED)]
        output.document(ok=health["ok"], data=health, errors=errors)
        return code
    notes = findings(health, ask(options, "alarms")["items"])
    word = "! 需注意 attention" if notes else "✓ 正常 well"
    print(f"{word if health['ok'] else '✗ 异常 not well'}  "
          f"{health['uptime_s']:.0f} s  日志 journal {health['journal']['seq']}")  # fmt: skip
    for note in notes:
        print(f"! {note}")
    output.table(
        ("设备", "状态", "点数", "说明"),
        [(d["id"], d["state"], str(d["points"]), d["text"]) for d in health["devices"]],
    )
    if not health["ok"]:
        output.fault(*_STALLED)
    return code


def findings(health: Mapping[str, Any], alarms: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is not as it should be, a line each."""
    return [
        *_config(health["config"]),
        *_history(health["history"]),
        *_outbox(health["outbox"]),
        *(
            f"设备 device {d['id']} {d['state']}: {d['text']}"
            for d in health["devices"]
            if d["state"] != "up"
        ),
        *_system(alarms),
        *_grades(alarms),
    ]


def _config(config: Mapping[str, Any]) -> list[str]:
    found = [f"配置未应用 configuration not applied: {line}" for line in config["broken"]]
    if config["differs"]:
        found.append("配置文件与运行的不同 the -c file differs from the applied one")
    return found


def _history(history: Mapping[str, Any]) -> list[str]:
    found = []
    if history["error"]:
        found.append(f"历史库 history {history['store']}: {history['error']}")
    if history["backlog_s"] > BACKLOG_S_MAX:
        found.append(f"历史积压 history is behind: {history['backlog_s']:g} s")
    if history["lost"]:
        found.append(f"历史丢失 readings not kept: {history['lost']}")
    return found


def _outbox(counts: Mapping[str, int]) -> list[str]:
    waiting = {name: counts.get(name, 0) for name in ("pending", "failed")}
    if not any(waiting.values()):
        return []
    return [f"通知 messages: 待发 pending {waiting['pending']}, 失败 failed {waiting['failed']}"]


def _system(alarms: Sequence[Mapping[str, Any]]) -> list[str]:
    """Brokers, channels and what else of the system the health document does not tell."""
    told = ("system/config:", "system/history:")
    return [
        f"{item['id'].removeprefix('system/')} {item['cause'].get('text', '')}".rstrip()
        for item in alarms
        if item["core"] in _ACTIVE
        and item["id"].startswith("system/")
        and not item["id"].startswith(told)
    ]


def _grades(alarms: Sequence[Mapping[str, Any]]) -> list[str]:
    """Of those that speak: neither shelved nor spoken for by another."""
    tally = Counter(item["grade"] for item in alarms if item["state"] in _ACTIVE)
    text = ", ".join(f"{shape} {tally[g]}" for g, shape in output.SHAPES.items() if tally[g])
    return [f"报警 active alarms: {text}"] if text else []
