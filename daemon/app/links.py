"""What a driver's event means: a `driver` record, and the alarm of the link or gateway."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from parkwatch.daemon.journal.journal import Entry
from parkwatch.drivers.source import DriverEvent
from parkwatch.rules.engine import Engine
from parkwatch.rules.grade import Grade, highest
from parkwatch.rules.site import Site
from parkwatch.rules.transition import Transition

_GATEWAY_ALARMS = {
    "gap": Grade.BLUE,
    "refused": Grade.BLUE,
    "foreign": Grade.BLUE,
    "clock": Grade.BLUE,
    "replay": Grade.ORANGE,
    "mac": Grade.ORANGE,
    "settings": Grade.ORANGE,
    "second_master": Grade.ORANGE,
}
_CALLED = {"second_master": "foreign"}
"""Kinds whose alarm is called otherwise."""
_DOWN = {"link_down": True, "link_up": False, "broker_down": True, "broker_up": False}


class LinkAlarms:
    """Turns driver events into records and conditions of the engine."""

    def __init__(self, engine: Engine, site: Site, now: Callable[[], int]) -> None:
        self._engine = engine
        self._site = site
        self._now = now

    def react(self, event: DriverEvent) -> tuple[Sequence[Entry], Sequence[Transition]]:
        """The record and the transitions of one event; the end of what was not there is none."""
        if event.kind == "alive":
            owner = event.source.partition("/")[0]
            for name in event.text.split():
                self._engine.heartbeat(f"{owner}/{name}", event.at)
            return (), ()
        ended = event.kind.removesuffix("_over")
        if ended != event.kind and not self._engine.alarm(_alarm(event.source, ended)):
            return (), ()
        entry = Entry(
            "driver",
            {
                "who": event.source,
                "what": event.kind,
                "text": event.text,
                "at": event.at,
                **event.detail,
            },
        )
        return (entry,), self._transitions(event)

    def _transitions(self, event: DriverEvent) -> Sequence[Transition]:
        if event.kind in ("link_down", "link_up"):
            return self._link(event.source, active=_DOWN[event.kind], text=event.text)
        if event.kind in ("broker_down", "broker_up"):
            return self._condition(
                f"system/broker.{event.source}:down",
                active=_DOWN[event.kind],
                grade=Grade.ORANGE,
                text=event.text,
            )
        if event.kind in _GATEWAY_ALARMS:
            return self._condition(
                _alarm(event.source, event.kind),
                active=True,
                grade=_GATEWAY_ALARMS[event.kind],
                text=event.text,
            )
        ended = event.kind.removesuffix("_over")
        if ended != event.kind:
            return self._condition(
                _alarm(event.source, ended),
                active=False,
                grade=_GATEWAY_ALARMS[ended],
                text=event.text,
            )
        if event.kind == "gap_closed":
            return self._condition(
                f"{event.source}:gap", active=False, grade=Grade.BLUE, text=event.text
            )
        return ()

    def _link(self, device: str, *, active: bool, text: str) -> Sequence[Transition]:
        carried = [d.id for d in self._site.devices.values() if device in (d.id, d.gateway)]
        grade = highest(Grade.BLUE, *(self._engine.blindness(d) for d in carried))
        if active:
            zones = dict.fromkeys(p.zone for p in self._site.points if p.device in carried)
            names = "、".join(self._site.zones[zone].name for zone in zones if zone)
            text = f"{text}; 未受监视 not watched: {names}" if names else text
        return self._condition(f"{device}:link", active=active, grade=grade, text=text)

    def _condition(
        self, alarm: str, *, active: bool, grade: Grade, text: str
    ) -> Sequence[Transition]:
        return self._engine.condition(
            alarm, active=active, grade=grade, cause={"text": text}, now=self._now()
        )


def _alarm(source: str, kind: str) -> str:
    return f"{source}:{_CALLED.get(kind, kind)}"
