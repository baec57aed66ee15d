"""What does the same work in `peers`: read single messages, compare, tell each crossing.

Every one reads its own topic prefix of the same broker and is seen from outside: a peer by its
alarm messages, the daemon by the records that it has committed.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.broker import Broker, broker
from bench.e2e_mqtt import until
from bench.layout import GATEWAY_TOPIC, PROBES, signal
from bench.loader import Job, Load, Loader, Sent, loader
from bench.park import Park, folder, mqtt_config, park
from bench.process import ROOT, Tool, cpu_ms, ended, wait_for
from bench.reference.echo import Echo
from bench.stats import paired
from bench.watch import Crossing, Stream

POINTS = 5_000
SEEN_S = 60.0
KEY = re.compile(rb"p-\d{4}")
REFERENCE = Path(__file__).with_name("reference")


class Subject(Protocol):
    """One of those that are compared."""

    @property
    def name(self) -> str: ...
    @property
    def prefix(self) -> str: ...
    @property
    def pids(self) -> Sequence[int]: ...

    def take(self, sent: Sent) -> tuple[list[Crossing], int]:
        """The rises that it told of those that were sent, and how much of it is wrong."""
        ...


def cpu(pids: Sequence[int]) -> float:
    """ms that these processes have used together."""
    return sum(cpu_ms(pid) for pid in pids)


@dataclass(slots=True)
class Peer:
    """Somebody else's program; it tells the rises alone, since it remembers nothing."""

    name: str
    prefix: str
    pids: Sequence[int]
    alarms: Echo

    def take(self, sent: Sent) -> tuple[list[Crossing], int]:
        arrived = self.alarms.take(len(sent.rises), SEEN_S)
        rises = []
        for at, payload in arrived:
            key = KEY.search(payload)
            rises.append((at, "" if key is None else key[0].decode(), True))
        return rises, paired(sent.rises, rises)[1]


