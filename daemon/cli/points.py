"""`points`: list, arm and disarm, test a detector with gas, try a stage as a drill."""

from __future__ import annotations

import argparse
import getpass
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from parkwatch.daemon.cli import alarms, output
from parkwatch.daemon.cli.alarms import ask, when
from parkwatch.daemon.cli.persons import signed
from parkwatch.daemon.pipeline.link import LinkFault, call_once
from parkwatch.rules.alarms.why_words import REASONS
from parkwatch.rules.fault import Fault

EXIT_OK, EXIT_FINDINGS, EXIT_REFUSED = 0, 1, 5
ARM_S = 120.0
ARMED = {"unarmed": "未投用", "provisional": "未验证", "armed": "已投用"}
LEVELS = {"gas.1": "一级 AL1", "gas.2": "二级 AL2"}
VERDICTS = {"pass": "✓ 合格 pass", "fail": "✗ 不合格 fail", "aborted": "! 中止 aborted"}


def show(options: argparse.Namespace) -> int:
    """Every point with its value, quality and arming; an unarmed one beyond a limit says so."""
    only = named(options, options.id)[0] if options.id else ""
    items = [item for item in ask(options, "points")["items"] if only in ("", item["id"])]
    wanted = _wanted(options)
    items = [item for item in items if wanted is None or item["id"] in wanted]
    if options.json:
        output.document(ok=True, data={"items": items})
        return EXIT_OK
    head = ("位号", "值", "质量", "投用", "id")
    output.table(
        head,
        [
            (
                i["tag"], "--" if i["value"] is None else f"{i['value']:g}", _quality(i),
                _armed(i), i["id"],
            )
            for i in items
        ],
    )  # fmt: skip
    return EXIT_OK


def named(options: argparse.Namespace, *names: str) -> list[str]:
    """The full ids of points that are named by id or tag. LinkFault API-404 where none has such a
    name, or several have."""
    items = ask(options, "points")["items"] if names else ()
    full = {item["id"] for item in items}
    made = []
    for name in names:
        found = [name] if name in full else [i["id"] for i in items if i["tag"] == name]
        if len(found) != 1:
            what = "不止一个 several" if found else "没有此点位 no such point"
            several = " | ".join(found) or "parkwatch points list"
            raise LinkFault("API-404", f"{what}: {name}", several, status=404)
        made += found
    return made


def _quality(item: Mapping[str, Any]) -> str:
    """The quality, and why it is not good."""
    status, reason = output.QUALITIES[item["quality"]], item["reason"]
    return status if reason == "none" else f"{status} · {REASONS[reason][0]}"


def _armed(item: Mapping[str, Any]) -> str:
    """How a point is armed; one that is not and is beyond a limit."""
    over = item.get("over")
    if over is None:
        return ARMED[item["armed"]]
    return f"未投用·超限 {'≤' if over['side'] == 'low' else '≥'}{over['limit']:g}"


def _wanted(options: argparse.Namespace) -> frozenset[str] | None:
    """Ids that the options leave, None where they leave all."""
    if not (options.zone or options.unarmed or options.live):
        return None
    rows = ask(options, "arming")["items"]
    kept = [
        row["id"] for row in rows
        if options.zone in ("", row["zone"])
        and (not options.unarmed or row["state"] == "unarmed")
    ]  # fmt: skip
    if options.live:
        live = {i["id"] for i in ask(options, "points")["items"] if i["quality"] != "bad"}
        kept = [name for name in kept if name in live]
    return frozenset(kept)


def arm(options: argparse.Namespace) -> int:
    """Arm or disarm points; exit 5 where one of them cannot be, each with what it lacks."""
    persons = tuple(name for name in (options.person, options.second) if name)
    points = named(options, *options.ids)
    if options.zone:
        rows = ask(options, "arming")["items"]
        points += [
            row["id"] for row in rows
            if row["zone"] == options.zone and (row["state"] != "unarmed") == options.disarm
        ]  # fmt: skip
    if not points:
        what = "没有点位 no point: POINT … 或 or --zone"
        raise Fault("CLI-002", what, "parkwatch points list")
    signed(options.data, persons)
    told: dict[str, Any] = call_once(
        options.data / "run" / "live.sock", "arm", deadline_s=ARM_S, points=points,
        disarm=options.disarm, persons=list(persons), user=f"cli:{getpass.getuser()}",
        reason=options.reason, close=options.close,
    )  # fmt: skip
    refused = told["refused"]
    if options.json:
        errors = [output.fault_json(r["code"], r["what"], r["remedy"]) for r in refused]
        output.document(ok=not refused, data=told, errors=errors)
        return EXIT_REFUSED if refused else EXIT_OK
    for state, ids in told["arming"].items():
        for name in ids:
            print(f"✓ {ARMED[state]} {name}")
    for alarm in told.get("closed", ()):
        print(f"已关闭 closed {alarm}")
    for each in refused:
        print(f"✗ {each['point']}")
        output.fault(each["code"], each["what"], each["remedy"])
    return EXIT_REFUSED if refused else EXIT_OK


