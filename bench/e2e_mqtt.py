"""From an MQTT message to the committed alarm and to the console, and how many readings fit.

Rounds of N, A, B, A': the naive loop, the bare broker, the daemon, the bare broker again, with the
same messages. Both A follow a busy phase: after an idle one the first would be slower. Throughput
drains a backlog: the consumer stands still (SIGSTOP) while the broker takes the messages, so that
the tool that sends them does not compete for the two cores.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.broker import Broker, broker
from bench.harness import Check, Measured, Report
from bench.layout import DEVICE, ENTERPRISE, GATEWAY_TOPIC, POINTS, PROBES
from bench.park import Park, folder, mqtt_config, park
from bench.process import MS_PER_TICK, Tool, cpu_ms, standing, tool, wait_for
from bench.reference.echo import Echo
from bench.stats import Tails, median, paired, percentile
from bench.watch import Console, Crossing, Stream, crossings

GROUP = "e2e"
BARE, NAIVE_IN = "bench/bare", "bench/in"
SEEN_S = 30.0
SETTLE_S = 0.3


@dataclass(slots=True)
class Rig:
    """Everything that runs while MQTT is measured."""

    park: Park
    load: Tool
    naive: Tool
    stream: Stream
    console: Console
    bare: Echo
    alarms: Echo

    def cpu(self) -> dict[str, float]:
        """ms used so far."""
        daemon = cpu_ms(self.park.pid)
        both = daemon + cpu_ms(self.park.web_pid)
        return {"daemon": daemon, "both": both, "naive": cpu_ms(self.naive.pid)}


@contextlib.contextmanager
def rig() -> Iterator[Rig]:
    """A broker, a park of 1,000 MQTT points, both references and the load tool."""
    with contextlib.ExitStack() as stack:
        where: Path = stack.enter_context(folder())
        served: Broker = stack.enter_context(broker())
        user = ("127.0.0.1", str(served.port))
        watched = stack.enter_context(park(mqtt_config(served, where), where))
        load = stack.enter_context(tool("bench.load", *user, "bench", served.passwords["bench"]))
        naive = stack.enter_context(
            tool("bench.reference.naive", *user, "naive", served.passwords["naive"])
        )
        stream = Stream(watched.data)
        stack.callback(stream.close)
        console = Console(watched.http, watched.token(), None)
        stack.callback(console.close)
        bare, alarms = Echo(served, f"{BARE}/#"), Echo(served, "bench/alarm")
        stack.callback(bare.close)
        stack.callback(alarms.close)
        made = Rig(watched, load, naive, stream, console, bare, alarms)
        load.ask(kind="prime")
        wait_for(lambda: watched.readings("mqtt") >= POINTS, 30, "every point has a value")
        wait_for(lambda: console.transitions >= PROBES // 2, 30, "the first alarms are shown")
        stream.take()
        console.take()
        yield made


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast, for how many rounds, and how long each phase of a round takes.

    A phase in which less than `rate_least` of the rate was sent measures another rate: an error.
    """

    rate: int
    batch: int
    every: int
    rounds: int
    seconds: float
    bare_s: float
    rate_least: float = 0.95


@dataclass(slots=True)
class Seen:
    """What the rounds of one pace gave."""

    bare: list[float] = field(default_factory=list)
    commit: list[float] = field(default_factory=list)
    frame: list[float] = field(default_factory=list)
    naive: list[float] = field(default_factory=list)
    commit_tails: Tails = field(default_factory=lambda: Tails(99))
    frame_tails: Tails = field(default_factory=lambda: Tails(99))
    cpu: dict[str, float] = field(default_factory=lambda: {"daemon": 0, "both": 0, "naive": 0})
    sent: int = 0
    evaluated: int = 0
    naive_sent: int = 0
    wrong: int = 0
    missing: int = 0
    lost: int = 0
    slow: int = 0


def latency(report: Report, rig: Rig, pace: Pace) -> None:
    """All rounds of one pace, and their results."""
    seen = Seen()
    for _ in range(pace.rounds):
        _naive(rig, pace, seen)
        before = _bare(rig, pace, seen)
        commit, frame = _ours(rig, pace, seen)
        after = _bare(rig, pace, seen)
        seen.commit_tails.add(before, commit, after)
        seen.frame_tails.add(before, frame, after)
    _report(report, rig, pace, seen)


def _job(rig: Rig, pace: Pace, prefix: str, seconds: float, seen: Seen) -> dict[str, Any]:
    told: dict[str, Any] = rig.load.ask(
        kind="paced", prefix=prefix, rate=pace.rate, seconds=seconds, batch=pace.batch,
        every=pace.every,
    )  # fmt: skip
    seen.slow += told["rate"] < pace.rate_least * pace.rate
    return told


