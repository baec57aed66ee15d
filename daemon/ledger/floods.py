"""Floods as they happen, followed in the journal: of the park, and of each enterprise alone.

After a restart the past is read as far back as it takes to know whether a flood runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from parkwatch.daemon.journal.archive import before, records_of
from parkwatch.rules.kpi.counting import announces
from parkwatch.rules.kpi.flood import WINDOW_NS, Flood
from parkwatch.rules.transition import Transition

BACK_NS_MAX = 144 * WINDOW_NS
"""A day: who stands between 5 and 10 for longer has no flood by now."""
PARK = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What a page shows of a flood: whether one runs, since when (ns), how many in 10 min."""

    on: bool
    since: int
    count: int


class Floods:
    """Follows one journal; `look` reads what is new."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._seq = -1
        self._of: dict[str, Flood] = {}

    def look(self, now: int) -> dict[str, Told]:
        """Floods at `now` (engine time, ns) by enterprise, the park's under PARK.

        sqlite3.Error where the journal cannot be read; the next look goes on from there.
        """
        if self._seq < 0:
            self._begin(now)
        self._follow()
        told = {}
        for name, flood in list(self._of.items()):
            flood.advance(now)
            told[name] = Told(flood.on, flood.since, flood.count)
            if flood.settled and not flood.count:
                del self._of[name]
        return {PARK: Told(on=False, since=0, count=0), **told}

    def _begin(self, now: int) -> None:
        """Twice as far back each time, until nothing earlier could change the answer."""
        back = 2 * WINDOW_NS
        while True:
            begins = max(1, now - back)
            self._of, self._seq = {}, before(self._data, begins)
            whole = self._seq == 0
            self._follow(0 if whole else begins)
            for flood in self._of.values():
                flood.advance(now)
            sure = all(flood.settled for flood in self._of.values())
            if whole or sure or back >= BACK_NS_MAX:
                return
            back *= 2

    def _follow(self, begins: int = 0) -> None:
        for record in records_of(self._data, since=self._seq, kinds=("transition",)):
            self._seq = record.seq
            t = Transition.from_body(record.body)
            if not announces(t):
                continue
            for name in (PARK, t.alarm.partition("/")[0]):
                self._of.setdefault(name, Flood(begins)).note(t.received)
