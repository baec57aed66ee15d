"""A gateway's memory of boots and sequences: what is new, what came before, what is missing."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

BOOTS_MAX = 1_000


class Arrival(StrEnum):
    LIVE = "live"
    LATE = "late"
    DUPLICATE = "duplicate"
    REPLAY = "replay"


@dataclass(frozen=True, slots=True)
class Judged:
    """What a message is; `gap` sequences are missing before it; `restarted`: a new boot."""

    arrival: Arrival
    gap: int = 0
    restarted: bool = False


class Tracker:
    """The last boots of one gateway with the highest sequence of each (contracts.md, MQTT in)."""

    def __init__(self) -> None:
        self._boots: OrderedDict[int, int] = OrderedDict()
        self.duplicates = self.replays = 0

    def judge(self, boot: int, seq: int, *, marked_late: bool, retained: bool) -> Judged:
        """Take a sequence. A boot is adopted only from a message that is not retained."""
        if retained:
            return Judged(Arrival.LATE)
        newest = next(reversed(self._boots), None)
        if boot not in self._boots:
            self._boots[boot] = seq
            while len(self._boots) > BOOTS_MAX:
                self._boots.popitem(last=False)
            arrival = Arrival.LATE if marked_late else Arrival.LIVE
            return Judged(arrival, restarted=newest is not None)
        highest = self._boots[boot]
        if boot != newest:
            before = list(self._boots)[-2] if len(self._boots) > 1 else None
            if boot == before and seq > highest:
                self._boots[boot] = seq
                return Judged(Arrival.LATE)
            self.replays += 1
            return Judged(Arrival.REPLAY)
        if seq <= highest:
            self.duplicates += 1
            return Judged(Arrival.DUPLICATE)
        self._boots[boot] = seq
        gap = 0 if marked_late else seq - highest - 1
        return Judged(Arrival.LATE if marked_late else Arrival.LIVE, gap=gap)

    def snapshot(self) -> list[list[int]]:
        """Plain JSON, oldest boot first."""
        return [[boot, seq] for boot, seq in self._boots.items()]

    def restore(self, state: Any) -> None:
        """The reverse of `snapshot`."""
        self._boots = OrderedDict((int(boot), int(seq)) for boot, seq in state)


Trackers = Mapping[str, Tracker]