def _bare(rig: Rig, pace: Pace, seen: Seen) -> list[float]:
    """Publish to receive, with nothing in between."""
    told = _job(rig, pace, BARE, pace.bare_s, seen)
    arrived = rig.bare.take(len(told["sent"]), SEEN_S)
    seen.lost += len(told["sent"]) - len(arrived)
    # One publisher, one subscriber, QoS 1: the broker keeps their order.
    ms = [(at - sent) / 1e6 for sent, (at, _) in zip(told["sent"], arrived, strict=False)]
    seen.bare += ms
    return ms


def _ours(rig: Rig, pace: Pace, seen: Seen) -> tuple[list[float], list[float]]:
    """Publish to the committed record, and to the frame at the console."""
    shown, had, cpu = rig.console.transitions, rig.park.readings("mqtt"), rig.cpu()
    told = _job(rig, pace, GATEWAY_TOPIC, pace.seconds, seen)
    n = len(told["probes"])
    until(lambda: len(rig.stream) >= n and rig.console.transitions - shown >= n)
    used = rig.cpu()
    for name in ("daemon", "both"):
        seen.cpu[name] += used[name] - cpu[name]
    n = len(told["sent"]) * pace.batch
    _count(rig, had, n, seen)
    committed, records = rig.stream.take()
    sent = probes(told)
    commit, wrong = paired(sent, committed)
    frame, wrong_frames = paired(sent, crossings(rig.console.take(), ":high"))
    seen.wrong += wrong + wrong_frames
    seen.missing += rig.park.missing(records)
    seen.commit += commit
    seen.frame += frame
    return commit, frame


def _naive(rig: Rig, pace: Pace, seen: Seen) -> None:
    """Publish to the naive loop's own alarm message."""
    cpu = rig.cpu()
    told = _job(rig, pace, NAIVE_IN, max(1.0, pace.seconds / 3), seen)
    arrived = rig.alarms.take(len(told["over"]), SEEN_S)
    seen.cpu["naive"] += rig.cpu()["naive"] - cpu["naive"]
    seen.naive_sent += len(told["sent"]) * pace.batch
    seen.lost += abs(len(told["over"]) - len(arrived))
    seen.naive += [(at - s) / 1e6 for s, (at, _) in zip(told["over"], arrived, strict=False)]


def probes(told: dict[str, Any]) -> list[Crossing]:
    """What the load tool moved, as the alarms that it must cause."""
    return [(at, f"{ENTERPRISE}/{DEVICE}/{p}:high", up) for at, p, up in told["probes"]]


def until(done: Callable[[], bool], deadline_s: float = SEEN_S) -> None:
    """Wait for what must come; what did not is found by the checks, with its number."""
    end = time.monotonic() + deadline_s
    while not done() and time.monotonic() < end:
        time.sleep(0.01)


def _count(rig: Rig, had: int, n: int, seen: Seen) -> None:
    """The daemon's own count of what it evaluated; what followed the last probe may be late."""
    until(lambda: rig.park.readings("mqtt") - had >= n)
    seen.sent += n
    seen.evaluated += rig.park.readings("mqtt") - had


def _checks(rig: Rig, seen: Seen) -> list[Check]:
    return [
        Check("readings evaluated", seen.sent, seen.evaluated),
        Check("readings that the history lost", 0, rig.park.health()["history"]["lost"]),
        Check("crossings without their record or frame", 0, seen.wrong),
        Check("records that are not in journal.db", 0, seen.missing),
        Check("messages that a reference lost", 0, seen.lost),
        Check("phases that were sent too slowly", 0, seen.slow),
        Check("holes and gaps at the console", (0, 0), (rig.console.holes, rig.console.gaps)),
        Check("journal verified", expected=True, found=rig.park.verified()),
    ]


def _report(report: Report, rig: Rig, pace: Pace, seen: Seen) -> None:
    checks = _checks(rig, seen)
    at = f"{pace.rate} readings/s"

    def add(name: str, value: float, unit: str, reference: float, **more: Any) -> None:
        report.add(GROUP, Measured(name, value, unit, reference, checks, **more))

    bare = percentile(seen.bare, 50)
    add(f"MQTT to committed alarm, {at}, p50", percentile(seen.commit, 50), "ms", bare)
    tails = seen.commit_tails
    add(f"MQTT to committed alarm, {at}, p99", tails.value, "ms", tails.reference, tails=tails)
    loop = percentile(seen.naive, 99)
    add(f"MQTT to committed alarm, {at}, p99, to the naive loop's", tails.value, "ms", loop)
    add(f"MQTT to alarm frame, {at}, p50", percentile(seen.frame, 50), "ms", bare)
    tails = seen.frame_tails
    add(f"MQTT to alarm frame, {at}, p99", tails.value, "ms", tails.reference, tails=tails)
    # A naive loop that used no tick of 10 ms has no CPU to compare with.
    naive = max(seen.cpu["naive"], MS_PER_TICK) * 1000 / seen.naive_sent
    for name, who in (("daemon", "daemon"), ("both", "daemon and web")):
        used = seen.cpu[name] * 1000 / seen.sent
        add(f"CPU a reading, {who}, {at}", used, "us", naive)