def bump(options: argparse.Namespace) -> int:
    """Begin a bump test (`--gas --bottle --person`), end it (`--stop`), or record a portable
    reading beside a detector (`--value --instrument`)."""
    _whole(options)
    (options.id,) = named(options, options.id)
    if options.stop:
        return _stop(options)
    if options.bottle is None:
        return alarms.bump(options)
    (tester,) = signed(options.data, (options.person,))
    data = ask(
        options, "bump", what="start", point=options.id, person=tester["id"], role=tester["role"],
        enterprise=tester["enterprise"], source="cli", reason=options.reason,
        command=options.command_id or str(uuid.uuid4()),
        details={"gas": options.gas, "bottle": options.bottle, "minutes": options.minutes},
    )  # fmt: skip
    window = next(each for each in data["items"] if each["point"] == options.id)
    if options.json:
        output.document(ok=True, data=window)
    else:
        print(f"标定中 calibrating {options.id},至 until {when(window['until'])}")
        print("其余探测器照常报警 every other detector alarms as ever")
    return EXIT_OK


def _whole(options: argparse.Namespace) -> None:
    """Fault CLI-002 where it is neither a whole test nor a whole reading."""
    if options.stop:
        return
    if options.bottle is None and (options.value is None or not options.instrument):
        what = (
            "须有 --gas --bottle --person,或 --value --instrument "
            "give --gas --bottle --person, or --value --instrument"
        )
        raise Fault("CLI-002", what, "parkwatch points bump --help")
    if options.bottle is not None and not (options.gas and options.person):
        what = "标气测试须有 --gas 与 --person a bump test needs --gas and --person"
        raise Fault("CLI-002", what, "parkwatch points bump --help")


def _stop(options: argparse.Namespace) -> int:
    """End a test; exit 1 where it was not passed."""
    record = stopped(options)
    if options.json:
        output.document(ok=record["verdict"] == "pass", data=record)
    else:
        head, *rows = verdict(record)
        output.table(head, rows)
    return EXIT_OK if record["verdict"] == "pass" else EXIT_FINDINGS


def stopped(options: argparse.Namespace) -> dict[str, Any]:
    """The record of the test that is ended by this."""
    data = ask(
        options, "bump", what="stop", point=options.id, person=f"cli:{getpass.getuser()}",
        role="technician", source="cli", reason=options.reason,
        command=options.command_id or str(uuid.uuid4()),
    )  # fmt: skip
    return next(dict(each) for each in data["ended"] if each["point"] == options.id)


def seconds(value: float) -> str:
    """A time as a technician reads it."""
    return f"{value:.1f} s"


def crossings(seen: Mapping[str, Any]) -> Sequence[str]:
    """Which limits a test reached, and when."""
    return [
        f"{LEVELS.get(name, name)} +{seconds(after)}" for name, after in seen["crossed_s"].items()
    ]


def verdict(record: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    """The record as rows."""
    unit, peak, t90 = record["unit"], record["peak"], record["t90_s"]
    rows = [
        (record["tag"], VERDICTS[record["verdict"]]),
        ("标气 bottle", f"{record['bottle']:g} ±{record['tolerance']:g} {unit}"),
        ("峰值 peak", "--" if peak is None else f"{peak:g} {unit}"),
        ("t90", "--" if t90 is None else f"{seconds(t90)} ≤ {record['t90_max_s']:g} s"),
    ]
    rows += [("达到 reached", text) for text in crossings(record)]
    if record["moved"]:
        tags = " ".join(record["moved"])
        if record["verdict"] != "pass":
            tags += f" 动了:与 {record['tag']} 接反? moved instead: swapped?"
        rows.append(("其他探测器 others", tags))
    return rows


def test(options: argparse.Namespace) -> int:
    """Try a stage as a drill: rule, alarm, who would be called with which words; exit 1 where it
    would call nobody."""
    data = ask(
        options, "stage", point=named(options, options.id)[0], level=int(options.stage[-1]),
        person=f"cli:{getpass.getuser()}", send_to=options.send_to,
    )  # fmt: skip
    if options.json:
        output.document(ok=data["ok"], data=data)
        return EXIT_OK if data["ok"] else EXIT_FINDINGS
    limit = data["limit"]
    side = "≤" if limit["side"] == "low" else "≥"
    print(f"规则 rule  {data['tag']} {side} {limit['limit']:g} {limit['unit']}  {limit['clause']}")
    for each in data["alarms"]:
        shape = output.SHAPES[each["grade"]]
        print(f"报警 alarm {shape} {each['alarm']} {each['event']} +{each['after_s']:g} s")
    for each in data["messages"]:
        print(f"通知 call  {each['name']} ({each['channel']})  {each['text'].splitlines()[0]}")
    sent = f"已发给 sent to {options.send_to}" if options.send_to else "未发送 nothing was sent"
    print(sent)
    return EXIT_OK if data["ok"] else EXIT_FINDINGS
