"""Rules that run unarmed beside the armed ones: they only say what they would have raised."""

from __future__ import annotations

from parkwatch.rules.alarms.alarm import Live
from parkwatch.rules.transition import Transition

SHADOW = "shadow"
"""Origin of what a shadow rule says; the journal keeps it as `would_raise`."""


class Shadows:
    """Live levels of shadow alarms. They have no life of their own: nobody acknowledges them."""

    def __init__(self) -> None:
        self.levels: dict[str, tuple[int, int]] = {}

    def level(self, alarm: str, now: int, live: Live) -> list[Transition]:
        """The live level of a shadow alarm is now so: what it would have said, if anything."""
        before, occurrence = self.levels.get(alarm, (0, live.began))
        if live.level == before:
            return []
        event = "raise" if not before else "rise" if live.level > before else "fall"
        if live.level:
            self.levels[alarm] = (live.level, occurrence)
        else:
            event = "return"
            del self.levels[alarm]
        states = ("normal" if not before else "active", "active" if live.level else "normal")
        return [
            Transition(
                alarm=alarm,
                occurrence=occurrence,
                version=0,
                event=event,
                before=states[0],
                after=states[1],
                grade=live.grade,
                peak=live.grade,
                received=now,
                cause={**live.cause, "level": live.level, "shadow": True},
                origin=SHADOW,
            )
        ]
