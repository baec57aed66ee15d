"""A drill and the real park never meet: whatever their order, each is as if it were alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from life_model import ALARMS, HOUR, READS, site
from small_park import T0, S, batch

from parkwatch.rules.batch import DRILL
from parkwatch.rules.drills import Drills, drill_of
from parkwatch.rules.engine import Engine
from parkwatch.rules.transition import Command, Transition

IDS = ("d1", "d2")
REAL = ""
DETAILS: dict[str, dict[str, Any]] = {
    "shelve": {"kind": "timed", "seconds": 60},
    "out-of-service": {"permit": "P", "until": T0 + HOUR},
}


@dataclass(frozen=True)
class Move:
    """What happens `pause` seconds later to the real park or a drill: a reading, or a command."""

    who: str
    pause: int
    point: int = 0
    level: int = 0
    action: str = ""
    alarm: str = ""


MOVES = st.lists(
    st.one_of(
        st.builds(
            Move, st.sampled_from((REAL, *IDS)), st.sampled_from((0, 1, 30, 700)),
            st.sampled_from((0, 1, 1, 2, 3)), st.sampled_from((0, 1, -1)),
        ),
        st.builds(
            Move, st.sampled_from((REAL, *IDS)), st.just(0),
            action=st.sampled_from(("ack", "reset", *DETAILS)), alarm=st.sampled_from(ALARMS),
        ),
        st.builds(Move, st.sampled_from(IDS), st.just(0), action=st.just("stop")),
    ),
    max_size=40,
)  # fmt: skip


class Park:
    """A real engine and its drills, told some moves; `said` by who it concerns."""

    def __init__(self) -> None:
        self.now = T0
        self.real, self.drills = Engine(site(), T0), Drills(site())
        self.journal: list[Transition] = []

    def play(self, moves: Sequence[Move]) -> Park:
        for move in moves:
            self.now += move.pause * S
            self.journal += self.real.advance(self.now)
            self.journal += self.drills.advance(self.now)
            self._do(move)
        return self

    def _do(self, move: Move) -> None:
        if move.action == "stop":
            self.journal += self.drills.stop(move.who, self.now)
        elif move.action:
            self.journal += self._ask(move)
        elif move.alarm != "nothing":
            origin = f"{DRILL}{move.who}" if move.who else "live"
            read = {move.point: READS[move.point][move.level]}
            at = (self.now - T0) / S
            feed = self.drills.feed if move.who else self.real.feed
            self.journal += feed(batch(at, read, origin=origin))

    def _ask(self, move: Move) -> Sequence[Transition]:
        alarm = f"drill.{move.who}/{move.alarm}" if move.who else move.alarm
        views = self.drills.alarms() if move.who else self.real.alarms()
        seen = next(((v.occurrence, v.version) for v in views if v.alarm == alarm), (0, 0))
        command = Command(
            "c", move.action, alarm, *seen, "zhang", "shift-lead", reason="why",
            details=DETAILS.get(move.action, {}),
        )  # fmt: skip
        target = self.drills if move.who else self.real
        return target.command(command, self.now).transitions

    def of(self, who: str) -> list[Transition]:
        return [t for t in self.journal if drill_of(t.origin) == who]


def only(moves: Sequence[Move], who: str) -> list[Move]:
    """Time passes as before, but only one of them is told anything."""
    idle = {"action": "", "alarm": "nothing"}
    return [m if m.who == who else replace(m, **idle) for m in moves]  # type: ignore[arg-type]


@pytest.mark.timeout(300)
@settings(
    max_examples=200, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(MOVES)
def test_each_is_as_if_it_were_alone(moves: list[Move]) -> None:
    both = Park().play(moves)
    alone = Park().play(only(moves, REAL))
    assert both.of(REAL) == alone.journal
    assert both.real.snapshot() == alone.real.snapshot()
    assert both.real.alarms() == alone.real.alarms()
    for drill in IDS:
        drilled = Park().play(only(moves, drill))
        assert both.of(drill) == drilled.of(drill)
        assert [v for v in both.drills.alarms() if drill_of(v.alarm) == drill] == (
            drilled.drills.alarms()
        )
        assert drilled.real.alarms() == []
    for t in both.journal:
        assert drill_of(t.alarm) == drill_of(t.origin)
        assert t.alarm.startswith("drill.") == t.origin.startswith(DRILL)
    again = Engine(site(), both.now)
    again.restore(None, both.journal, both.now)
    folded = Engine(site(), both.now)
    folded.restore(None, alone.journal, both.now)
    assert again.snapshot() == folded.snapshot()
    restored = {v.alarm: (v.core, v.mask, v.version) for v in again.alarms()}
    assert restored == {v.alarm: (v.core, v.mask, v.version) for v in both.real.alarms()}


def test_a_drill_as_loud_as_the_real_one_has_names_of_its_own() -> None:
    """The same leak at the same moment, in the park and in two drills."""
    loud = [Move(who, 0 if who else 1, p, -1) for p in (1, 2, 3) for who in (REAL, *IDS)]
    park = Park().play(loud)
    names = [{t.alarm for t in park.of(who)} for who in (REAL, *IDS)]
    assert all(len(each) >= 4 for each in names), "both gas alarms, the vote and the trip"
    assert not names[0] & names[1]
    assert not names[1] & names[2]
    assert park.real.command(
        Command("c", "ack", "drill.d1/hd/tank:vote-ch4", 1, 1, "z", "operator"), park.now
    ).code == "ALM-404"  # fmt: skip
