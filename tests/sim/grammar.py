"""The life of every alarm as ISA-18.2 writes it (domain.md, section 4; contracts.md), read from the
journal alone: a fold of its own, and what each transition breaks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sim.chance import S

MINUTE = 60 * S
REALARM = {"red": 15 * MINUTE, "orange": 30 * MINUTE, "yellow": 60 * MINUTE}
URGENCY = {"blue": 1, "yellow": 2, "orange": 3, "red": 4}
MOVES = {
    "normal": {"raise": ("unack_active",)},
    "unack_active": {
        "ack": ("ack_active",), "return": ("rtn_unack", "latched_unack"),
        "rise": ("unack_active",), "fall": ("unack_active",),
    },
    "ack_active": {
        "return": ("normal", "latched_ack"), "rise": ("unack_active",),
        "realarm": ("unack_active",), "fall": ("ack_active",),
    },
    "rtn_unack": {"ack": ("normal",), "reraise": ("unack_active",)},
    "latched_unack": {"ack": ("latched_ack",), "reraise": ("unack_active",)},
    "latched_ack": {"reset": ("normal",), "reraise": ("unack_active",)},
}  # fmt: skip
SEEN_ANEW = {"ack_active": "unack_active", "latched_ack": "latched_unack"}
COVERS = {"shelve": "shelved", "out_of_service": "out_of_service", "suppress": "link"}
LIFTS = {"unshelve": "shelved", "return_to_service": "out_of_service", "unsuppress": "link"}
SHOWN = {"out_of_service": "out_of_service", "link": "suppressed_by_design", "shelved": "shelved"}
CALLING = ("raise", "reraise", "rise", "realarm")
UNACKNOWLEDGED = ("unack_active", "rtn_unack", "latched_unack")


@dataclass(slots=True)
class Life:
    """One alarm as the journal tells it; `masks` with the end of each (None: no end)."""

    core: str = "normal"
    occurrence: int = 0
    version: int = 0
    announced: int = 0
    grade: str = "blue"
    peak: str = "blue"
    received: int = 0
    realarm: int | None = None
    masks: dict[str, int | None] = field(default_factory=dict)

    @property
    def mask(self) -> str:
        return next((name for reason, name in SHOWN.items() if reason in self.masks), "")

    @property
    def open(self) -> bool:
        return self.core != "normal" or bool(self.masks)


def _shown_again(core: str, event: str, why: object) -> tuple[str, ...]:
    """The core states in which an alarm may come out from under a mask."""
    if why in ("rise", "level", "vote") or (event == "expire" and why == "time"):
        return (SEEN_ANEW.get(core, core),)
    if event == "unsuppress" and core == "rtn_unack":
        return ("rtn_unack", "normal")
    return (core,)


def _unshelvable(body: Mapping[str, Any]) -> bool:
    """Whether it calls people with what may never be shelved."""
    gas = body["alarm"].endswith(":gas") and body["cause"].get("level", 0) >= 2
    return body["event"] in CALLING and (body["grade"] == "red" or gas)


def _linked(life: Life, body: Mapping[str, Any]) -> None:
    """Whether a link speaks for what is raised."""
    life.masks.pop("link", None)
    if body["mask"] == SHOWN["link"] or "link" in body["cause"].get("masks", {}):
        life.masks["link"] = None


class Lives:
    """The fold; `take` gives what is wrong with one transition's body."""

    def __init__(self) -> None:
        self.of: dict[str, Life] = {}
        self._versions: set[tuple[str, int, int]] = set()

    def take(self, body: Mapping[str, Any]) -> Iterator[str]:
        """Follow one transition."""
        alarm, event = body["alarm"], body["event"]
        life = self.of.setdefault(alarm, Life())
        name = f"{alarm} {event} version {body['version']}"
        number = (alarm, body["occurrence"], body["version"])
        if number in self._versions:
            yield f"{name}: twice in the journal"
        self._versions.add(number)
        if body["from"] != life.core:
            yield f"{name}: from {body['from']}, but it was {life.core}"
        if body["received"] < life.received:
            yield f"{name}: time falls"
        yield from self._numbers(name, life, body)
        yield from self._move(name, life, body)
        if body["mask"] != life.mask:
            yield f"{name}: mask {body['mask'] or 'none'}, but the journal says {life.mask}"
        self._keep(life, body)

    def _numbers(self, name: str, life: Life, body: Mapping[str, Any]) -> Iterator[str]:
        if body["event"] == "raise":
            if body["occurrence"] <= life.occurrence:
                yield f"{name}: its occurrence does not grow"
            if body["version"] != 1:
                yield f"{name}: an occurrence begins with version 1"
        elif body["occurrence"] != life.occurrence:
            yield f"{name}: occurrence {body['occurrence']} was never raised"
        elif body["version"] != life.version + 1:
            yield f"{name}: follows version {life.version}"
        floor = body["grade"] if body["event"] == "raise" else life.peak
        least = max(URGENCY[floor], URGENCY[body["grade"]])
        if life.core != "normal" and URGENCY[body["peak"]] < least:
            yield f"{name}: the peak falls"

    def _move(self, name: str, life: Life, body: Mapping[str, Any]) -> Iterator[str]:
        event, cause = body["event"], body["cause"]
        wanted: tuple[str, ...] = (life.core,)
        if event in COVERS:
            said = cause.get("masks", {}).get(COVERS[event], {})
            life.masks[COVERS[event]] = said.get("until")
        elif event in LIFTS or event == "expire":
            yield from (self._expire if event == "expire" else self._lift)(name, life, body)
            wanted = _shown_again(life.core, event, cause.get("why"))
        elif event == "close":
            life.masks.clear()
            wanted = ("normal",)
        else:
            wanted = MOVES[life.core].get(event, ())
            if event in ("raise", "reraise"):
                _linked(life, body)
        if "shelved" in life.masks and (event == "rise" or _unshelvable(body)):
            yield f"{name}: stays on the shelf"
        if body["to"] not in wanted:
            yield f"{name}: from {life.core} to {body['to']}"
        if event == "realarm" and (life.realarm is None or body["received"] < life.realarm):
            yield f"{name}: before its time"

    def _lift(self, name: str, life: Life, body: Mapping[str, Any]) -> Iterator[str]:
        if LIFTS[body["event"]] not in life.masks:
            yield f"{name}: nothing to lift"
        life.masks.pop(LIFTS[body["event"]], None)

    def _expire(self, name: str, life: Life, body: Mapping[str, Any]) -> Iterator[str]:
        """The shelf or permit whose time is over; a one-shot shelf once the alarm is normal."""
        if body["cause"].get("why") == "one_shot":
            if "shelved" not in life.masks or life.core != "normal":
                yield f"{name}: no one-shot shelf ends here"
            life.masks.pop("shelved", None)
            return
        over = [r for r, until in life.masks.items() if until and until <= body["received"]]
        if not over:
            yield f"{name}: before its time"
        for reason in over[:1]:
            del life.masks[reason]

    def _keep(self, life: Life, body: Mapping[str, Any]) -> None:
        event = body["event"]
        if event in CALLING:
            life.announced = body["version"]
        life.core, life.occurrence, life.version = body["to"], body["occurrence"], body["version"]
        life.grade, life.peak, life.received = body["grade"], body["peak"], body["received"]
        if life.core == "normal":
            life.masks.pop("link", None)  # What is normal needs nobody to speak for it.
        if life.core != "ack_active":
            life.realarm = None
        elif event == "ack":
            wait = REALARM.get(life.grade)
            due = None if wait is None else life.received + wait
            by = body["cause"].get("by")
            life.realarm = min(d for d in (due, by) if d) if due or by else None

    def overdue(self, now: int) -> Iterator[str]:
        """Deadlines that are over by `now` and were not kept."""
        for alarm, life in self.of.items():
            if life.realarm is not None and life.realarm <= now:
                yield f"{alarm}: sounds not again at {life.realarm}"
            for reason, until in life.masks.items():
                if until is not None and until <= now:
                    yield f"{alarm}: {reason} does not end at {until}"
