"""The whole life of alarms under masks, against a model that was written from the texts.

What would be lost: an alarm that is hidden and nobody knows, a latch that a mask or a restart
forgot, an acknowledgement of what nobody saw.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from life_model import (
    ALARMS,
    DISK,
    GAS_A,
    GAS_B,
    HOUR,
    READS,
    VOTE,
    Cover,
    Model,
    said,
    site,
)
from life_people import ask, masked
from small_park import T0, S, batch

from parkwatch.rules.engine import Engine
from parkwatch.rules.grade import Grade
from parkwatch.rules.quality import BAD, GOOD, Reason
from parkwatch.rules.transition import Command, Signer, Transition

CALIBRATING = BAD | Reason.CALIBRATING
FIRST = dict.fromkeys(READS, 0)
ROLES = st.sampled_from(
    ["shift-lead"] * 5 + ["operator"] * 3 + ["enterprise", "technician", "viewer"]
)
SECONDS = st.sampled_from(
    [None, Signer("li", "shift-lead"), Signer("li", "shift-lead"), Signer("wang", "operator"),
     Signer("zhang", "shift-lead"), Signer("zhao", "enterprise", "hd")]
)  # fmt: skip
READINGS = st.none() | st.tuples(
    st.sampled_from(["CH4", "CH4", "", "H2S"]),
    st.sampled_from([0.0, 0.0, 60.0]),
    st.sampled_from([0, 0, 15 * 60 * S, 15 * 60 * S + 1, -60 * S, -60 * S - 1]),
)
"""Gas, value and age of a portable reading."""
IN_ORDER: dict[str, dict[str, Any]] = {
    "ack": {}, "shelve": {"kind": "timed", "seconds": 3600}, "out-of-service": {"permit": "P-1"},
}  # fmt: skip
PAUSES = st.sampled_from([0, 1, S, 60 * S, HOUR // 4, HOUR // 2, HOUR, 3 * HOUR])
NUDGES = st.sampled_from([-1, 0, 0, 0, 1, 5 * S])


class Lives(RuleBasedStateMachine):
    """An engine and the model, told the same."""

    def __init__(self) -> None:
        super().__init__()
        self.model, self.engine = Model(), Engine(site(), T0)
        self.journal: list[Transition] = []
        self.snapshots: list[tuple[int, bytes, dict[str, bool]]] = []
        self.unique: set[tuple[str, int, int]] = set()
        self.commands = 0

    def _same(self, transitions: Any) -> None:
        """What was said is what the model says, alarm by alarm; and it is a journal."""
        told = list(transitions)
        for alarm in ALARMS:
            own = [said(t) for t in told if t.alarm == alarm]
            expected = [s for s in self.model.out if s[0] == alarm]
            assert own == expected, f"said {own}, where the texts say {expected}"
        self.model.out.clear()
        for t in told:
            key = (t.alarm, t.occurrence, t.version)
            assert key not in self.unique
            self.unique.add(key)
        self.journal += told

    @initialize()
    def start(self) -> None:
        for point, level in FIRST.items():
            self._read(point, level)

    def _read(self, point: int, level: int | None) -> None:
        value = READS[point][0 if level is None else level]
        quality = CALIBRATING if level is None else GOOD
        at = (self.model.now - T0) / S
        out = self.engine.feed(batch(at, {point: value}, quality))
        self.model.read(point, level)
        self._same(out + self.engine.advance(self.model.now))

    @rule(point=st.sampled_from(sorted(READS)), turn=st.integers(0, 8))
    def read(self, point: int, turn: int) -> None:
        levels: list[int | None] = [None, *range(len(READS[point]))]
        # What is later in the list is likelier: a park in trouble has more to test.
        self._tick()
        self._read(point, levels[min(turn, len(levels) - 1)] if turn < 4 else levels[-1 - turn % 2])

    def _tick(self) -> None:
        """Whole seconds, so that readings lie on the grid of batches."""
        self._to(self.model.now + (-self.model.now) % S)

    def _to(self, to: int) -> None:
        self.model.advance(to)
        self._same(self.engine.advance(to))

    @rule(pause=PAUSES)
    def wait(self, pause: int) -> None:
        self._to(self.model.now + pause)

    @rule(which=st.integers(0, 3), nudge=NUDGES)
    def wait_for_a_deadline(self, which: int, nudge: int) -> None:
        dues = self.model.deadlines()
        if dues:
            self._to(max(dues[which % len(dues)] + nudge, self.model.now))

    @rule(grade=st.sampled_from([None, None, Grade.BLUE, Grade.YELLOW, Grade.ORANGE, Grade.RED]))
    def part_of_our_own(self, grade: Grade | None) -> None:
        self.model.outside(grade)
        self._same(
            self.engine.condition(
                DISK, active=grade is not None, grade=grade or Grade.BLUE, cause={},
                now=self.model.now,
            )
        )  # fmt: skip

    def _ask(
        self, action: str, alarm: str, role: str, *, older: int = 0, wrong: bool = False,
        reason: str = "why", second: Signer | None = None, enterprise: str = "",
        details: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        life = self.model.lives[alarm]
        self.commands += 1
        command = Command(
            f"c{self.commands}", action, alarm, life.occurrence + wrong, life.version - older,
            "zhang", role, reason=reason, second=second, enterprise=enterprise,
            details=details or {},
        )  # fmt: skip
        before = self.engine.snapshot()
        outcome = self.engine.command(command, self.model.now)
        assert outcome.ok == ask(self.model, command), outcome
        self._same(outcome.transitions)
        if not outcome.ok:
            assert outcome.code
            assert outcome.what
            assert outcome.remedy
            assert self.engine.snapshot() == before

    @rule(
        alarm=st.sampled_from(ALARMS), role=ROLES,
        older=st.sampled_from([0, 0, 0, 1, 2, 3, -1]), wrong=st.booleans(),
        by=st.sampled_from([None, None, -1, 0, 1, 10 * 60 * S, 2 * HOUR]),
    )  # fmt: skip
    def ack(self, alarm: str, role: str, older: int, *, wrong: bool, by: int | None) -> None:
        details = {} if by is None else {"next": "look", "by": self.model.now + by}
        self._ask("ack", alarm, role, older=older, wrong=wrong and older > 1, details=details)

    @rule(alarm=st.sampled_from(ALARMS), role=ROLES, older=st.sampled_from([0, 0, 1]))
    def silence(self, alarm: str, role: str, older: int) -> None:
        self._ask("silence", alarm, role, older=older, details={"console": "c", "seconds": 60})

    @rule(
        alarm=st.sampled_from([GAS_A, GAS_B, VOTE, "hd/p/sif:state", *ALARMS]), role=ROLES,
        older=st.sampled_from([0, 0, 0, 1]), second=SECONDS, typed=READINGS,
    )  # fmt: skip
    def reset(
        self, alarm: str, role: str, older: int, second: Signer | None,
        typed: tuple[str, float, int] | None,
    ) -> None:  # fmt: skip
        details: dict[str, Any] = {}
        if typed is not None:
            gas, value, age = typed
            at = self.model.now - age
            details = {"reading": {"gas": gas, "value": value, "instrument": "X-1", "at": at}}
        self._ask("reset", alarm, role, older=older, second=second, details=details)

    @rule(
        alarm=st.sampled_from(ALARMS), role=ROLES, older=st.sampled_from([0, 0, 0, 1]),
        kind=st.sampled_from(["one-shot", "one-shot", "timed", "timed", "timed", "for-ever"]),
        seconds=st.sampled_from([None, 1, 60, 3600, 3601, 8 * 3600, 8 * 3600 + 1, 0]),
        reason=st.sampled_from(["noise", "noise", "noise", ""]),
    )  # fmt: skip
    def shelve(
        self, alarm: str, role: str, older: int, kind: str, seconds: int | None, reason: str
    ) -> None:
        details = {"kind": kind} | ({} if seconds is None else {"seconds": seconds})
        self._ask("shelve", alarm, role, older=older, reason=reason, details=details)

    @rule(alarm=st.sampled_from(ALARMS), action=st.sampled_from(sorted(IN_ORDER)))
    def in_order(self, alarm: str, action: str) -> None:
        """What is mostly done, not refused: only so a shelf lives long enough to meet a rise."""
        details = dict(IN_ORDER[action])
        if action == "out-of-service":
            details["until"] = self.model.now + HOUR
        self._ask(action, alarm, "shift-lead", second=Signer("li", "shift-lead"), details=details)

    @rule(alarm=st.sampled_from(ALARMS), role=ROLES, action=st.booleans())
    def show(self, alarm: str, role: str, *, action: bool) -> None:
        self._ask("unshelve" if action else "return-to-service", alarm, role)

    @rule(
        alarm=st.sampled_from(ALARMS), role=ROLES, second=SECONDS,
        hours=st.sampled_from([1, 12, 12, 13, 0, None]), enterprise=st.sampled_from(["", "", "hd"]),
        permit=st.sampled_from(["P-1", "P-1", "P-1", ""]),
    )  # fmt: skip
    def withdraw(
        self, alarm: str, role: str, second: Signer | None, hours: int | None, enterprise: str,
        permit: str,
    ) -> None:  # fmt: skip
        details: dict[str, Any] = {"permit": permit, "owner": "li"}
        if hours is not None:
            details["until"] = self.model.now + hours * HOUR
        self._ask(
            "out-of-service", alarm, role, second=second, enterprise=enterprise, details=details
        )

    @rule(alarm=st.sampled_from(ALARMS))
    def close(self, alarm: str) -> None:
        if alarm in (VOTE, GAS_A, GAS_B) and self.model.vote_holds():
            return  # What becomes of a vote then is the new configuration's.
        life = self.model.lives[alarm]
        if life.core != "normal" or life.masks:
            was = "out_of_service" in life.masks
            life.masks, life.level = {}, 0
            self.model.emit(alarm, "close", "normal")
            if was and alarm in self.model.witness:
                self.model.vote()
        self._same(self.engine.close(alarm, self.model.now, {"why": "closed_by_change"}))

    @rule()
    def snapshot(self) -> None:
        self.snapshots.append(self._snapshot())

    def _snapshot(self) -> tuple[int, bytes, dict[str, bool]]:
        return len(self.journal), self.engine.snapshot(), dict(self.model.witness)

    @rule(which=st.integers(0, 5), whole=st.sampled_from([False, False, True]))
    def restart(self, which: int, *, whole: bool) -> None:
        """On a snapshot, new or old, and what was journaled since; or on the whole journal."""
        self._tick()
        kept = [*self.snapshots[-3:], self._snapshot()]
        at, snapshot, witness = kept[which % len(kept)]
        if whole:
            at, witness = 0, dict.fromkeys(witness, True)
        tail = [Transition.from_body(t.body()) for t in self.journal[at:]]
        self.engine = Engine(site(), self.model.now)
        self.engine.restore(None if whole else snapshot, tail, self.model.now)
        self.model.restart(tail, witness, whole=whole)
        self.snapshots.clear()

    @invariant()
    def everything_shown_is_so(self) -> None:
        views = {view.alarm: view for view in self.engine.alarms()}
        for alarm, life in self.model.lives.items():
            view = views.get(alarm)
            if life.core == "normal" and not life.masks:
                assert view is None
                assert self.engine.last(alarm) == (life.occurrence, life.version)
                continue
            assert view is not None
            assert (view.core, view.mask, view.state) == (
                life.core, life.mask, life.mask or life.core,
            )  # fmt: skip
            assert (view.occurrence, view.version, view.live_level) == (
                life.occurrence, life.version, life.level,
            )  # fmt: skip
            assert (view.grade, view.peak) == (life.grade, life.peak)
            assert set(view.masks) == {_reason(name) for name in life.masks}
            for name, cover in life.masks.items():
                _assert_cover(view.masks[_reason(name)], cover)
        due = min(self.model.deadlines(), default=None)
        planned = self.engine.next_due()
        assert due is None or (planned is not None and planned <= max(due, self.model.now))
        listed = {each for each in masked(self.engine) if each[0] in ALARMS}
        assert listed == {
            (alarm, _reason(name))
            for alarm, life in self.model.lives.items()
            for name in life.masks
        }


def _reason(name: str) -> str:
    return "plant" if name == "suppressed_by_design" else name


def _assert_cover(mask: Any, cover: Cover) -> None:
    assert mask.get("person", "") == cover.person
    assert mask.get("second", "") == cover.second
    assert mask.get("until") == cover.until
    assert mask.get("one_shot", False) == cover.one_shot


TestLives = pytest.mark.timeout(300)(Lives.TestCase)
TestLives.settings = settings(
    max_examples=500, stateful_step_count=50, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
