"""The KPIs of ISA-18.2 and EEMUA 191: each with value, target, verdict and who is to blame.

Bounds are domain.md's, section 4 (over at least 30 days, for one operator position).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from parkwatch.rules.grade import Grade
from parkwatch.rules.kpi.flood import STARTS_ABOVE, WINDOW_NS
from parkwatch.rules.kpi.tally import TENTH_NS, Tally, Waits
from parkwatch.rules.site import SECOND_NS

OK, AMBER, RED = "ok", "amber", "red"
HOUR_NS, DAY_NS = 3600 * SECOND_NS, 24 * 3600 * SECOND_NS
CULPRITS = 10
SPREAD = {Grade.BLUE: 80.0, Grade.YELLOW: 15.0, Grade.ORANGE: 5.0}
"""Per cent of the activations; of red less than 1."""
SPREAD_RED_MAX = 1.0
_OFF_AMBER, _OFF_RED = 5.0, 15.0

Culprits = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """One KPI. `value` is None where nothing was there to measure; `target` is a text;
    `verdict` `ok`, `amber`, `red`; `culprits` are alarms with a count, the worst first."""

    key: str
    value: float | None
    unit: str
    target: str
    verdict: str
    culprits: Culprits = ()


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """How soon alarms of a grade were acknowledged, in seconds; `worst_alarm` took the longest."""

    grade: Grade
    n: int
    median_s: float
    p90_s: float
    worst_s: float
    worst_alarm: str


def figures(tally: Tally) -> list[Figure]:
    """All KPIs with a target, of a tally that has ended."""
    total = tally.activations.total()
    span = tally.period.until - tally.period.since
    top = tuple(_most(tally.activations.items()))
    over = int((tally.windows > STARTS_ABOVE).sum())
    flooded = sum(episode.until - episode.since for episode in tally.floods)
    worst_day = max(tally.stale, key=len)
    share_top = 100 * sum(n for _, n in top) / total if total else None
    return [
        _upto("per_hour", _rate(total, span, HOUR_NS), "1/h", 6, 12),
        _upto("per_10min", _rate(total, span, WINDOW_NS), "1/10min", 1, 2),
        _upto("per_day", _rate(total, span, DAY_NS), "1/d", 144, 288),
        _below("windows_over_10", 100 * over / len(tally.windows), "%", 1, 5),
        _below("flood", 100 * flooded / span, "%", 1, 5),
        _upto("top_10", share_top, "%", 5, 15, top),
        _upto(
            "chattering", _n(tally.chattering.items()), "", 0, 3, _most(tally.chattering.items())
        ),
        _upto("fleeting", _n(tally.fleeting.items()), "", 0, 3, _most(tally.fleeting.items())),
        _below("stale", len(worst_day), "", 5, 5, [(alarm, 1) for alarm in sorted(worst_day)]),
        *_spread(tally, total),
        _upto("outside", tally.outside.total(), "", 0, 2, _most(tally.outside.items())),
    ]


def _rate(total: int, span: int, unit: int) -> float | None:
    """None where less than one unit was watched: a minute says nothing of a day."""
    return total * unit / span if span >= unit else None


def acknowledged(tally: Tally) -> list[Acknowledged]:
    """By grade, red first; what nobody has acknowledged is not in it."""
    return [_waited(grade, tally.waits[grade]) for grade in Grade if grade in tally.waits]


def _waited(grade: Grade, waits: Waits) -> Acknowledged:
    took, alarm = waits.worst
    n = waits.tenths.total()
    worst = -(-took // TENTH_NS) / 10
    return Acknowledged(grade, n, waits.at(0.5), waits.at(0.9), worst, alarm)


def _spread(tally: Tally, total: int) -> list[Figure]:
    found = []
    for grade, target in SPREAD.items():
        share = 100 * tally.grades[grade] / total if total else None
        off = abs(share - target) if share is not None else 0.0
        verdict = OK if off <= _OFF_AMBER else AMBER if off <= _OFF_RED else RED
        found.append(Figure(f"share_{grade}", share, "%", f"{target:g}", verdict))
    share = 100 * tally.grades[Grade.RED] / total if total else None
    off = max(0.0, (share or 0.0) - SPREAD_RED_MAX)
    verdict = OK if not off else AMBER if off <= _OFF_RED else RED
    return [*found, Figure("share_red", share, "%", f"<{SPREAD_RED_MAX:g}", verdict)]


def _upto(
    key: str, value: float | None, unit: str, well: float, amber: float,
    culprits: Iterable[tuple[str, int]] = (),
) -> Figure:  # fmt: skip
    """Well up to one bound, amber up to the other."""
    verdict = OK if value is None or value <= well else AMBER if value <= amber else RED
    return Figure(key, value, unit, f"≤{well:g}", verdict, tuple(culprits))


def _below(
    key: str, value: float, unit: str, well: float, amber: float,
    culprits: Iterable[tuple[str, int]] = (),
) -> Figure:  # fmt: skip
    """Well below one bound, amber up to the other."""
    verdict = OK if value < well else AMBER if value <= amber else RED
    return Figure(key, value, unit, f"<{well:g}", verdict, tuple(culprits))


def _most(counted: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """The worst ones; equal ones by name, so that a report can be compared with another."""
    return sorted(((a, n) for a, n in counted if n), key=lambda found: (-found[1], found[0]))[
        :CULPRITS
    ]


def _n(counted: Iterable[tuple[str, int]]) -> int:
    return sum(1 for _, n in counted if n)
