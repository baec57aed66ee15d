"""`parkwatch demo`: a simulated enterprise on real sockets, each part a process of its own.

The simulator (broker, plant behind its recording proxy, gateway, phone), the daemon and the
scripted person meet on the wire only, in a temporary folder that ends with the demo.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parkwatch.daemon.cli import output
from parkwatch.daemon.journal.journal import Record, records
from parkwatch.daemon.journal.verify import verify
from parkwatch.daemon.outbox.messages import counts
from parkwatch.daemon.store.database import open_reader
from parkwatch.daemon.web.first import FirstLink
from parkwatch.rules.fault import Fault

LEAK_S = 15.0
READY_S, STOP_S = 30.0, 10.0
RED_AND_ACK_S, RESET_S = 60.0, 150.0
PERSON = "zhangwei"
EXIT_FINDINGS, EXIT_INTERRUPTED = 1, 130
NO_FIELD_WRITES = "记录代理见到写操作 the recording proxy saw a write or another function code"


def run(options: argparse.Namespace) -> int:
    """The whole demo; the exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends its parts, as Ctrl-C does
    duration = options.duration
    with tempfile.TemporaryDirectory(prefix="parkwatch-demo-") as name:
        demo = _Demo(Path(name), options)
        interrupted = False
        try:
            demo.start()
            demo.wait(duration)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            counters = demo.end()
        data = demo.result()
        problems = _problems(data, counters, duration)
        if options.json:
            errors = [output.fault_json("DEM-001", text, "parkwatch demo") for text in problems]
            output.document(ok=not problems, data=data, errors=errors)
        else:
            for text in problems:
                output.fault("DEM-001", text, "parkwatch demo --json")
        if interrupted and not duration:
            return EXIT_INTERRUPTED
        return EXIT_FINDINGS if problems else 0


@dataclass(slots=True)
class _Part:
    name: str
    process: subprocess.Popen[str]
    ready: dict[str, Any]