# --- throughput -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Flood:
    """A backlog: messages, readings in each, and how often one crosses the limit."""

    n: int
    batch: int
    every: int

    @property
    def readings(self) -> int:
        return self.n * self.batch


@dataclass(frozen=True, slots=True)
class Drained:
    """How fast a backlog was worked off, and the CPU of it (daemon alone, daemon and web)."""

    rate: float
    cpu_us: float
    both_us: float


SINGLES, BATCHES = Flood(10_000, 1, 100), Flood(100, 1_000, 10)


def throughput(report: Report, rig: Rig, rounds: int) -> None:
    """Naive, ours, naive again with single messages; then both with batches."""
    seen = Seen()
    taken: dict[str, list[Drained]] = {k: [] for k in ("a", "ours", "a2", "batched", "columns")}
    for _ in range(rounds):
        taken["a"].append(_drain_naive(rig, SINGLES, seen))
        taken["ours"].append(_drain_ours(rig, SINGLES, seen))
        taken["a2"].append(_drain_naive(rig, SINGLES, seen))
        taken["batched"].append(_drain_ours(rig, BATCHES, seen))
        taken["columns"].append(_drain_naive(rig, BATCHES, seen))
    checks = _checks(rig, seen)

    def add(name: str, ours: str, reference: str, of: str, detail: str = "") -> None:
        b, a, a2 = ([float(getattr(d, of)) for d in taken[k]] for k in (ours, reference, "a2"))
        ratio = median([y / x for x, y in zip(a, b, strict=True)])
        noise = median([y / x for x, y in zip(a, a2, strict=True)]) if reference == "a" else None
        unit = "readings/s" if of == "rate" else "us"
        report.add(
            GROUP,
            Measured(name, median(b), unit, median(a), checks, detail, ratio=ratio, noise=noise),
        )

    add("throughput, single messages", "ours", "a", "rate")
    add("CPU a reading, single messages", "ours", "a", "both_us", "daemon and web")
    add("CPU a reading, single messages, daemon alone", "ours", "a", "cpu_us")
    add("throughput, batched", "batched", "a", "rate", "to the naive loop's singles")
    add("throughput, batched, naive loop on the same batches", "batched", "columns", "rate")
    add("CPU a reading, batched", "batched", "a", "both_us", "daemon and web")


def _fill(rig: Rig, flood: Flood, prefix: str) -> dict[str, Any]:
    told: dict[str, Any] = rig.load.ask(
        kind="flood", prefix=prefix, n=flood.n, batch=flood.batch, every=flood.every
    )
    return told


def _drained(flood: Flood, took_ns: int, cpu: Sequence[float]) -> Drained:
    n = flood.readings
    return Drained(n / (took_ns / 1e9), cpu[0] * 1000 / n, cpu[1] * 1000 / n)


def _drain_ours(rig: Rig, flood: Flood, seen: Seen) -> Drained:
    """From SIGCONT to the record of the last message's crossing."""
    had, shown = rig.park.readings("mqtt"), rig.console.transitions
    with standing(rig.park.pid):
        told = _fill(rig, flood, GATEWAY_TOPIC)
        cpu = rig.cpu()
        started = time.perf_counter_ns()
    n = len(told["probes"])
    until(lambda: len(rig.stream) >= n and rig.console.transitions - shown >= n)
    time.sleep(SETTLE_S)
    used = rig.cpu()
    committed, records = rig.stream.take()
    rig.console.take()
    _, wrong = paired(probes(told), committed)
    _count(rig, had, flood.readings, seen)
    seen.wrong += wrong
    seen.missing += rig.park.missing(records)
    last = max((at for at, _, _ in committed), default=started + 1)
    spent = [used[name] - cpu[name] for name in ("daemon", "both")]
    return _drained(flood, last - started, spent)


def _drain_naive(rig: Rig, flood: Flood, seen: Seen) -> Drained:
    """From SIGCONT to the naive loop's last alarm message."""
    with standing(rig.naive.pid):
        told = _fill(rig, flood, NAIVE_IN)
        cpu = rig.cpu()["naive"]
        started = time.perf_counter_ns()
    arrived = rig.alarms.take(len(told["over"]), SEEN_S)
    time.sleep(SETTLE_S)
    spent = rig.cpu()["naive"] - cpu
    seen.lost += abs(len(told["over"]) - len(arrived))
    last = max((at for at, _ in arrived), default=started + 1)
    return _drained(flood, last - started, [spent, spent])
