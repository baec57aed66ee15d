"""A park of many points without delays: the alarm storms of chaos and power cuts run on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from parkwatch.daemon.config.load import load
from parkwatch.daemon.config.resolve import Resolved, resolve
from parkwatch.daemon.store import database
from parkwatch.rules.batch import Batch
from parkwatch.rules.quality import GOOD

ENTERPRISE = "huadong"
GRADES = ("red", "orange", "yellow", "blue")
LIMIT = 50
HEAD = """schema = 1
[park]
name = "示例园区"
[console]
bind = "127.0.0.1:0"
[people.zhangwei]
name = "张伟"
role = "shift-lead"
phone = "13800000001"
channels = ["work"]
[channel.work]
kind = "apprise"
url = "json://127.0.0.1:{phone}/"
per_minute = 10000
[chain.default]
red = [["zhangwei"]]
orange = [["zhangwei"]]
yellow = [["zhangwei"]]
blue = [["zhangwei"]]
[enterprise.huadong]
name = "华东化工"
[zone.tank-a]
enterprise = "huadong"
name = "罐区A"
"""
PANEL = """[[device]]
id = "panel-{n}"
enterprise = "huadong"
template = "modbus-tcp-panel"
host = "127.0.0.1"
port = {port}
unit_id = {n}
scan = "50ms"
points = [
{points}]
"""
POINT = '  {{ tag = "P-{i}", zone = "tank-a", kind = "other", range = [0, 100], reg = {reg} }},\n'
RULE = """[[rule]]
point = "huadong/panel-{n}/p-{i}"
group = "high"
limit = {limit}
grade = "{grade}"
on_delay = "{on_delay}"
off_delay = "0s"
"""


def alarm(point: int, panels: int = 1) -> str:
    """The alarm of a point; points are dealt to the panels in turns."""
    return f"{ENTERPRISE}/panel-{point % panels + 1}/p-{point}:high"


def park_text(
    points: int, *, panels: int = 1, phone: int = 9, port: int = 502, on_delay: str = "0s",
    more: str = "",
) -> str:  # fmt: skip
    """The configuration; register k of panel n is its point number k, `more` is TOML at the end."""
    blocks = [HEAD.format(phone=phone)]
    for n in range(1, panels + 1):
        own = range(n - 1, points, panels)
        rows = [POINT.format(i=i, reg=40_001 + k) for k, i in enumerate(own)]
        blocks.append(PANEL.format(n=n, port=port, points="".join(rows)))
    for i in range(points):
        grade = GRADES[i % 4]
        n = i % panels + 1
        blocks.append(RULE.format(n=n, i=i, limit=LIMIT, grade=grade, on_delay=on_delay))
    return "".join([*blocks, more])


def resolved(folder: Path, points: int) -> Resolved:
    """The same park for tests without a process: its site, people and chains."""
    path = folder / "park.toml"
    path.write_text(park_text(points), encoding="utf-8")
    loaded = load(path, {})
    assert loaded.config is not None, loaded.problems
    return resolve(loaded.config, folder, {}, folder)


def readings(values: dict[int, float], at: int) -> Batch:
    """Good readings of points by index, all received at `at` ns."""
    stamps = np.full(len(values), at, dtype=np.int64)
    return Batch(
        np.array(list(values), dtype=np.int32), np.array(list(values.values()), dtype=float),
        np.full(len(values), GOOD, dtype=np.uint8), stamps, stamps, driver="modbus",
    )  # fmt: skip


@contextmanager
def newer_schema() -> Iterator[None]:
    """This process is of a version with one migration more; the records stay as they are."""
    kept = database._MIGRATIONS
    database._MIGRATIONS = (*kept, "ALTER TABLE cursor ADD COLUMN note TEXT;")
    database.SCHEMA_VERSION = len(kept) + 1
    try:
        yield
    finally:
        database._MIGRATIONS, database.SCHEMA_VERSION = kept, len(kept)
