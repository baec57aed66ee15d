"""A park under measurement: `parkwatch run` on a written configuration, as a user starts it."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher

from bench.broker import Broker
from bench.layout import (
    CHANNELS,
    DEVICE,
    ENTERPRISE,
    GATEWAY,
    LIMIT,
    POINTS,
    mqtt_point,
    panel_point,
    signal,
)
from bench.process import ROOT, stop, tool, wait_for
from parkwatch.daemon.pipeline.link import call_once

PERSON = "zhangwei"
PARKWATCH = [sys.executable, "-m", "parkwatch.daemon.cli"]
READY_S = 60.0
HEAD = """schema = 1
[park]
name = "测量园区"
[console]
bind = "127.0.0.1:0"
[people.zhangwei]
name = "张伟"
role = "shift-lead"
phone = "13800000001"
channels = ["work"]
password = "file:{folder}/person.argon2"
[channel.work]
kind = "apprise"
url = "json://127.0.0.1:{phone}/"
[chain.default]
red = [["zhangwei"]]
orange = [["zhangwei"]]
yellow = [["zhangwei"]]
blue = [["zhangwei"]]
[enterprise.bench]
name = "测量化工"
[zone.tank-a]
enterprise = "bench"
name = "罐区A"
"""
POINT = '  {{ tag = "{tag}", zone = "tank-a", kind = "other", range = [0, 100]{reg} }},\n'
RULE = """[[rule]]
point = "{point}"
group = "high"
limit = {limit}
grade = "orange"
on_delay = "0s"
off_delay = "0s"
"""


def _secret(path: Path, text: str) -> None:
    """A file that only its owner reads: the daemon refuses others."""
    path.touch(mode=0o600)
    path.write_text(text, "utf-8")


def _device(keys: str, points: Iterable[str]) -> str:
    return f"[[device]]\n{keys}points = [\n{''.join(points)}]\n"


def _rules(points: Iterable[str]) -> str:
    return "".join(RULE.format(point=point, limit=LIMIT) for point in points)


def mqtt_config(broker: Broker, folder: Path, points: int = POINTS, *, secure: bool = False) -> str:
    """One gateway of so many points, each with one limit; `secure`: over TLS."""
    _secret(folder / "mqtt.password", broker.passwords["parkwatch"])
    port = broker.secure if secure else broker.port
    link = (
        f'[broker.main]\nhost = "127.0.0.1"\nport = {port}\nuser = "parkwatch"\n'
        f'password = "file:{folder}/mqtt.password"\ntls = {str(secure).lower()}\n'
    )
    # Not every round shows every point: none shall become stale meanwhile.
    keys = (
        f'id = "{DEVICE}"\nenterprise = "{ENTERPRISE}"\ntemplate = "mqtt-gateway"\n'
        f'broker = "main"\ngateway = "{GATEWAY}"\nscan = "30m"\n'
    )
    rows = (POINT.format(tag=signal(i), reg="") for i in range(points))
    return link + _device(keys, rows) + _rules(mqtt_point(i) for i in range(points))


def modbus_config(port: int, units: int, channels: int = CHANNELS) -> str:
    """So many panels at a scan of 1 s, each point with one limit and no on-delay."""
    text = ""
    for unit in range(1, units + 1):
        keys = (
            f'id = "panel-{unit}"\nenterprise = "{ENTERPRISE}"\ntemplate = "modbus-tcp-panel"\n'
            f'host = "127.0.0.1"\nport = {port}\nunit_id = {unit}\nscan = "1s"\n'
        )
        rows = (POINT.format(tag=signal(r), reg=f", reg = {40001 + r}") for r in range(channels))
        text += _device(keys, rows) + _rules(panel_point(unit, r) for r in range(channels))
    return text


class Park:
    """A running daemon and its web child."""

    def __init__(self, folder: Path, password: str, ca: Path | None) -> None:
        self.data = folder / "data"
        self._password = password
        self._log = (folder / "daemon.log").open("wb")
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *PARKWATCH, "run",
             "-c", str(folder / "park.toml"), "--data", str(self.data)],
            stdout=self._log, stderr=self._log, cwd=ROOT,
            env={**os.environ, **({} if ca is None else {"SSL_CERT_FILE": str(ca)})},
        )  # fmt: skip
        listen = self.data / "run" / "listen.json"

        def ready() -> dict[str, Any] | None:
            assert self.process.poll() is None, (folder / "daemon.log").read_text()[-2_000:]
            with contextlib.suppress(OSError, ValueError):
                return dict(json.loads(listen.read_text("utf-8")))
            return None

        try:
            told = wait_for(ready, READY_S, "parkwatch run is ready")
        except AssertionError:
            self.stop()
            raise
        self.http, self.web_pid = str(told["http"]), int(told["pid"])

    @property
    def pid(self) -> int:
        return self.process.pid

    def health(self) -> dict[str, Any]:
        """The daemon's own counters, over its socket."""
        return dict(call_once(self.data / "run" / "live.sock", "health"))

    def readings(self, driver: str) -> int:
        """How many readings of a driver were evaluated so far."""
        return int(self.health()["readings"].get(driver, 0))

    def token(self) -> str:
        """A real log-in, as programs do it."""
        request = urllib.request.Request(
            f"http://{self.http}/api/v1/login",
            data=json.dumps({"person": PERSON, "password": self._password}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return str(json.loads(answer.read())["token"])

    def missing(self, records: Iterable[dict[str, Any]]) -> int:
        """How many of the records that the stream told are not in journal.db as told."""
        wanted = {int(r["seq"]): r["body"] for r in records}
        if not wanted:
            return 0
        db = sqlite3.connect(f"file:{self.data / 'journal.db'}?mode=ro", uri=True)
        try:
            rows = db.execute(
                "SELECT seq, body FROM record WHERE kind = 'transition' AND seq BETWEEN ? AND ?",
                (min(wanted), max(wanted)),
            ).fetchall()
        finally:
            db.close()
        found = {seq: json.loads(body) for seq, body in rows}
        return sum(found.get(seq) != body for seq, body in wanted.items())

    def verified(self) -> bool:
        """Whether the journal's chain holds, by the command that an auditor runs."""
        done = subprocess.run(
            [*PARKWATCH, "--data", str(self.data), "journal", "verify"],
            capture_output=True, check=False, cwd=ROOT,
        )  # fmt: skip
        return done.returncode == 0

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        code = stop(self.process)
        self._log.close()
        return code


@contextlib.contextmanager
def park(config: str, folder: Path, ca: Path | None = None) -> Iterator[Park]:
    """A park on a configuration's tables, with somebody's phone behind its channel.

    `ca`: the certificate that the machine trusts, instead of the system's.
    """
    folder.mkdir(exist_ok=True)
    password = secrets.token_urlsafe(9)
    _secret(folder / "person.argon2", PasswordHasher().hash(password))
    with tool("parkwatch.simulator", "phone", ready=False) as phone:
        port = json.loads(phone.line())["port"]
        text = HEAD.format(folder=folder, phone=port) + config
        (folder / "park.toml").write_text(text, "utf-8")
        made = Park(folder, password, ca)
        try:
            yield made
        finally:
            code = made.stop()
        assert code == 0, f"parkwatch run ended with {code}"


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A temporary folder of one park."""
    path = Path(tempfile.mkdtemp(prefix="parkwatch-bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
