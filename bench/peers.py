"""Group `peers`: MQTT reading to alarm against Node-RED, Telegraf and the naive loop.

The same messages (one reading, 120 bytes) through the same broker in the same run. Flat out is as
fast as the broker takes them, which on two cores is soon the limit. So there is a backlog too: who
is measured stands still (SIGSTOP) until the broker has them all, and then has the cores alone.
Tails are rounds of A, B, A' with Node-RED as A.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass, field, replace
from typing import Any

from bench.harness import Check, Measured, Report
from bench.loader import Batcher, Job, Load
from bench.process import MS_PER_TICK, standing, tool
from bench.stats import Tails, median, paired, percentile
from bench.subjects import POINTS, Rig, Subject, cpu, find_peers, rig

GROUP = "peers"
NODE_RED, TELEGRAF, NAIVE = "node-red", "telegraf", "naive"
TITLES = {NODE_RED: "Node-RED", TELEGRAF: "Telegraf", NAIVE: "the naive loop"}
SETTLE_S = 0.3
SINGLES = Job(20_000, 100, qos=1, backlog=True)
COLUMNS = Job(200, 10, qos=1, backlog=True, batch=1_000)
RATE_LEAST = 0.95


@dataclass(slots=True)
class Seen:
    """What must be nothing at the end of a measurement."""

    wrong: dict[str, int] = field(default_factory=dict)
    slow: int = 0

    def checks(self, rig: Rig) -> list[Check]:
        """With the facts that only the park itself knows."""
        found = [
            Check(f"crossings and alarms of {name} that do not fit", 0, wrong)
            for name, wrong in self.wrong.items()
        ]
        return [
            *found,
            Check("phases that were sent too slowly", 0, self.slow),
            Check("journal verified", expected=True, found=rig.ours.park.verified()),
        ]


@dataclass(frozen=True, slots=True)
class Taken:
    """One phase of one subject: latencies of its alarms (ms), messages a second, CPU in ms."""

    ms: list[float]
    n: int
    rate: float
    cpu: float
    broker: float
    seconds: float


def take(rig: Rig, subject: Subject, job: Job, seen: Seen, load: Load | None = None) -> Taken:
    """One job, from its first message (of a backlog: from SIGCONT) to the last alarm."""
    pids, broker, send = subject.pids, [rig.broker.pid], (load or rig.load).send
    had, began = (cpu(pids), cpu(broker)), time.perf_counter_ns()
    if job.backlog:
        with standing(pids[0]):
            sent = send(subject.prefix, job)
            had, began = (cpu(pids), cpu(broker)), time.perf_counter_ns()
    else:
        sent = send(subject.prefix, job)
        seen.slow += sent.rate < RATE_LEAST * job.rate
    rises, wrong = subject.take(sent)
    last = max((at for at, _, _ in rises), default=began + 1)
    if not job.rate:
        # What came with the last message may still have work to do.
        time.sleep(SETTLE_S)
    seconds = (time.perf_counter_ns() - began) / 1e9
    used = cpu(pids) - had[0], cpu(broker) - had[1]
    seen.wrong[subject.name] = seen.wrong.get(subject.name, 0) + wrong
    ms = paired(sent.rises, rises)[0]
    return Taken(ms, sent.n, sent.n / ((last - began) / 1e9), used[0], used[1], seconds)


# --- flat out -------------------------------------------------------------------------------------


def _rate(taken: Taken) -> float:
    return taken.rate


def _cpu_us(taken: Taken) -> float:
    """Of a reading; what used no tick of 10 ms has no CPU to compare with."""
    return max(taken.cpu, MS_PER_TICK) * 1000 / taken.n


def _broker_us(taken: Taken) -> float:
    return max(taken.broker, MS_PER_TICK) * 1000 / taken.n


def flat_out(report: Report, rig: Rig, job: Job, rounds: int, label: str) -> None:
    """Rounds of every peer, ours, and every peer again."""
    seen = Seen()
    turns: dict[str, list[Taken]] = {}
    for _ in range(rounds):
        for turn in ("a", "ours", "a2"):
            for subject in [rig.ours] if turn == "ours" else list(rig.peers.values()):
                key = f"{turn} {subject.name}"
                turns.setdefault(key, []).append(take(rig, subject, job, seen))
    checks = seen.checks(rig)
    ours = turns[f"ours {rig.ours.name}"]
    detail = f"load {os.getloadavg()[0]:.1f}"
    for name in rig.peers:
        a, a2 = turns[f"a {name}"], turns[f"a2 {name}"]
        for what, unit, of in (
            (label, "msg/s", _rate),
            (f"CPU a message, {label}", "us", _cpu_us),
            (f"CPU a message of the broker, {label}", "us", _broker_us),
        ):
            x, y, x2 = ([of(t) for t in taken] for taken in (a, ours, a2))
            compared = Measured(
                f"{what}, to {TITLES[name]}", median(y), unit, median(x), checks, detail,
                ratio=median([b / (0.5 * (p + q)) for p, b, q in zip(x, y, x2, strict=True)]),
                noise=median([q / p for p, q in zip(x, x2, strict=True)]),
            )  # fmt: skip
            report.add(GROUP, compared)


def batched(report: Report, rig: Rig, rounds: int) -> None:
    """Our JSON columns against our own single messages; readings a second.

    Last of a rig: the tool in Python does not know where the one in C left the points.
    """
    seen = Seen()
    columns, singles = [], []
    user = ("127.0.0.1", str(rig.broker.port), "bench", rig.broker.passwords["bench"])
    with tool("bench.load", *user) as python:
        load = Batcher(python)
        rig.ours.prime(load)
        for _ in range(rounds):
            singles.append(take(rig, rig.ours, SINGLES, seen, load))
            columns.append(take(rig, rig.ours, COLUMNS, seen, load))
    checks, detail = seen.checks(rig), f"load {os.getloadavg()[0]:.1f}"
    for what, unit, of in (
        ("batched, flat out, to our single messages", "readings/s", _rate),
        ("CPU a reading, batched, to our single messages", "us", _cpu_us),
    ):
        x, y = ([of(t) for t in taken] for taken in (singles, columns))
        ratio = median([b / a for a, b in zip(x, y, strict=True)])
        report.add(GROUP, Measured(what, median(y), unit, median(x), checks, detail, ratio=ratio))


# --- at a rate ------------------------------------------------------------------------------------


def latency(report: Report, rig: Rig, job: Job, rounds: int) -> None:
    """Tails at a rate: Telegraf and the naive loop for a third of the time, then A, B, A'."""
    seen, tails = Seen(), Tails(99)
    ms: dict[str, list[float]] = {}
    p99: dict[str, list[float]] = {}
    alarms = 0
    first = next(iter(rig.peers.values()))
    others = [p for p in rig.peers.values() if p is not first]
    turns: tuple[Subject, ...] = (first, rig.ours, first)
    short = replace(job, n=max(1, job.n // 3))
    for _ in range(rounds):
        for peer in others:
            got = take(rig, peer, short, seen).ms
            ms.setdefault(peer.name, []).extend(got)
            p99.setdefault(peer.name, []).append(percentile(got, 99))
        a, b, a2 = (take(rig, s, job, seen).ms for s in turns)
        tails.add(a, b, a2)
        ms.setdefault(first.name, []).extend(a)
        ms.setdefault(rig.ours.name, []).extend(b)
        alarms += len(b)
    checks = seen.checks(rig)
    at = f"{job.rate:,.0f}/s"
    detail = f"{alarms} alarms, load {os.getloadavg()[0]:.1f}"
    ours = percentile(ms[rig.ours.name], 50)

    def add(what: str, value: float, reference: float, **more: Any) -> None:
        name = f"MQTT to alarm, {at}, {what}"
        report.add(GROUP, Measured(name, value, "ms", reference, checks, detail, **more))

    title = TITLES[first.name]
    add(f"p99, to {title}", tails.value, tails.reference, tails=tails)
    add("p99", tails.value, tails.reference, tails=tails)
    for name in rig.peers:
        add(f"p50, to {TITLES[name]}", ours, percentile(ms[name], 50))
    for name, found in p99.items():
        add(f"p99, to {TITLES[name]}", tails.value, median(found))


def steady(report: Report, rig: Rig, job: Job, rounds: int) -> None:
    """Every point once a second, one message each: how much of a core that takes."""
    seen = Seen()
    shares: dict[str, list[float]] = {}
    subjects: list[Subject] = [*rig.peers.values(), rig.ours]
    for _ in range(rounds):
        for subject in subjects:
            taken = take(rig, subject, job, seen)
            used = max(taken.cpu, MS_PER_TICK)
            shares.setdefault(subject.name, []).append(used / 10 / taken.seconds)
            broker = max(taken.broker, MS_PER_TICK)
            shares.setdefault(f"broker {subject.name}", []).append(broker / 10 / taken.seconds)
    checks = seen.checks(rig)
    what, ours = f"{POINTS:,} points at 1 Hz, share of a core", median(shares[rig.ours.name])
    detail = f"load {os.getloadavg()[0]:.1f}"

    def add(name: str, value: float, reference: float) -> None:
        report.add(GROUP, Measured(name, value, "%", reference, checks, detail))

    first = next(iter(rig.peers))
    add(what, ours, median(shares[first]))
    for name in rig.peers:
        add(f"{what}, to {TITLES[name]}", ours, median(shares[name]))
    name = f"{what}, the broker's, to that under {TITLES[first]}"
    add(name, median(shares[f"broker {rig.ours.name}"]), median(shares[f"broker {first}"]))


# --- the group ------------------------------------------------------------------------------------

FLOOD, LIVE = Job(100_000, 100), Job(50_000, 25, rate=5_000)
STEADY = Job(100_000, 100, rate=5_000)
QUICK_FLOOD, QUICK_LIVE = Job(20_000, 100), Job(10_000, 25, rate=5_000)
QUICK_STEADY = Job(10_000, 100, rate=5_000)


def run(report: Report, options: argparse.Namespace) -> None:
    """Everything of the group, part by part."""
    quick = options.quick
    peers = find_peers()
    flood = QUICK_FLOOD if quick else FLOOD
    rounds, few = (1, 1) if quick else (5, 3)
    with report.part("peers"), rig((NODE_RED, TELEGRAF, NAIVE), peers) as plain:
        with report.part("flat out"):
            flat_out(report, plain, flood, rounds, "flat out")
        for job, label in (
            (replace(flood, backlog=True), "backlog"),
            (replace(flood, qos=1), "flat out, QoS 1"),
        ):
            with report.part(label):
                flat_out(report, plain, job, few, label)
        with report.part("5,000 messages a second"):
            latency(report, plain, QUICK_LIVE if quick else LIVE, 2 if quick else 10)
        with report.part(f"{POINTS:,} points at 1 Hz"):
            steady(report, plain, QUICK_STEADY if quick else STEADY, 1 if quick else 3)
        with report.part("batched"):
            batched(report, plain, few)
    with report.part("TLS"), rig((NODE_RED, TELEGRAF), peers, secure=True) as secure:
        flat_out(report, secure, flood, few, "flat out, TLS")
