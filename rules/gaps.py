"""What was not watched, and when: the bodies of `gap` records, from transitions and from starts.

A blind zone, a lost link and a mask each give one record when they end; a start gives one of the
time since the journal was last alive.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from parkwatch.rules.site import SECOND_NS, Site
from parkwatch.rules.transition import Transition

ALL = "all"
BLIND, LINK = "blind", "link"
CLOCK_NS = SECOND_NS
"""A host's clock that is so far behind the last engine time says nothing of how long it was."""


@dataclass(frozen=True, slots=True)
class _Open:
    """What is not watched since `since` (engine time, ns) and why."""

    since: int
    why: str


class Gaps:
    """Follows the transitions of one site; every gap is told once, when it ends."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._index = {point.id: point for point in site.points}
        self._blind: dict[str, _Open] = {}
        self._masked: dict[str, _Open] = {}

    def react(self, t: Transition) -> list[dict[str, Any]]:
        """The gaps that a transition ends."""
        if t.origin != "live":
            return []
        return [*self._of_blindness(t), *self._of_mask(t)]

    def _of_blindness(self, t: Transition) -> Iterable[dict[str, Any]]:
        group = t.alarm.rpartition(":")[2]
        why = BLIND if group.startswith("blind-") else group
        if why not in (BLIND, LINK):
            return
        if t.cause.get("level", 0) and t.event != "close":
            self._blind.setdefault(t.alarm, _Open(t.received, why))
        elif t.alarm in self._blind:
            yield self._gap(t, self._blind.pop(t.alarm))

    def _of_mask(self, t: Transition) -> Iterable[dict[str, Any]]:
        # A link's mask is not spelt out in the cause: the link's own gap speaks for it.
        mask = t.mask if "masks" in t.cause else ""
        known = self._masked.get(t.alarm)
        if known is not None and known.why != mask:
            del self._masked[t.alarm]
            yield self._gap(t, known)
        if mask and t.alarm not in self._masked:
            self._masked[t.alarm] = _Open(t.received, mask)

    def _gap(self, t: Transition, known: _Open) -> dict[str, Any]:
        owner = t.alarm.rpartition(":")[0]
        points, zones = self._about(owner, t)
        return {
            "who": t.alarm, "what": "gap", "why": known.why, "from": known.since,
            "to": t.received, "points": points, "zones": zones,
        }  # fmt: skip

    def _about(self, owner: str, t: Transition) -> tuple[list[str], list[str]]:
        """Ids of the points that were not watched, and of their zones."""
        if owner in self._index:
            return [owner], [self._index[owner].zone]
        if owner in self._site.zones:
            group = t.alarm.rpartition(":")[2]
            gas = group.removeprefix("blind-").removeprefix("vote-").upper()
            own = [p.id for p in self._site.points if p.zone == owner and p.gas.upper() == gas]
            return own, [owner]
        carried = {d.id for d in self._site.devices.values() if owner in (d.id, d.gateway)}
        found = [p for p in self._site.points if p.device in carried]
        return [p.id for p in found], sorted({p.zone for p in found})

    def snapshot(self) -> bytes:
        """What is open."""
        state = {
            "blind": {alarm: [o.since, o.why] for alarm, o in self._blind.items()},
            "masked": {alarm: [o.since, o.why] for alarm, o in self._masked.items()},
        }
        return json.dumps(state, ensure_ascii=False).encode()

    def restore(self, snapshot: bytes | None, tail: Iterable[Transition]) -> None:
        """The reverse of `snapshot`, and the transitions journaled after it (told then)."""
        state = json.loads(snapshot) if snapshot is not None else {"blind": {}, "masked": {}}
        self._blind = {alarm: _Open(*o) for alarm, o in state["blind"].items()}
        self._masked = {alarm: _Open(*o) for alarm, o in state["masked"].items()}
        for transition in tail:
            self.react(transition)


@dataclass(frozen=True, slots=True)
class Last:
    """What the journal says of the run before: when it was last alive (engine time, ns), its
    `stop` record's reason (empty where it wrote none) and the boot id of the host then."""

    alive: int
    stopped: str
    boot: str


def at_start(last: Last, now: int, wall: int, boot: str, unrecorded: str = "") -> dict[str, Any]:
    """The gap of a start: `now` engine time, `wall` the host's clock (both ns UTC), `boot` the
    host's boot id now; `unrecorded` why the journal could not be written, empty where it could.

    `why` is `journal`, `stop`, `unpowered`, `clock` or `crash`. A host whose clock fell behind says
    nothing of how long it was: then `to` is only known to be later than `from`.
    """
    rebooted = bool(last.boot and boot and last.boot != boot)
    if unrecorded:
        why = "journal"
    elif last.stopped:
        why = "stop"
    elif rebooted:
        why = "unpowered"
    elif wall < last.alive - CLOCK_NS:
        why = "clock"
    else:
        why = "crash"
    return {
        "who": "system", "what": "gap", "why": why, "from": last.alive, "to": now, "points": ALL,
        "text": unrecorded or last.stopped, "rebooted": rebooted,
    }  # fmt: skip


def stalled(since: int, now: int) -> dict[str, Any]:
    """The gap of a process that did not run (stopped, suspended, starved) and went on."""
    return {
        "who": "system", "what": "gap", "why": "stalled", "from": since, "to": now, "points": ALL,
    }  # fmt: skip
