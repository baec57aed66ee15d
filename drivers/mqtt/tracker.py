"""A gateway's memory of boots and sequences: what is new, what came before, what is missing.

Two memories in one: what was judged in this life, and what is settled (in spool and journal). Only
the settled part outlives a restart: what the broker sends again because it was never acknowledged
must not be taken for a duplicate (contracts.md, MQTT in and Time).
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

BOOTS_MAX = 1_000
HOLES_MAX = 64
STALE_MEMORY_NS = 15_000_000_000
"""How old the memory of a restart may be: the daemon keeps a snapshot each 10 s."""


class Arrival(StrEnum):
    LIVE = "live"
    LATE = "late"
    DUPLICATE = "duplicate"
    REPLAY = "replay"


@dataclass(frozen=True, slots=True)
class Judged:
    """What a message is; `gap`: so many sequences before it are missing; `closed`: none is now."""

    arrival: Arrival
    gap: int = 0
    restarted: bool = False
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a message says of itself: boot, sequence, source time in ns, marked late or retained."""

    boot: int
    seq: int
    time: int = 0
    late: bool = False
    retained: bool = False


@dataclass(slots=True)
class _Seqs:
    """The sequences of one boot: the highest, and the holes (first, last, counted) below it."""

    highest: int = -1
    holes: list[tuple[int, int, bool]] = field(default_factory=list)

    def seen(self, seq: int) -> bool:
        return seq <= self.highest and not any(a <= seq <= b for a, b, _ in self.holes)

    def missing(self) -> int:
        """How many sequences are known to be missing (those before the first do not count)."""
        return sum(b - a + 1 for a, b, counted in self.holes if counted)

    def take(self, seq: int, *, counted: bool) -> int:
        """Note an unseen sequence; how many are newly missing before it."""
        if seq <= self.highest:
            at = next(i for i, (a, b, _) in enumerate(self.holes) if a <= seq <= b)
            a, b, told = self.holes[at]
            parts = [(a, seq - 1, told), (seq + 1, b, told)]
            self.holes[at : at + 1] = [part for part in parts if part[0] <= part[1]]
            gap = 0
        else:
            gap = seq - self.highest - 1
            if gap:
                self.holes.append((self.highest + 1, seq - 1, counted))
            self.highest = seq
        del self.holes[:-HOLES_MAX]
        return gap if counted else 0


class Tracker:
    """The last 1,000 boots of one gateway with the highest sequence of each."""

    def __init__(self) -> None:
        self._boots: OrderedDict[int, _Seqs] = OrderedDict()
        self._settled: OrderedDict[int, _Seqs] = OrderedDict()
        self._period_ns = 0.0
        self._last: tuple[int, int] | None = None
        self._restored = False
        self.duplicates = self.replays = self.gaps = 0

    @property
    def boot(self) -> int | None:
        """The boot that counts: the newest that was adopted."""
        return next(reversed(self._boots), None)

    def adopt(self, boot: int) -> bool:
        """A live `status` of a new start; whether that is a restart. Known boots change nothing."""
        if boot in self._boots:
            return False
        restarted = bool(self._boots)
        _adopt(self._boots, boot)
        return restarted

    def judge(self, stamp: Stamp) -> Judged:
        """Take a sequence. A boot is adopted only from a message that is not retained."""
        known = self._boots.get(stamp.boot)
        if stamp.retained:
            seen = known is not None and known.seen(stamp.seq)
            return Judged(Arrival.DUPLICATE if seen else Arrival.LATE)
        restarted = self.adopt(stamp.boot)
        seqs = self._boots[stamp.boot]
        recent = list(self._boots)[-2:]
        if stamp.boot not in recent:
            self.replays += 1
            return Judged(Arrival.REPLAY)
        if seqs.seen(stamp.seq):
            self.duplicates += 1
            return Judged(Arrival.DUPLICATE)
        fills = stamp.seq <= seqs.highest
        missing = seqs.missing()
        gap = seqs.take(stamp.seq, counted=self._counts(seqs, stamp))
        self._restored = False
        self.gaps += gap
        late = stamp.late or fills or stamp.boot != recent[-1]
        if not late:
            self._pace(stamp)
        return Judged(
            Arrival.LATE if late else Arrival.LIVE,
            gap=gap,
            restarted=restarted,
            closed=missing > 0 and seqs.missing() == 0,
        )

    def settle(self, boot: int, seq: int) -> None:
        """Spool and journal hold this message."""
        if boot not in self._settled:
            _adopt(self._settled, boot)
        seqs = self._settled[boot]
        if not seqs.seen(seq):
            seqs.take(seq, counted=seqs.highest >= 0)

    def forget_unsettled(self) -> None:
        """Start again from what is settled: the rest will be sent again."""
        restored = self._restored
        self.restore(self.snapshot())
        self._restored = restored

    def snapshot(self) -> dict[str, Any]:
        """What is settled as plain JSON: boots (oldest first) with highest sequence and holes."""
        settled = [(boot, self._settled[boot]) for boot in self._boots if boot in self._settled]
        boots = [[boot, s.highest, [list(hole) for hole in s.holes]] for boot, s in settled]
        return {"boots": boots, "period_ns": self._period_ns}

    def restore(self, state: Mapping[str, Any]) -> None:
        """The reverse of `snapshot`."""
        for memory in (self._boots, self._settled):
            memory.clear()
            for boot, highest, holes in state["boots"]:
                kept = [(int(a), int(b), bool(counted)) for a, b, counted in holes]
                memory[int(boot)] = _Seqs(int(highest), kept)
        self._period_ns = float(state["period_ns"])
        self._last = None
        self._restored = bool(self._boots)

    def _counts(self, seqs: _Seqs, stamp: Stamp) -> bool:
        """Whether a hole before this sequence is a loss.

        Not before the first sequence of a boot; and after a restart not where the hole is no larger
        than what may have been settled after the last snapshot.
        """
        if seqs.highest < 0:
            return False
        if not self._restored:
            return True
        allowed = STALE_MEMORY_NS / self._period_ns if self._period_ns > 0 else math.inf
        return stamp.seq - seqs.highest - 1 > allowed

    def _pace(self, stamp: Stamp) -> None:
        """How far apart two sequences are by the gateway's own clock, smoothed."""
        if self._last is not None and self._last[0] < stamp.seq and self._last[1] < stamp.time:
            period = (stamp.time - self._last[1]) / (stamp.seq - self._last[0])
            self._period_ns += (period - self._period_ns) * (0.1 if self._period_ns else 1.0)
        self._last = (stamp.seq, stamp.time)


def _adopt(boots: OrderedDict[int, _Seqs], boot: int) -> None:
    boots[boot] = _Seqs()
    while len(boots) > BOOTS_MAX:
        boots.popitem(last=False)
