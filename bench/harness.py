"""What counts as a result, and whether it holds: decided here and nowhere else.

A result without a check of its own output or without its reference is an error, never a number:
a fast path that lost half of its readings would otherwise look like a good one.
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.stats import Tails

TARGETS = Path(__file__).with_name("targets.toml")
NOISE_MAX = 1.5
ROUNDS_MIN, SAMPLES_MIN = 10, 10_000
EXIT_OK, EXIT_FAILS, EXIT_NO_VERDICT = 0, 1, 3
ON, OPS = ("value", "ratio", "difference"), ("<=", ">=")


class BenchError(Exception):
    """A measurement that must not become a result."""


@dataclass(frozen=True, slots=True)
class Check:
    """One fact about the output of what was measured: what was expected and what was found."""

    what: str
    expected: object
    found: object

    @property
    def ok(self) -> bool:
        return self.expected == self.found


@dataclass(frozen=True, slots=True)
class Target:
    """A number to reach. `difference` is value minus reference, in the result's unit."""

    on: str
    op: str
    bound: float

    def met(self, reached: float, slack: float | None = None) -> bool:
        """`slack`: what the reference differs from itself by; only ever widens an upper bound."""
        if self.op == ">=":
            return reached >= self.bound
        return reached <= (self.bound if slack is None else max(self.bound, slack))


@dataclass(frozen=True, slots=True)
class Measured:
    """What a group hands in. `name` finds the target, `detail` only says under what it was taken.

    `tails`: rounds of A, B, A'; value and reference are then the medians of B and A.
    `noise`: the reference against itself, for what is no tail.
    """

    name: str
    value: float
    unit: str
    reference: float | None
    checks: Sequence[Check]
    detail: str = ""
    tails: Tails | None = None
    ratio: float | None = None
    noise: float | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """One line of `--json`. `holds` is None where there is no target or no verdict."""

    group: str
    name: str
    value: float
    unit: str
    reference: float
    ratio: float
    target: Target | None
    noise: float | None
    holds: bool | None
    why: str = ""

    def line(self) -> str:
        """The line as contracts.md words it."""
        goal = self.target and {"on": self.target.on, "op": self.target.op,
                                "bound": self.target.bound}  # fmt: skip
        return json.dumps(
            {"group": self.group, "name": self.name, "value": _short(self.value),
             "unit": self.unit, "reference": _short(self.reference), "ratio": _short(self.ratio),
             "target": goal, "noise": _short(self.noise), "holds": self.holds},
            ensure_ascii=False,
        )  # fmt: skip

    @property
    def verdict(self) -> str:
        if self.target is None:
            return "-"
        if self.holds is None:
            return f"no verdict: {self.why}"
        return "holds" if self.holds else "DOES NOT HOLD"


def _short(number: float | None) -> float | None:
    return None if number is None else float(f"{number:.5g}")


def read_targets(path: Path = TARGETS) -> Mapping[tuple[str, str], Target]:
    """Targets by group and name; each says which issue asks for it, and in which words."""
    found: dict[tuple[str, str], Target] = {}
    for row in tomllib.loads(path.read_text("utf-8"))["target"]:
        key = (row["group"], row["name"])
        if not row.get("issue") or not row.get("line"):
            raise BenchError(f"target {key} names no issue or no line of it")
        if key in found or row["on"] not in ON or row["op"] not in OPS:
            raise BenchError(f"target {key} is there twice, or on or op is none of {ON} {OPS}")
        found[key] = Target(row["on"], row["op"], float(row["bound"]))
    return found


