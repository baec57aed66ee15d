"""Flood: more than 10 annunciations within 10 min begin one, fewer than 5 end it (ISA-18.2)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from parkwatch.rules.site import SECOND_NS

WINDOW_NS = 600 * SECOND_NS
STARTS_ABOVE = 10
ENDS_BELOW = 5


@dataclass(frozen=True, slots=True)
class Episode:
    """A flood from `since` until `until` (engine time in ns; 0: it still runs) with its `most`
    annunciations in one window."""

    since: int
    until: int
    most: int


class Flood:
    """A sliding window over annunciations; what happened at T leaves it at T + WINDOW_NS.

    Its state follows from the times alone. One that begins with an empty window in the middle is
    `settled` once it is sure: earlier annunciations could no longer change what it says.
    """

    def __init__(self, begins: int = 0) -> None:
        """`begins`: the engine time in ns from which every annunciation is told."""
        self._window: deque[int] = deque()
        self._sure_from = begins + WINDOW_NS if begins else 0
        self._most = 0
        self.settled = not begins
        self.since = 0

    @property
    def on(self) -> bool:
        """Whether a flood runs."""
        return self.since > 0

    @property
    def count(self) -> int:
        """Annunciations of the window."""
        return len(self._window)

    def note(self, at: int) -> Episode | None:
        """An annunciation, in the order of time; the flood that had ended before it, if any."""
        ended = self.advance(at)
        self._window.append(at)
        if self.on:
            self._most = max(self._most, self.count)
        elif self.count > STARTS_ABOVE:
            self.since, self._most, self.settled = at, self.count, True
        return ended

    def advance(self, now: int) -> Episode | None:
        """Time goes on; the flood that ended meanwhile, with the exact moment."""
        ended = None
        while self._window and self._window[0] + WINDOW_NS <= now:
            left = self._window.popleft() + WINDOW_NS
            if self.on and self.count < ENDS_BELOW:
                ended = Episode(self.since, left, self._most)
                self.since = 0
        if now >= self._sure_from and self.count < ENDS_BELOW:
            self.settled = True
        return ended

    def running(self) -> Iterator[Episode]:
        """The flood that runs, if one does."""
        if self.on:
            yield Episode(self.since, 0, self._most)
