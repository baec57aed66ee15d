"""The bench of the peers: what it compares is counted, and what lost something is no result.

Node-RED and Telegraf are not built here: the naive loop stands in for both, and what they are told
is read as they would read it.
"""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import peers, subjects
from bench.__main__ import ASKED, GROUPS
from bench.broker import Broker
from bench.harness import Report, read_targets
from bench.layout import LIMIT, POINTS
from bench.loader import Job, Sent
from bench.process import ROOT
from bench.watch import Crossing

SENT = Sent(4, [(1, "p-0001", True), (2, "p-0002", True)], [(3, "p-0001", False)], 0.0)


class Alarms:
    """The alarm messages of a peer as they arrived."""

    def __init__(self, *payloads: bytes) -> None:
        self._payloads = payloads

    def take(self, n: int, deadline_s: float) -> Sequence[tuple[int, bytes]]:
        return [(10 + i, payload) for i, payload in enumerate(self._payloads)]


def taken(*payloads: bytes) -> tuple[list[Crossing], int]:
    alarms: Any = Alarms(*payloads)
    return subjects.Peer("x", "bench/x", [1], alarms).take(SENT)


def test_alarms_of_a_peer_are_paired_whatever_their_form() -> None:
    told = b'{"fields":{"val":60},"tags":{"topic":"bench/x/r/card-1/p-0002"}}'
    assert taken(b"bench/x/r/card-1/p-0001", told) == (
        [(10, "p-0001", True), (11, "p-0002", True)], 0,
    )  # fmt: skip


@pytest.mark.parametrize(
    "payloads",
    [
        [b"p-0001"],
        [b"p-0001", b"p-0001", b"p-0002"],
        [b"p-0001", b"p-0003"],
        [b"p-0001", b"nothing that can be read"],
    ],
)
def test_an_alarm_that_is_lost_doubled_or_unknown_is_wrong(payloads: list[bytes]) -> None:
    assert taken(*payloads)[1] > 0


def broker(where: Path) -> Broker:
    return Broker(1883, dict.fromkeys(("node-red", "telegraf", "telegraf-out"), "secret"), 1, 8883,
                  where / "ca.crt")  # fmt: skip


@pytest.mark.parametrize("secure", [False, True])
def test_telegraf_is_told_the_same_work(tmp_path: Path, *, secure: bool) -> None:
    command = subjects._telegraf(broker(tmp_path), tmp_path, Path("/peers"), secure=secure)
    assert command == ["/peers/telegraf", "--config", str(tmp_path / "telegraf.conf")]
    text = (tmp_path / "telegraf.conf").read_text("utf-8")
    told = tomllib.loads(text)
    reads, tells = told["inputs"]["mqtt_consumer"][0], told["outputs"]["mqtt"][0]
    for link in (reads, tells):
        assert link["servers"] == ["ssl://127.0.0.1:8883" if secure else "tcp://127.0.0.1:1883"]
        # Naming an authority makes it speak TLS to whatever port it is given.
        assert ("tls_ca" in link) is secure
        assert (link["password"], link["qos"]) == ("secret", 1)
    assert f'metric.fields["val"] >= {LIMIT}' in told["processors"]["starlark"][0]["source"]
    assert tells["topic"] == "bench/alarm-telegraf"
    assert "@" not in text


@pytest.mark.parametrize("secure", [False, True])
def test_node_red_is_told_the_same_work(tmp_path: Path, *, secure: bool) -> None:
    subjects._node_red(broker(tmp_path), tmp_path, Path("/peers"), secure=secure)
    text = (tmp_path / "node-red" / "flow.json").read_text("utf-8")
    nodes = {node["id"]: node for node in json.loads(text)}
    assert nodes["broker"]["port"] == ("8883" if secure else "1883")
    assert nodes["broker"]["usetls"] is secure
    assert nodes["tls"]["ca"] == str(tmp_path / "ca.crt")
    assert f"payload.val >= {LIMIT})" in nodes["judge"]["func"]
    assert (nodes["in"]["wires"], nodes["judge"]["wires"]) == ([["judge"]], [["out"]])
    assert nodes["out"]["topic"] == "bench/alarm-node-red"
    assert {nodes["in"]["qos"], nodes["out"]["qos"]} == {"1"}
    known = json.loads((tmp_path / "node-red" / "flow_cred.json").read_text("utf-8"))
    assert known["broker"] == {"user": "node-red", "password": "secret"}


def test_looking_for_the_peers_builds_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [ROOT / "deploy/get-peers", "--find"], capture_output=True, text=True, check=False,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert "--find does not build" in done.stderr
    assert not list(tmp_path.iterdir())


def test_the_peers_are_pinned() -> None:
    told = json.loads((ROOT / "deploy/peers/package.json").read_text("utf-8"))["dependencies"]
    locked = json.loads((ROOT / "deploy/peers/package-lock.json").read_text("utf-8"))["packages"]
    for name, version in told.items():
        assert locked[f"node_modules/{name}"]["version"] == version
    # What a package bundles comes inside it.
    alone = {name: entry for name, entry in locked.items() if name and not entry.get("inBundle")}
    assert [name for name, entry in alone.items() if not entry.get("integrity")] == []
    module = (ROOT / "deploy/peers/go.mod").read_text("utf-8").split()
    version = module[module.index("github.com/influxdata/telegraf") + 1]
    sums = (ROOT / "deploy/peers/go.sum").read_text("utf-8")
    assert f"github.com/influxdata/telegraf {version} h1:" in sums


@pytest.mark.mosquitto
def test_a_small_run_is_checked_and_gives_every_result_that_has_a_target(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subjects, "POINTS", POINTS)
    monkeypatch.setattr(peers, "RATE_LEAST", 0)
    monkeypatch.setattr(peers, "SINGLES", Job(200, 20, qos=1, backlog=True))
    monkeypatch.setattr(peers, "COLUMNS", Job(10, 2, qos=1, backlog=True, batch=100))
    # A process of its own each time, which is slow on a busy machine: the last time is enough here.
    verified = subjects.Park.verified
    monkeypatch.setattr(subjects.Park, "verified", lambda _: True)
    report = Report(read_targets())
    with peers.rig((peers.NAIVE,), None) as rig:
        naive = rig.peers.pop(peers.NAIVE)
        for name in (peers.NODE_RED, peers.TELEGRAF):
            rig.peers[name] = replace(naive, name=name)
        peers.flat_out(report, rig, Job(400, 20), 1, "flat out")
        peers.latency(report, rig, Job(500, 25, rate=5_000), 1)
        peers.steady(report, rig, Job(500, 100, rate=5_000), 1)
        monkeypatch.setattr(subjects.Park, "verified", verified)
        peers.batched(report, rig, 1)
    assert report.errors == []
    names = {result.name.partition(" (")[0] for result in report.results}
    assert {name for group, name in read_targets() if group == peers.GROUP} <= names
    assert all(result.value > 0 and result.reference > 0 for result in report.results)
    # Whoever asks for all groups gets none that builds other people's programs.
    assert ASKED == (peers.GROUP,)
    assert peers.GROUP not in GROUPS
