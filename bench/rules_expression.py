"""What an expression costs: over columns of 10,000 points, and once over three values."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from bench.harness import Check, Report
from bench.rules_turns import Compared, alternate, frozen
from parkwatch.rules.expression import Program, Quantity, parse

GROUP = "rules"
TEXT = "a - b > 5 and (a + b + c) / 3 >= 20"
N = 10_000


def plain(a: float, b: float, c: float) -> float:
    """The same by hand; UNKNOWN is NaN and an `and` of something FALSE is FALSE."""
    spread, mean = a - b, (a + b + c) / 3
    if spread <= 5 or mean < 20:
        return 0.0
    return math.nan if math.isnan(spread) or math.isnan(mean) else 1.0


def plain_columns(a: Sequence[float], b: Sequence[float], c: Sequence[float]) -> list[float]:
    return [plain(x, y, z) for x, y, z in zip(a, b, c, strict=True)]


def measure(report: Report, rounds: int) -> None:
    """Both, beside the same in plain Python."""
    program = parse(TEXT, {name: Quantity() for name in "abc"})
    rng = np.random.default_rng(3)
    a, b, c = (rng.uniform(0, 40, N) for _ in range(3))
    a[::97] = math.nan
    columns = [{"a": a, "b": b, "c": c}[name] for name in program.names]
    lists = a.tolist(), b.tolist(), c.tolist()
    wanted = np.array(plain_columns(*lists))
    found = np.asarray(program.vector(columns), np.float64)
    checks = [
        Check("points", N, len(found)),
        Check("points whose result differs", 0, _differ(found, wanted)),
        Check("TRUE, FALSE and UNKNOWN among them", 3, len(np.unique(wanted))),
    ]
    with frozen():
        compared = alternate(
            lambda: plain_columns(*lists), lambda: program.vector(columns), rounds, (3, 100)
        )
        _add(report, compared, f"expression, {N:,} points", checks)
        _scalar(report, rounds, program, list(zip(*lists, strict=True))[:500])


def _scalar(
    report: Report, rounds: int, program: Program, rows: Sequence[tuple[float, float, float]]
) -> None:
    order = ["abc".index(name) for name in program.names]
    named = [[row[i] for i in order] for row in rows]
    wanted = np.array([plain(*row) for row in rows])
    found = np.array([program.scalar(row) for row in named], np.float64)
    checks = [Check("results that differ", 0, _differ(found, wanted))]

    def reference() -> None:
        for row in rows:
            plain(*row)

    def ours() -> None:
        scalar = program.scalar
        for row in named:
            scalar(row)

    _add(report, alternate(reference, ours, rounds), "expression, 3 points", checks, len(rows))


def _add(report: Report, ns: Compared, name: str, checks: Sequence[Check], calls: int = 1) -> None:
    us = Compared(ns.value / calls / 1e3, ns.reference / calls / 1e3, ns.ratio, ns.noise)
    report.add(GROUP, us.measured(name, "us", checks))


def _differ(found: np.ndarray, wanted: np.ndarray) -> int:
    same = (found == wanted) | (np.isnan(found) & np.isnan(wanted))
    return int((~same).sum())
