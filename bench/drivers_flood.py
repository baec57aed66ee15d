"""One enterprise floods: how long do the others wait for their alarms?

Two enterprises on one broker and one daemon. A: both send the same; B: one sends ten times as much;
A' as A. Measured are the other one's alarms, from its message to the committed record.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.broker import Broker, broker
from bench.harness import Check, Measured, Report
from bench.layout import DEVICE, ENTERPRISE, GATEWAY, GATEWAY_TOPIC, POINTS, PROBES
from bench.park import Park, folder, mqtt_config, park
from bench.process import Tool, tool, wait_for
from bench.stats import Tails, paired, percentile
from bench.watch import Crossing, Stream

GROUP = "drivers"
FLOODER = "flood"
RATE, EVERY, TIMES = 100, 1, 10
SECONDS, ROUNDS = 5.0, 10
SEEN_S = 60.0
MORE = f"""[enterprise.{FLOODER}]
name = "洪水化工"
[zone.tank-f]
enterprise = "{FLOODER}"
name = "罐区F"
"""


def config(served: Broker, where: Path) -> str:
    """The park of the bench, and the same gateway once more at another enterprise."""
    first = mqtt_config(served, where)
    link, mark, device = first.partition("[[device]]")
    second = mark + device.replace(f'"{ENTERPRISE}"', f'"{FLOODER}"')
    second = second.replace(f'"{ENTERPRISE}/', f'"{FLOODER}/').replace('"tank-a"', '"tank-f"')
    return link + MORE + mark + device + second


@dataclass(slots=True)
class Rig:
    """Everything that runs, and what it has told so far."""

    park: Park
    quiet: Tool
    flood: Tool
    stream: Stream
    sent: int = 0
    wrong: int = 0
    missing: int = 0
    slow: int = 0
    samples: dict[int, list[float]] = field(default_factory=lambda: {1: [], TIMES: []})

    def phase(self, times: int) -> list[float]:
        """Both send, the flooder so many times as much; ms of the quiet one's alarms."""
        common = {"kind": "paced", "seconds": SECONDS, "batch": 1}
        had = self.park.readings("mqtt")
        flooding = {"prefix": f"park/{FLOODER}/{GATEWAY}", "rate": RATE * times, "every": 10_000}
        self.flood.tell(**common, **flooding)
        told = self.quiet.ask(**common, prefix=GATEWAY_TOPIC, rate=RATE, every=EVERY)
        other = json.loads(self.flood.line())
        n = len(told["sent"]) + len(other["sent"])
        self.sent += n
        self.slow += told["rate"] < 0.95 * RATE or other["rate"] < 0.95 * RATE * times
        wait_for(lambda: self.park.readings("mqtt") - had >= n, SEEN_S, "all are evaluated")
        moved: list[Crossing] = [
            (at, f"{ENTERPRISE}/{DEVICE}/{p}:high", up) for at, p, up in told["probes"]
        ]
        crossings = len(moved) + len(other["probes"])
        wait_for(lambda: len(self.stream) >= crossings, SEEN_S, "all alarms are committed")
        time.sleep(0.3)
        committed, records = self.stream.take()
        ms, wrong = paired(moved, [c for c in committed if c[1].startswith(f"{ENTERPRISE}/")])
        self.wrong += wrong
        self.missing += self.park.missing(records)
        self.samples[times] += ms
        return ms


@contextlib.contextmanager
def rig() -> Iterator[Rig]:
    """A broker, the park, a load tool for each enterprise; every point has a value."""
    with contextlib.ExitStack() as stack:
        where = stack.enter_context(folder())
        served = stack.enter_context(broker())
        watched = stack.enter_context(park(config(served, where), where))
        user = ("127.0.0.1", str(served.port), "bench", served.passwords["bench"])
        quiet, flood = (stack.enter_context(tool("bench.load", *user)) for _ in range(2))
        stream = Stream(watched.data, "high")
        stack.callback(stream.close)
        quiet.ask(kind="prime")
        flood.ask(kind="prime", prefix=f"park/{FLOODER}/{GATEWAY}")
        wait_for(lambda: watched.readings("mqtt") >= 2 * POINTS, 30, "every point has a value")
        # Half of the probes of each begin above their limit.
        wait_for(lambda: len(stream) >= PROBES, 30, "the first alarms are committed")
        stream.take()
        made = Rig(watched, quiet, flood, stream)
        made.phase(1)
        made.samples[1].clear()
        yield made


def measure(report: Report, *, quick: bool) -> None:
    """All rounds, and the result."""
    tails = Tails(99)
    with rig() as made:
        before = made.park.readings("mqtt") - made.sent
        for _ in range(1 if quick else ROUNDS):
            tails.add(made.phase(1), made.phase(TIMES), made.phase(1))
        checks = [
            Check("readings evaluated", made.sent, made.park.readings("mqtt") - before),
            Check("crossings without their record", 0, made.wrong),
            Check("records that are not in journal.db", 0, made.missing),
            Check("readings that the history lost", 0, made.park.health()["history"]["lost"]),
            Check("phases that were sent too slowly", 0, made.slow),
            Check("journal verified", expected=True, found=made.park.verified()),
        ]
    name = f"an enterprise's alarms while another sends {TIMES} times as much"
    medians = [percentile(made.samples[times], 50) for times in (TIMES, 1)]
    report.add(GROUP, Measured(f"{name}, p50", medians[0], "ms", medians[1], checks))
    report.add(
        GROUP, Measured(f"{name}, p99", tails.value, "ms", tails.reference, checks, tails=tails)
    )
