"""Devices of every equipment model for the tests, and their limits as a table people can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from parkwatch.rules.batch import Batch
from parkwatch.rules.engine import Engine
from parkwatch.rules.equipment import Expansion, expand
from parkwatch.rules.measures import Age, Formula
from parkwatch.rules.quality import GOOD
from parkwatch.rules.site import SECOND_NS, Device, Limit, Point, Site, Zone
from parkwatch.rules.transition import Transition

S = SECOND_NS
T0 = 1_000 * S
Spec = Mapping[str, Mapping[str, object]]

LEL: Mapping[str, object] = {"unit": "%LEL", "gas": "CH4", "resolution": 1.0}
O2: Mapping[str, object] = {"unit": "%vol", "gas": "O2", "high": 30.0, "resolution": 0.1}
STATE: Mapping[str, object] = {"unit": "", "kind": "state", "high": 1.0}
KPA: Mapping[str, object] = {
    "unit": "kPa", "kind": "pressure", "high": 2500.0, "resolution": 1.0
}  # fmt: skip
MM: Mapping[str, object] = {
    "unit": "mm", "kind": "level", "low": -200.0, "high": 200.0, "resolution": 1.0
}  # fmt: skip

NAMEPLATE = {"p_work": 1000.0, "p_sv_set": 1350.0, "p_design": 1600.0}
LEVELS = {
    "level_extreme_low": -75.0, "level_low": -50.0, "level_high": 50.0, "level_extra_high": 75.0
}  # fmt: skip
DEVICES: Mapping[str, tuple[Spec, Mapping[str, float]]] = {
    "detector": (
        {
            "gas-01": LEL, "panel-al1-01": STATE, "panel-al2-01": STATE,
            "gas-02": LEL,
            "gas-03": O2, "panel-al1-03": STATE, "panel-al2-03": STATE, "panel-high-03": STATE,
            "gas-04": {**LEL, "unit": "LEL.m", "high": 5.0, "resolution": 0.1},
            "panel-al2-04": STATE,
        },
        {"al1-02": 20.0, "al2-02": 40.0, "al1-04": 1.0, "al2-04": 2.0, "panel_latches-04": 1.0},
    ),
    "boiler": (
        {
            "drum-level": MM, "drum-pressure": KPA, "flame-fail": STATE,
            "fuel-valve-closed": STATE, "low-water-trip": STATE, "feed-water-pressure": KPA,
        },
        {**NAMEPLATE, **LEVELS, "p_feed_low": 1100.0},
    ),
    "vessel": ({"pressure": KPA}, NAMEPLATE),
    "esd": (
        {
            "trip-201": STATE, "trip-202": STATE, "bypass-201": STATE, "bypass-202": STATE,
            "valve-command-xv1": STATE, "valve-feedback-xv1": STATE,
            "valve-command-xv2": STATE, "valve-feedback-xv2": STATE,
            "solver-health": STATE, "voted-pt1-a": KPA, "voted-pt1-b": KPA, "voted-pt1-c": KPA,
            "voted-tt1-a": KPA, "voted-tt1-b": KPA,
        },
        {"bypass_max_h-202": 2.0, "travel_s-xv2": 30.0, "deviation-pt1": 50.0},
    ),
    "confined": (
        {
            "test-o2": O2, "test-lel": LEL,
            "test-h2s": {"unit": "ppm", "gas": "H2S", "high": 50.0, "resolution": 0.1},
            "work": STATE, "permit": STATE,
        },
        {"lel-lel": 4.4},
    ),
}  # fmt: skip


def points(spec: Spec) -> dict[str, Point]:
    """Points by role; the role is the signal."""
    return {
        role: Point(
            id=f"hd/x-1/{role}", index=index, tag=role.upper(), enterprise="hd", device="hd/x-1",
            zone="hd/unit", stale_ns=10**18, **more,  # type: ignore[arg-type]
        )
        for index, (role, more) in enumerate(spec.items())
    }  # fmt: skip


def expanded(model: str, *, without: Sequence[str] = (), **plate: float | None) -> Expansion:
    """The model's device, less some roles, with other plate figures (None: not declared)."""
    spec, figures = DEVICES[model]
    found = points({role: more for role, more in spec.items() if role not in without})
    merged = {k: v for k, v in (dict(figures) | plate).items() if v is not None}
    return expand(model, "hd/x-1", found, merged)