def judge(group: str, m: Measured, target: Target | None) -> Result:
    """The verdict. Raises BenchError for what must not become a result."""
    if not m.checks:
        raise BenchError(f"{m.name}: no check of its own output")
    wrong = [c for c in m.checks if not c.ok]
    if wrong:
        told = "; ".join(f"{c.what}: expected {c.expected}, found {c.found}" for c in wrong)
        raise BenchError(f"{m.name}: {told}")
    if m.reference is None or not math.isfinite(m.reference) or m.reference <= 0:
        raise BenchError(f"{m.name}: no reference")
    if not math.isfinite(m.value):
        raise BenchError(f"{m.name}: no value")
    tails, noise, ratio = m.tails, m.noise, m.ratio
    if tails is not None:
        noise, ratio = tails.noise, tails.ratio
    ratio = m.value / m.reference if ratio is None else ratio
    name = f"{m.name} ({m.detail})" if m.detail else m.name
    holds, why = (None, "") if target is None else _holds(m, target, ratio, noise)
    return Result(group, name, m.value, m.unit, m.reference, ratio, target, noise, holds, why)


def _holds(
    m: Measured, target: Target, ratio: float, noise: float | None
) -> tuple[bool | None, str]:
    tails = m.tails
    if tails is not None and (tails.rounds < ROUNDS_MIN or tails.samples < SAMPLES_MIN):
        return None, f"{tails.rounds} rounds of {tails.samples} samples in all"
    if noise is not None and not 1 / NOISE_MAX <= noise <= NOISE_MAX:
        return None, f"the reference against itself: {noise:.2f}"
    if target.on == "value":
        return target.met(m.value), ""
    if target.on == "ratio":
        return target.met(ratio, None if tails is None else tails.ratio_slack), ""
    if tails is None:
        assert m.reference is not None
        return target.met(m.value - m.reference), ""
    return target.met(tails.difference, tails.difference_slack), ""


@dataclass(slots=True)
class Report:
    """Collects the results of a run; what went wrong is counted, and the rest goes on."""

    targets: Mapping[tuple[str, str], Target]
    results: list[Result] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def add(self, group: str, measured: Measured) -> None:
        """Judge and print one result; a refused one is an error of the run."""
        target = self.targets.get((group, measured.name))
        try:
            self.results.append(judge(group, measured, target))
        except BenchError as error:
            self._error(str(error))
        else:
            print(row(self.results[-1]), flush=True)

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """One measurement: its failure is told and ends it alone."""
        print(f"-- {name}", file=sys.stderr, flush=True)
        try:
            yield
        except (BenchError, AssertionError, OSError, ValueError, KeyError) as error:
            self._error(f"{name}: {type(error).__name__}: {error}")

    def _error(self, text: str) -> None:
        self.errors.append(text)
        print(f"ERROR  {text}", flush=True)

    def write(self, path: Path) -> None:
        """The results as JSON lines."""
        path.write_text("".join(f"{r.line()}\n" for r in self.results), "utf-8")

    def summary(self) -> tuple[str, int]:
        """The last line of a run, and its exit code."""
        aimed = [r for r in self.results if r.target is not None]
        held = sum(r.holds is True for r in aimed)
        failed = sum(r.holds is False for r in aimed)
        open_ = len(aimed) - held - failed
        code = EXIT_FAILS if failed or self.errors or not self.results else EXIT_OK
        code = code or (EXIT_NO_VERDICT if open_ else EXIT_OK)
        return (
            f"{len(self.results)} results, {len(aimed)} targets: {held} hold, {failed} do not, "
            f"{open_} without verdict; {len(self.errors)} errors",
            code,
        )


HEAD = f"{'result':<66}{'value':>10} {'unit':<11}{'reference':>10}{'ratio':>8}{'noise':>7}  target"


def row(r: Result) -> str:
    """One line of the table."""
    goal = "" if r.target is None else f"{r.target.on} {r.target.op} {r.target.bound:g}: "
    noise: Any = "" if r.noise is None else f"{r.noise:.2f}"
    return (
        f"{r.name:<66}{r.value:>10.4g} {r.unit:<11}{r.reference:>10.4g}{r.ratio:>8.3g}{noise:>7}"
        f"  {goal}{r.verdict}"
    )
