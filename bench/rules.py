"""Group `rules`: what a reading, an expression and a snapshot cost the rule engine, in one process.

A plain Python loop, the engine and a numba kernel do the same work in turns; each result is checked
against what the others told, and nothing is compared across processes.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager

from bench import rules_expression, rules_feed, rules_snapshot
from bench.harness import BenchError, Report
from bench.rules_feed import Size

SIZES = (Size(1, 1_000, 50, 21), Size(100, 100, 5, 21), Size(10_000, 8, 1, 21))
LARGEST = (Size(100_000, 2, 1, 9),)
QUICK_SIZES = (Size(1, 500, 50, 7), Size(100, 50, 5, 5), Size(10_000, 5, 1, 5))
QUICK_LARGEST = (Size(100_000, 1, 1, 3),)
BUSY_POINTS, QUICK_BUSY_POINTS = 33_334, 3_334
FEW, MANY, QUICK_MANY = 10_000, 1_000_000, 50_000


def run(report: Report, options: argparse.Namespace) -> None:
    """Everything of the group, part by part."""
    quick = options.quick
    print(f"load {_load()}", flush=True)
    with _part(report, "batches of 10,000 points"):
        rules_feed.batches(report, FEW, QUICK_SIZES if quick else SIZES, 40, silence=True)
    with _part(report, "batches of 100,000 points"):
        rules_feed.batches(report, 100_000, QUICK_LARGEST if quick else LARGEST, 3 if quick else 10)
    with _part(report, "configured points"):
        rules_feed.configured(report, QUICK_MANY if quick else MANY, 3 if quick else 11)
    with _part(report, "expressions"):
        rules_expression.measure(report, 5 if quick else 21)
    with _part(report, "snapshot"):
        rules_snapshot.measure(
            report, QUICK_BUSY_POINTS if quick else BUSY_POINTS, 3 if quick else 9
        )
    print(f"load {_load()}", flush=True)


@contextmanager
def _part(report: Report, name: str) -> Iterator[None]:
    """A part whose subject is not finished is an error of the run, and the others go on."""
    with report.part(name):
        try:
            yield
        except (RuntimeError, TypeError, AttributeError, IndexError) as error:
            raise BenchError(f"{type(error).__name__}: {error}") from error


def _load() -> str:
    return " ".join(f"{x:.1f}" for x in os.getloadavg())