@dataclass(slots=True)
class Ours:
    """The daemon and its web child, journal FULL."""

    park: Park
    stream: Stream
    name: str = "ParkWatch"
    prefix: str = GATEWAY_TOPIC
    evaluated: int = 0
    over: set[str] = field(default_factory=set)

    @property
    def pids(self) -> Sequence[int]:
        return self.park.pid, self.park.web_pid

    def prime(self, load: Load) -> None:
        """No point is unknown any more, and the load tool knows which are above the limit."""
        self.evaluated += load.prime(self.prefix)
        wait_for(lambda: self.park.readings("mqtt") >= self.evaluated, 60, "all have a value")
        wait_for(self._rests, 60, "the second half of the probes is told, and no other")

    def _rests(self) -> bool:
        self._note(self.stream.take()[0])
        return self.over == {signal(i) for i in range(PROBES // 2, PROBES)}

    def _note(self, told: list[Crossing]) -> list[Crossing]:
        """Crossings by the last part of their point's id; `over` follows them."""
        seen = [(at, alarm.split("/")[-1].partition(":")[0], up) for at, alarm, up in told]
        for _, key, up in seen:
            (self.over.add if up else self.over.discard)(key)
        return seen

    def take(self, sent: Sent) -> tuple[list[Crossing], int]:
        """It also tells the falls, and every record must be in the journal as it was told."""
        until(lambda: len(self.stream) >= sent.moves, SEEN_S)
        told, records = self.stream.take()
        seen = self._note(told)
        # What followed the last crossing may still be under way.
        self.evaluated += sent.n
        until(lambda: self.park.readings("mqtt") >= self.evaluated, SEEN_S)
        lost = abs(self.park.readings("mqtt") - self.evaluated)
        wrong = paired(sorted(sent.rises + sent.falls), seen)[1]
        return [c for c in seen if c[2]], wrong + lost + self.park.missing(records)


@dataclass(slots=True)
class Rig:
    """Everything that runs while peers are compared."""

    broker: Broker
    load: Loader
    ours: Ours
    peers: dict[str, Peer] = field(default_factory=dict)


@contextlib.contextmanager
def rig(names: Sequence[str], peers: Path | None, *, secure: bool = False) -> Iterator[Rig]:
    """A broker, the load tool, a park of POINTS points, and the peers that are named.

    `peers`: the folder of deploy/get-peers; `secure`: who is compared reads and tells over TLS.
    """
    with contextlib.ExitStack() as stack:
        where = stack.enter_context(folder())
        served = stack.enter_context(broker())
        load = stack.enter_context(loader(served, POINTS))
        config = mqtt_config(served, where, POINTS, secure=secure)
        watched = stack.enter_context(park(config, where, served.ca if secure else None))
        stream = Stream(watched.data, "high")
        stack.callback(stream.close)
        made = Rig(served, load, Ours(watched, stream))
        for name in names:
            started, prefix, alarms = _start(name, served, where, peers, secure=secure)
            process = stack.enter_context(ended(started, ready=name == "naive"))
            echo = Echo(served, alarms)
            stack.callback(echo.close)
            made.peers[name] = peer = Peer(name, prefix, [process.pid], echo)
            wait_for(functools.partial(_works, load, peer), 60, f"{name} tells an alarm")
        made.ours.prime(load)
        yield made


def _works(load: Loader, peer: Peer) -> bool:
    """Whether it tells what crosses: it has subscribed."""
    sent = load.send(peer.prefix, Job(4, 2, qos=1))
    return len(peer.alarms.take(len(sent.rises), 2)) == len(sent.rises)


def _start(
    name: str, served: Broker, where: Path, peers: Path | None, *, secure: bool
) -> tuple[Tool, str, str]:
    """The process of a peer, the prefix that it reads and the topic of its alarms."""
    if name == "naive":
        made = Tool("-m", "bench.reference.naive", "127.0.0.1", str(served.port), name,
                    served.passwords[name])  # fmt: skip
        return made, "bench/in", "bench/alarm"
    assert peers is not None, f"{name} is not built"
    write = {"node-red": _node_red, "telegraf": _telegraf}[name]
    program, *arguments = write(served, where, peers, secure=secure)
    log = (where / f"{name}.log").open("wb")
    return Tool(*arguments, program=program, log=log), f"bench/{name}", f"bench/alarm-{name}"


def _node_red(served: Broker, where: Path, peers: Path, *, secure: bool) -> list[str]:
    """Its flow without editor and telemetry; the command."""
    home = where / "node-red"
    home.mkdir()
    flow = json.loads((REFERENCE / "node-red.json").read_text("utf-8"))
    for node in flow:
        if node["id"] == "broker":
            node |= {"port": str(served.secure if secure else served.port), "usetls": secure}
        if node["id"] == "tls":
            node["ca"] = str(served.ca)
    (home / "flow.json").write_text(json.dumps(flow), "utf-8")
    known = {"broker": {"user": "node-red", "password": served.passwords["node-red"]}}
    (home / "flow_cred.json").write_text(json.dumps(known), "utf-8")
    (home / "settings.js").write_text(
        "module.exports = {flowFile: 'flow.json', credentialSecret: false, httpAdminRoot: false, "
        "httpNodeRoot: false, telemetry: {enabled: false}, uiHost: '127.0.0.1', uiPort: 0, "
        "logging: {console: {level: 'info'}}};\n",
        "utf-8",
    )
    modules = peers / "node_modules"
    return [str(modules / "node/bin/node"), str(modules / "node-red/red.js"), "--userDir",
            str(home), "--settings", str(home / "settings.js")]  # fmt: skip


def _telegraf(served: Broker, where: Path, peers: Path, *, secure: bool) -> list[str]:
    """Its configuration; the command."""
    text = (REFERENCE / "telegraf.conf").read_text("utf-8")
    port, scheme = (served.secure, "ssl") if secure else (served.port, "tcp")
    for place, told in (
        ("@server@", f"{scheme}://127.0.0.1:{port}"),
        ("@password@", served.passwords["telegraf"]),
        ("@password-out@", served.passwords["telegraf-out"]),
        # Naming an authority alone makes it speak TLS.
        ("@tls@", f'tls_ca = "{served.ca}"' if secure else ""),
    ):
        text = text.replace(place, told)
    (where / "telegraf.conf").write_text(text, "utf-8")
    return [str(peers / "telegraf"), "--config", str(where / "telegraf.conf")]


def find_peers() -> Path:
    """The folder of deploy/get-peers, which builds them where there are none."""
    done = subprocess.run(
        [str(ROOT / "deploy/get-peers")], stdout=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == 0, "there are no peers: deploy/get-peers says why"
    return Path(done.stdout.strip().splitlines()[-1])
