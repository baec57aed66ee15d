"""Numbers from samples: percentiles, and tails compared as A, B, A' (contracts.md); pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

K = TypeVar("K")


def percentile(samples: Sequence[float], q: float) -> float:
    """The sample at or above `q` percent of the others: one that was seen, nothing between two."""
    return float(np.percentile(np.asarray(samples, dtype=float), q, method="higher"))


def median(samples: Sequence[float]) -> float:
    return float(np.median(np.asarray(samples, dtype=float)))


@dataclass(slots=True)
class Tails:
    """The same percentile of A (reference), B (ours) and A' (reference again), round by round."""

    q: float
    before: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)
    samples: int = 0

    def add(self, a: Sequence[float], b: Sequence[float], a2: Sequence[float]) -> None:
        """One round."""
        self.before.append(percentile(a, self.q))
        self.ours.append(percentile(b, self.q))
        self.after.append(percentile(a2, self.q))
        self.samples += len(a) + len(b) + len(a2)

    @property
    def rounds(self) -> int:
        return len(self.ours)

    @property
    def value(self) -> float:
        return median(self.ours)

    @property
    def reference(self) -> float:
        return median(self.before)

    @property
    def ratio(self) -> float:
        return median([b / a for a, b in zip(self.before, self.ours, strict=True)])

    @property
    def noise(self) -> float:
        return median([a2 / a for a, a2 in zip(self.before, self.after, strict=True)])

    @property
    def ratio_slack(self) -> float:
        return percentile([a2 / a for a, a2 in zip(self.before, self.after, strict=True)], 90)

    @property
    def difference(self) -> float:
        return median([b - a for a, b in zip(self.before, self.ours, strict=True)])

    @property
    def difference_slack(self) -> float:
        return percentile([a2 - a for a, a2 in zip(self.before, self.after, strict=True)], 90)


def paired(
    sent: Sequence[tuple[int, K, bool]], seen: Sequence[tuple[int, K, bool]]
) -> tuple[list[float], int]:
    """Milliseconds from each change to its sight, and how many have no partner.

    Changes of one key are paired in their order, which must agree on the direction: a lost or
    doubled one shows as a pair that does not fit.
    """
    waiting: dict[K, list[tuple[int, bool]]] = {}
    for at, key, up in sent:
        waiting.setdefault(key, []).append((at, up))
    found: dict[K, list[tuple[int, bool]]] = {}
    for at, key, up in seen:
        found.setdefault(key, []).append((at, up))
    ms, wrong = [], 0
    for key in waiting.keys() | found.keys():
        own, other = waiting.get(key, []), found.get(key, [])
        wrong += abs(len(own) - len(other))
        for (at, up), (later, up2) in zip(own, other, strict=False):
            wrong += up != up2
            ms.append((later - at) / 1e6)
    return ms, wrong
