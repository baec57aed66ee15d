"""The load tool in C (`load.c`), built when it is needed: at 5,000 messages a second one in Python
takes half a core from what it measures."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.broker import Broker
from bench.layout import DEVICE, POINTS, PROBES, signal
from bench.process import Tool, ended
from bench.watch import Crossing

SOURCE = Path(__file__).with_name("load.c")


@dataclass(frozen=True, slots=True)
class Job:
    """`n` messages, every `every`-th of which crosses the limit, one to each side by turns.

    `rate`: messages a second; 0 is as fast as the broker takes them. `backlog`: whoever reads them
    stands still until the broker has them all. `batch`: readings in each message.
    """

    n: int
    every: int
    qos: int = 0
    rate: float = 0.0
    backlog: bool = False
    batch: int = 1


@dataclass(frozen=True, slots=True)
class Sent:
    """What a job sent: readings, the crossings with the moment before each was handed over (ns),
    and messages a second."""

    n: int
    rises: list[Crossing]
    falls: list[Crossing]
    rate: float

    @property
    def moves(self) -> int:
        return len(self.rises) + len(self.falls)


class Load(Protocol):
    """Somebody who sends readings below a prefix, each point's topics and names as in layout.py."""

    def prime(self, prefix: str) -> int:
        """Show every point of it once; how many there are."""
        ...

    def send(self, prefix: str, job: Job) -> Sent:
        """Until the broker has confirmed the last message."""
        ...


class Loader:
    """The running tool in C: single messages."""

    def __init__(self, tool: Tool) -> None:
        self._tool = tool

    def prime(self, prefix: str) -> int:
        self._tool.say(f"prime {prefix}")
        return int(json.loads(self._tool.line())["n"])

    def send(self, prefix: str, job: Job) -> Sent:
        assert job.batch == 1, "the tool in C knows single messages"
        self._tool.say(f"send {prefix} {job.qos} {job.n} {job.every} {job.rate:g}")
        told = json.loads(self._tool.line())
        rises, falls = (
            [(at, signal(index), up) for at, index in told[name]]
            for name, up in (("rises", True), ("falls", False))
        )
        return Sent(told["n"], rises, falls, told["rate"])


class Batcher:
    """`bench.load`: messages of many readings, at QoS 1 and as fast as the broker takes them."""

    def __init__(self, tool: Tool) -> None:
        self._tool = tool

    def prime(self, prefix: str) -> int:
        self._tool.ask(kind="prime", prefix=prefix)
        return POINTS

    def send(self, prefix: str, job: Job) -> Sent:
        assert job.qos == 1, "the tool in Python sends at QoS 1"
        told = self._tool.ask(
            kind="flood", prefix=prefix, n=job.n, batch=job.batch, every=job.every
        )
        rises, falls = ([tuple(p) for p in told["probes"] if p[2] is up] for up in (True, False))
        return Sent(job.n * job.batch, rises, falls, 0.0)


@contextlib.contextmanager
def loader(broker: Broker, points: int) -> Iterator[Loader]:
    """From its build (half a second) to its end."""
    with tempfile.TemporaryDirectory(prefix="parkwatch-bench-load-") as folder:
        program = f"{folder}/load"
        subprocess.run(
            ["gcc", "-std=c11", "-O2", "-o", program, str(SOURCE)],
            check=True,
        )
        made = Tool(
            "127.0.0.1", str(broker.port), "bench", broker.passwords["bench"], DEVICE,
            str(points), str(PROBES), program=program,
        )  # fmt: skip
        with ended(made) as tool:
            yield Loader(tool)
