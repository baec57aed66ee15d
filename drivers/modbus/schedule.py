"""Whose turn it is on a bus: no socket, no clock of its own.

The earliest due comes first. Units that do not answer are asked more and more rarely, and only out
of a share of the bus time, so that the dead delay the living by no more than that.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from parkwatch.drivers.config import ModbusUnit

PAUSE_S_MAX = 30.0
PAUSE_S_LEAST = 0.1
SHARE = 0.08
"""Of the bus time, for waiting in vain: retries and probes of silent units."""
SAVED_TIMEOUTS = 4
"""So many timeouts may be spent at once after a quiet time: a retry is never far."""
PROBE_TIMEOUTS = 2
"""So many must be saved for a probe: what is left is for the retries of the living."""
YOUNG = 4
"""Up to so many failures a loss is young. Where most of a bus was lost at once it is the line's."""
IDLE_S_MAX = 1.0
TICK_S = 0.001


def pause_s(scan_s: float, name: str, failures: int) -> float:
    """Doubling from one scan to half a minute, spread by name: no thundering herd."""
    pause = scan_s * float(2 ** min(max(failures - 1, 0), 6))
    spread = 0.75 + _hash(name) / 2
    return min(PAUSE_S_MAX, max(PAUSE_S_LEAST, pause) * spread)


def _hash(name: str) -> float:
    return zlib.crc32(name.encode()) % 256 / 256


@dataclass(slots=True)
class _Place:
    """Where a unit stands in the order."""

    unit: ModbusUnit
    due: float
    beat: float
    busy: bool = False
    failures: int = 0

    @property
    def scan_s(self) -> float:
        return self.unit.scan_ns / 1e9


class Schedule:
    """The order of one bus. All times are loop seconds."""

    def __init__(
        self, units: Sequence[ModbusUnit], timeout_s: float, connections: int, now: float
    ) -> None:
        self._places = [_Place(u, now, now + _hash(u.id) * u.scan_ns / 1e9) for u in units]
        self._timeout_s = timeout_s
        self._share = SHARE * connections
        self._saved_s = SAVED_TIMEOUTS * timeout_s
        self._counted_at = now
        self.late_scans = 0

    def take(self, now: float) -> int | None:
        """The number of the unit whose turn it is, now busy; None where nobody is due."""
        self._save(now)
        rich = self._may_probe() or self._costs_nobody(now)
        due = [
            (place.due, n)
            for n, place in enumerate(self._places)
            if not place.busy and place.due <= now and (not place.failures or rich)
        ]
        if not due:
            return None
        _, n = min(due)
        self._places[n].busy = True
        return n

    def next_due(self, now: float) -> float:
        """When to ask again; at most IDLE_S_MAX away, because units in hand come back."""
        self._save(now)
        wait = 0.0 if self._may_probe() else self._until_probe()
        free = [p for p in self._places if not p.busy]
        at = [
            max(p.due, now + wait + TICK_S)
            if p.failures and not self._costs_nobody(max(p.due, now))
            else p.due
            for p in free
        ]
        return min([now + IDLE_S_MAX, *at])

    @property
    def dark(self) -> bool:
        """Whether no unit answers: then it is the line, and waiting delays nobody."""
        return all(place.failures for place in self._places)

    def probes(self, n: int) -> bool:
        """Whether this is a unit that did not answer last time."""
        return self._places[n].failures > 0

    def may_retry(self, now: float) -> bool:
        """Whether there is time left to wait in vain once more."""
        self._save(now)
        return self._alone() or self._saved_s >= self._timeout_s

    def waste(self, seconds: float) -> None:
        """So long somebody was waited for in vain."""
        self._saved_s -= seconds

    def forgive(self) -> None:
        """It was the line, and it is back: whom it took along is asked as soon as he is due."""
        self._saved_s = SAVED_TIMEOUTS * self._timeout_s

    def answered(self, n: int, now: float) -> None:
        """Scanned. Beats that a slow scan has missed are left out: nothing is made up for."""
        place = self._places[n]
        place.busy = False
        if place.failures:
            if self.dark or self._line_is_suspect():
                self.forgive()
            place.failures, place.beat = 0, now
        missed = max(0, math.floor((now - place.beat) / place.scan_s))
        self.late_scans += missed > 0
        place.beat += place.scan_s * (missed + 1)
        place.due = place.beat

    def lost(self, n: int, now: float) -> None:
        """It did not answer; asked again after a growing pause."""
        place = self._places[n]
        place.busy = False
        place.failures += 1
        place.due = now + pause_s(place.scan_s, place.unit.id, place.failures)

    def back(self, n: int) -> None:
        """It was not asked after all."""
        self._places[n].busy = False

    def _save(self, now: float) -> None:
        most = SAVED_TIMEOUTS * self._timeout_s
        self._saved_s = min(most, self._saved_s + self._share * (now - self._counted_at))
        self._counted_at = now

    def _alone(self) -> bool:
        """Whether there is nobody whom waiting would delay."""
        return sum(not place.failures for place in self._places) <= (len(self._places) == 1)

    def _line_is_suspect(self) -> bool:
        young = sum(0 < place.failures <= YOUNG for place in self._places)
        return young > 1 and 2 * young >= len(self._places)

    def _may_probe(self) -> bool:
        return (
            self._alone()
            or self._line_is_suspect()
            or self._saved_s >= PROBE_TIMEOUTS * self._timeout_s
        )

    def _costs_nobody(self, at: float) -> bool:
        """Whether a probe in vain at that moment is over before a living unit is due."""
        living = (place.due for place in self._places if not place.failures and not place.busy)
        return at + self._timeout_s <= min(living, default=math.inf)

    def _until_probe(self) -> float:
        return (PROBE_TIMEOUTS * self._timeout_s - self._saved_s) / self._share