class _Demo:
    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self._folder = folder
        self._options = options
        self._parts: list[_Part] = []
        self._conf, self._data = folder / "conf", folder / "data"

    def start(self) -> None:
        """Everything up, the page open; says where."""
        options = self._options
        self._say("模拟企业启动中 starting a simulated enterprise (about 5 s)")
        plant = self._spawn(
            "plant", "parkwatch.simulator", "plant-all", "--folder", str(self._conf),
            "--bind", f"127.0.0.1:{options.port}", "--seed", str(options.seed),
            "--points", str(options.points),
        )  # fmt: skip
        self._spawn(
            "run", "parkwatch.daemon.cli", "run", "-c", str(self._conf / "park.toml"),
            "--data", str(self._data), ready=False,
        )  # fmt: skip
        http = self._listening()
        password = str(self._conf / f"{PERSON}.password")
        self._spawn("person", "parkwatch.simulator", "person", "--url", f"http://{http}",
                    "--password-file", password)  # fmt: skip
        token = FirstLink(self._data / "secrets").make(PERSON, time.time_ns())
        link = f"http://{http}/first/{token}"
        self._say(f"控制台 console    {link}")
        self._say(f"手机 phone view   http://127.0.0.1:{plant.ready['phone']}/")
        self._say(
            "15 s 后泄漏 leak at 15 s; 黄 yellow ~20, 橙 orange ~26, 红 red ~37; Ctrl-C 结束 ends"
        )
        if not options.no_browser:
            webbrowser.open(link)

    def wait(self, duration: float) -> None:
        """Until the time is over (0: until Ctrl-C), or a part ends by itself."""
        end = time.monotonic() + duration if duration else float("inf")
        while time.monotonic() < end:
            for part in self._parts:
                if part.process.poll() is not None:
                    raise Fault(
                        "DEM-002",
                        f"{part.name} 意外结束 ended by itself",
                        "见上方日志 see the log above",
                    )
            time.sleep(0.1)

    def end(self) -> dict[str, Any]:
        """Stop the parts, the last first; the plant's counters."""
        counters: dict[str, Any] = {}
        for part in reversed(self._parts):
            part.process.send_signal(signal.SIGTERM)
            try:
                out, _ = part.process.communicate(timeout=STOP_S)
            except subprocess.TimeoutExpired:
                part.process.kill()
                out, _ = part.process.communicate()
            if part.name == "plant" and out:
                counters = json.loads(out.splitlines()[-1])
        return counters

    def result(self) -> dict[str, Any]:
        """The document of contracts.md, from the journal that is left."""
        path = self._data / "journal.db"
        if not path.exists():
            return {}
        verdict = verify(path)
        db = open_reader(path)
        try:
            kinds = ["transition", "driver", "stop"]
            found = list(records(db, kinds=kinds))
            messages = counts(db)
        finally:
            db.close()
        stop = next((r.body for r in reversed(found) if r.kind == "stop"), {})
        return {
            "readings": stop.get("readings", 0),
            "alarms": _alarms(found),
            "latency_s": _latencies(found),
            "messages": messages,
            "stored": stop.get("stored", 0),
            "journal": {"ok": verdict.ok, "records": verdict.records},
        }

    def _spawn(self, name: str, module: str, *arguments: str, ready: bool = True) -> _Part:
        log = (self._folder / f"{name}.log").open("w", encoding="utf-8")
        process = subprocess.Popen(  # noqa: S603 - our own modules, no shell
            [sys.executable, "-m", module, *arguments],
            stdout=subprocess.PIPE if ready else log,
            stderr=log,
            text=True,
            start_new_session=True,  # Ctrl-C is ours to pass on, in the right order.
        )
        log.close()
        part = _Part(name, process, {})
        self._parts.append(part)
        if ready:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line.startswith("{"):
                raise self._not_up(name)
            part.ready = json.loads(line)
        return part

    def _listening(self) -> str:
        end = time.monotonic() + READY_S
        path = self._data / "run" / "listen.json"
        while time.monotonic() < end:
            if path.exists():
                return str(json.loads(path.read_text(encoding="utf-8"))["http"])
            if self._parts[-1].process.poll() is not None:
                break
            time.sleep(0.05)
        raise self._not_up("run")

    def _not_up(self, name: str) -> Fault:
        text = (self._folder / f"{name}.log").read_text(encoding="utf-8")[-2_000:]
        return Fault("DEM-003", f"{name} 未能启动 did not start:\n{text}", "parkwatch demo")

    def _say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def _alarms(found: Sequence[Record]) -> dict[str, int]:
    """Raises by grade."""
    tally = dict.fromkeys(("red", "orange", "yellow", "blue"), 0)
    for record in found:
        if record.kind == "transition" and record.body["event"] in ("raise", "reraise", "rise"):
            tally[record.body["grade"]] += 1
    return tally


def _latencies(found: Sequence[Record]) -> dict[str, float | None]:
    """Seconds from the leak's start to the first of each; the plant's clock began with the
    first answer to a Modbus read, which is the first link that came up."""
    told: dict[str, float | None] = dict.fromkeys(("yellow", "orange", "red", "ack", "reset"))
    began = next((r.body["at"] for r in found if r.body.get("what") == "link_up"), None)
    if began is None:
        return told
    for record in found:
        if record.kind != "transition":
            continue
        body = record.body
        event = str(body["event"])
        name = event if event in ("ack", "reset") else str(body["grade"])
        announced = event in ("raise", "reraise", "rise", "ack", "reset")
        red = body["peak"] == "red" if name == event else True
        if announced and red and name in told and told[name] is None:
            told[name] = round((body["received"] - began) / 1e9 - LEAK_S, 3)
    return told


def _problems(data: dict[str, Any], counters: dict[str, Any], duration: float) -> list[str]:
    """What a demo that ran so long must show and does not."""
    found = []
    latency = data.get("latency_s", {})
    if counters.get("violations") or counters.get("writes"):
        found.append(NO_FIELD_WRITES)
    wanted = ["red", "ack"] if duration >= RED_AND_ACK_S else []
    wanted += ["reset"] if duration >= RESET_S else []
    found += [f"没有 {name} was not reached" for name in wanted if latency.get(name) is None]
    if data and not data["journal"]["ok"]:
        found.append("日志链断裂 the journal's chain is broken")
    if not data:
        found.append("守护进程没有写日志 the daemon wrote no journal")
    return found
