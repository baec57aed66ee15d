"""Group `e2e`: the whole way, from the wire to the journal and the console, at three rates."""

from __future__ import annotations

import argparse

from bench import e2e_modbus, e2e_mqtt, e2e_start
from bench.e2e_modbus import TEN, TEN_THOUSAND, THOUSAND, Field
from bench.e2e_mqtt import Pace
from bench.harness import Report

# The middle one has a target: ten rounds of well over 10,000 samples in all.
PACES = (
    Pace(rate=10, batch=1, every=1, rounds=2, seconds=8, bare_s=3),
    Pace(rate=1_000, batch=1, every=10, rounds=10, seconds=6, bare_s=1),
    Pace(rate=10_000, batch=100, every=1, rounds=3, seconds=4, bare_s=2),
)
QUICK_PACES = (
    Pace(rate=10, batch=1, every=1, rounds=1, seconds=2, bare_s=1),
    Pace(rate=1_000, batch=1, every=10, rounds=2, seconds=2, bare_s=1),
    Pace(rate=10_000, batch=100, every=1, rounds=1, seconds=2, bare_s=1),
)
QUICK_FIELD = Field(10, 100, 40, 5)
MINUTES = 0.5


def run(report: Report, options: argparse.Namespace) -> None:
    """Everything of the group, part by part."""
    quick = options.quick
    minutes = options.minutes or (0.1 if quick else MINUTES)
    with report.part("help"):
        e2e_start.help_text(report, 5 if quick else 21)
    with report.part("demo"):
        e2e_start.demo(report)
    for layout in (QUICK_FIELD,) if quick else (TEN, THOUSAND, TEN_THOUSAND):
        with report.part(f"Modbus, {layout.points} channels"):
            e2e_modbus.measure(report, layout, minutes if layout.points == 1_000 else None)
    with report.part("MQTT"), e2e_mqtt.rig() as rig:
        # First, while no backlog of messages to people is left by the thousands of alarms below.
        with report.part("throughput"):
            e2e_mqtt.throughput(report, rig, 1 if quick else 5)
        for pace in QUICK_PACES if quick else PACES:
            with report.part(f"MQTT, {pace.rate} readings/s"):
                e2e_mqtt.latency(report, rig, pace)
