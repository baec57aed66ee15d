"""People who ask, and an alarm in every core state under every mask, reached as it really is.

It is one of orange grade that may be shelved (level 2 of a temperature), so that all six states
exist under all three masks.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from every_kind import formula
from life_model import AREA, HIGH, HOUR, TEMP
from life_model import site as park
from small_park import T0, S, World, batch

from parkwatch.rules.engine import Engine
from parkwatch.rules.quality import BAD, GOOD, Reason
from parkwatch.rules.site import Limit, Site, Suppression
from parkwatch.rules.transition import Command, Outcome, Signer

LI = Signer("li", "shift-lead")
CALM, LOUD = 0.0, 20.0
STATES = ("normal", "unack_active", "ack_active", "rtn_unack", "latched_unack", "latched_ack")
MASKS = ("", "shelved", "suppressed_by_design", "out_of_service")
ACTIONS = (
    "ack", "silence", "reset", "shelve", "unshelve", "out-of-service", "return-to-service",
)  # fmt: skip
DETAILS: dict[str, dict[str, Any]] = {
    "silence": {"console": "c", "seconds": 60},
    "shelve": {"kind": "timed", "seconds": 3600},
    "out-of-service": {"permit": "P-1", "until": T0 + 6 * HOUR},
}


def site(*, latches: bool) -> Site:
    """The model's park, where the temperature latches or not and only one plant state is known."""

    def own(limit: Limit) -> Limit:
        return replace(limit, latch=latches) if limit.point == TEMP else limit

    base = park()
    area = Suppression("area", formula("a == 1", a=AREA), (HIGH,))
    return replace(base, limits=[own(limit) for limit in base.limits], suppressions=[area])


class Asker(World):
    """A world in which people ask for what is in order but for what a test changes."""

    def ask(self, action: str, alarm: str = HIGH, at: float = 0.0, **change: Any) -> Outcome:
        """Never before the engine's own time."""
        occurrence, version = self.engine.last(alarm)
        fields: dict[str, Any] = {
            "id": "c", "action": action, "alarm": alarm, "occurrence": occurrence,
            "version": version, "person": "zhang", "role": "shift-lead", "reason": "why",
            "second": LI, "details": DETAILS.get(action, {}), **change,
        }  # fmt: skip
        outcome = self.engine.command(Command(**fields), T0 + round(at * S))
        self.keep(outcome.transitions)
        return outcome

    def shelve(self, seconds: float | None, alarm: str = HIGH, **change: Any) -> Outcome:
        """For so many seconds; None: one-shot."""
        details = {"kind": "timed", "seconds": seconds} if seconds else {"kind": "one-shot"}
        return self.ask("shelve", alarm, details=details, **change)

    def withdraw(self, until: float, alarm: str = HIGH, **change: Any) -> Outcome:
        """Until a second after T0."""
        details = {"permit": "P-1", "until": T0 + round(until * S)}
        return self.ask("out-of-service", alarm, details=details, **change)

    def lives(self, alarm: str = HIGH) -> list[tuple[str, str]]:
        """(event, core state after) of all that an alarm said; then it is forgotten."""
        told = [(t.event, t.after) for t in self.said if t.alarm == alarm]
        self.said = [t for t in self.said if t.alarm != alarm]
        return told

    def state(self, alarm: str = HIGH) -> tuple[str, str]:
        """What is shown, and the core beneath."""
        view = self.engine.alarm(alarm)
        return (view.state, view.core) if view else ("normal", "normal")


class Bench(Asker):
    """A world at one moment, whose alarm is brought to a state and under a mask."""

    def __init__(self, state: str, mask: str) -> None:
        super().__init__(Engine(site(latches="latched" in state), T0))
        for point in (TEMP, AREA):
            self.read(0, {point: 0.0})
        if state != "normal":
            self.read(1, {TEMP: LOUD})
        if state in ("ack_active", "latched_ack"):
            assert self.ask("ack").ok
        if state.startswith(("rtn", "latched")):
            self.read(2, {TEMP: CALM})
        if mask == "suppressed_by_design":
            self.read(3, {AREA: 1.0})
        self.wait(4)
        if mask in ("shelved", "out_of_service"):
            assert self.ask("shelve" if mask == "shelved" else "out-of-service").ok
        assert self.state() == (mask or state, state)

    def see(self, at: float, value: float, *, known: bool = True) -> list[tuple[str, str]]:
        """(event, core state after) of the alarm by a reading at second `at`."""
        quality = GOOD if known else BAD | Reason.CALIBRATING
        told = self.keep(self.engine.feed(batch(at, {TEMP: value}, quality)))
        return [(t.event, t.after) for t in told if t.alarm == HIGH]
