"""Wisdom of neighbours: a detector that drifts from its zone, or does not move when it does.

Drift, poisoning and a blocked inlet show as distance from the others over an hour. That marks the
detector doubtful and raises a blue maintenance alarm with the evidence; it suppresses nothing, and
it says nothing while a limit of the detector is reached (then the others may be wrong).
"""

from __future__ import annotations

from collections.abc import Sequence

from parkwatch.rules.grade import Grade
from parkwatch.rules.measures import Apart
from parkwatch.rules.site import SECOND_NS, Limit, Point

WINDOW_NS = 3600 * SECOND_NS
LEAST = 3
"""So many physical detectors of a gas in a zone can tell which of them is alone."""
SHARE, STEPS = 0.05, 3
CLAUSE = "ParkWatch (D): 5 % of span off the zone for an hour"


def limits(points: Sequence[Point]) -> list[Limit]:
    """One blue deviation limit for each gas detector whose zone has enough others."""
    zones: dict[tuple[str, str], dict[str, Point]] = {}
    for point in points:
        if point.gas:
            heads = zones.setdefault((point.zone, point.gas), {})
            heads.setdefault(point.head or point.id, point)
    found = []
    for heads in zones.values():
        members = list(heads.values())
        if len(members) < LEAST or len({p.unit for p in members}) > 1:
            continue
        for point in members:
            peers = tuple(p.index for p in members if p is not point)
            distance = max(SHARE * point.span, STEPS * point.resolution)
            found.append(
                Limit(
                    point.index, "deviation", 1, "high", distance, Grade.BLUE, distance / 5,
                    clause=CLAUSE, measure=Apart(point.index, peers, WINDOW_NS),
                    kind="neighbours", yields=True, name="neighbours",
                )
            )  # fmt: skip
    return found
