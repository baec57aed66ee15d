"""How long a park is without evaluation when its daemon starts again on a long journal."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.harness import Check, Measured, Report
from bench.process import ROOT, stop, timed_s, wait_for
from parkwatch.daemon.config.applied import apply
from parkwatch.daemon.config.load import load
from parkwatch.daemon.config.resolve import resolve
from parkwatch.daemon.journal.journal import Entry, Journal
from parkwatch.daemon.pipeline.link import LinkFault, call_once
from parkwatch.daemon.pipeline.writer import Group, Writer
from parkwatch.daemon.store.database import open_writer
from parkwatch.rules.batch import Batch
from parkwatch.rules.engine import Engine
from parkwatch.rules.quality import GOOD
from parkwatch.rules.site import SECOND_NS

GROUP = "journal"
A_DEVICE, A_ZONE, IN_GROUP = 1_000, 10, 1_000
LEVEL_1 = 8.0
STARTS_S = 300.0
_HEAD = """schema = 1
[park]
name = "园区"
[console]
bind = "127.0.0.1:0"
[people.zhangwei]
name = "张伟"
role = "operator"
phone = "13800000001"
channels = ["work"]
[channel.work]
kind = "wecom"
url = "http://127.0.0.1:9/"
[chain.default]
red = [["zhangwei"]]
orange = [["zhangwei"]]
yellow = [["zhangwei"]]
blue = [["zhangwei"]]
[enterprise.hd]
name = "华东化工"
[broker.b]
host = "127.0.0.1"
port = 9
"""


def measure(report: Report, folder: Path, points: int, active: int, records: int) -> None:
    """From the start of the process to its first evaluation; beside it the bare interpreter."""
    park, data = folder / "park.toml", folder / "data"
    park.write_text(_config(points), encoding="utf-8")
    written = _journal(park, data, active, records)
    bare, _ = timed_s([sys.executable, "-c", "pass"])
    program = str(Path(sys.executable).with_name("parkwatch"))
    with (folder / "log").open("wb") as log:
        started = time.perf_counter()
        process = subprocess.Popen(
            [program, "run", "--data", str(data)], stdout=log, stderr=log, cwd=ROOT
        )
        try:
            health = wait_for(lambda: _health(data), STARTS_S, "the first evaluation")
            took = time.perf_counter() - started
            alarms = call_once(data / "run" / "live.sock", "alarms", deadline_s=STARTS_S)
        finally:
            code = stop(process)
    open_ = sum(item["id"].endswith(":gas") for item in alarms["items"])
    checks = [
        Check("alarms that are open again", active, open_),
        Check("it is well", expected=True, found=health["ok"]),
        Check("records before it", expected=True, found=health["journal"]["seq"] >= written),
        Check("how it ended", 0, code),
    ]
    detail = f"{points} points, {active} alarms, {written} records"
    report.add(GROUP, Measured("start to first evaluation", took, "s", bare, checks, detail))


def _config(points: int) -> str:
    text = [_HEAD]
    text += [
        f'[zone.z{zone}]\nenterprise = "hd"\nname = "罐区{zone}"\nchain = "default"\n'
        for zone in range(points // A_ZONE)
    ]
    for device in range(points // A_DEVICE):
        text.append(
            f'[[device]]\nid = "p{device}"\nenterprise = "hd"\ntemplate = "mqtt-gateway"\n'
            f'broker = "b"\ngateway = "g{device}"\npoints = [\n'
        )
        text += [
            f'  {{ tag = "H2S-{point:06d}", zone = "z{point // A_ZONE}", gas = "H2S",'
            ' unit = "ppm", range = [0, 50], resolution = 0.1 },\n'
            for point in range(device * A_DEVICE, (device + 1) * A_DEVICE)
        ]
        text.append("]\n")
    return "".join(text)


def _journal(park: Path, data: Path, active: int, records: int) -> int:
    """A data folder as a daemon leaves it: the applied configuration, so many records with that
    many alarms among them, and a snapshot of the engine at the end."""
    data.mkdir()
    loaded = load(park, os.environ, data=data)
    assert loaded.config is not None, loaded.problems
    apply(loaded, data)
    site = resolve(loaded.config, park.parent, os.environ, data).site
    now = time.time_ns() - 60 * SECOND_NS
    engine = Engine(site, now)
    index = np.arange(0, len(site.points), len(site.points) // active, dtype=np.int32)[:active]
    said = []
    for second in range(5):
        at = np.full(active, now + second * SECOND_NS, dtype=np.int64)
        good = np.full(active, GOOD, dtype=np.uint8)
        said += engine.feed(Batch(index, np.full(active, LEVEL_1), good, at, at))
    db = open_writer(data / "journal.db")
    db.execute("PRAGMA synchronous=OFF")  # Only while it is made.
    writer = Writer(db, Journal(db))
    raised = [Entry("transition", t.body()) for t in said]
    quiet = Entry("driver", {"who": "hd/p0", "what": "x", "text": "链路", "at": now})
    head = writer.write([(Group(entries=[Entry("start", {"pid": 1}), *raised]), now)])
    written = sum(map(len, head))
    while written < records:
        writer.write([(Group(entries=[quiet] * IN_GROUP), now)])
        written += IN_GROUP
    writer.write([(Group(snapshot={"engine": engine.snapshot()}), now)])
    db.close()
    return written


def _health(data: Path) -> dict[str, Any] | None:
    if not (data / "run" / "live.sock").exists():
        return None
    try:
        health: dict[str, Any] = call_once(
            data / "run" / "live.sock", "health", deadline_s=STARTS_S
        )
    except LinkFault:
        return None  # Not listening yet.
    return health if health["ok"] else None