def table(expansion: Expansion, by_role: Mapping[str, Point]) -> str:
    """One limit a line, then one refusal a line."""
    ids = {point.index: point.id.removeprefix("hd/") for point in by_role.values()}
    lines = [
        "alarm | level side limit deadband | on/off s | grade flags | kind | measure [if enable] | "
        "clause"
    ]
    lines += sorted(_line(limit, ids) for limit in expansion.limits)
    lines += [f"{r.code} {r.what} -> {r.fix}" for r in expansion.refusals]
    return "\n".join(lines) + "\n"


def _line(limit: Limit, ids: Mapping[int, str]) -> str:
    flags = [word for word in ("latch", "votes") if getattr(limit, word)]
    flags += [f"first-out {limit.first_out}"] if limit.first_out else []
    enable = f" [if {_measure(limit.enable, ids)}]" if limit.enable else ""
    kind = f"{limit.kind} ({limit.name})" if limit.name else limit.kind
    return " | ".join(
        (
            limit.alarm.removeprefix("hd/") or f"{ids[limit.point]}:{limit.group}",
            f"{limit.level} {limit.side} {limit.limit:g} {limit.deadband:g}",
            f"{limit.on_delay_ns / S:g}/{limit.off_delay_ns / S:g}",
            " ".join((str(limit.grade), *flags)),
            kind,
            _measure(limit.measure, ids) + enable,
            limit.clause,
        )
    )


def _measure(measure: object, ids: Mapping[int, str]) -> str:
    if measure is None:
        return "value"
    if isinstance(measure, Age):
        return f"age of {ids[measure.point]}, min"
    assert isinstance(measure, Formula)
    names = ", ".join(
        f"{name}={ids[p].removeprefix('x-1/')}"
        for name, p in zip(measure.program.names, measure.points, strict=True)
    )
    return f"{measure.program.text} ({names})" if names else measure.program.text


class Bench:
    """An engine over one expanded device, read by role."""

    def __init__(self, model: str, **plate: float | None) -> None:
        self.points = points(DEVICES[model][0])
        found = expanded(model, **plate)
        self.engine = Engine(
            Site(
                points=list(self.points.values()), zones={"hd/unit": Zone("hd/unit", "hd", "u")},
                devices={"hd/x-1": Device("hd/x-1", "hd")}, limits=found.limits,
            ),
            T0,
        )  # fmt: skip
        self.said: list[Transition] = []

    def read(self, at: float, values: Mapping[str, float], quality: int = GOOD) -> None:
        """Readings at `at` seconds after T0."""
        n = len(values)
        stamps = np.full(n, T0 + round(at * S), dtype=np.int64)
        # Formulas are judged when the moment is over.
        after = T0 + round(at * S) + 1
        self.said += self.engine.feed(
            Batch(
                np.array([self.points[role].index for role in values], dtype=np.int32),
                np.array(list(values.values()), dtype=float),
                np.full(n, quality, dtype=np.uint8), stamps, stamps, "live",
            )
        )  # fmt: skip
        self.said += self.engine.advance(after)

    def wait(self, at: float) -> None:
        self.said += self.engine.advance(T0 + round(at * S))

    def told(self) -> list[tuple[str, str, str]]:
        """(alarm, event, grade) since the last look."""
        found = [(t.alarm.removeprefix("hd/"), t.event, str(t.grade)) for t in self.said]
        self.said = []
        return [(alarm.removeprefix("x-1/"), event, grade) for alarm, event, grade in found]
