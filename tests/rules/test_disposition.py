"""What people must still say of an alarm: nothing is forgotten or asked twice."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parkwatch.rules.disposition import (
    CLOSE_OUT_NS,
    Body,
    Disposition,
    Dispositions,
    Overdue,
    Stage,
    readable,
)
from parkwatch.rules.grade import Grade
from parkwatch.rules.site import SECOND_NS as S
from parkwatch.rules.transition import Command, Transition

T0 = 1_000 * S
GAS = "hd/panel-1/ch4-01:gas"
TEXTS = {"cause": "阀门内漏", "measure": "更换垫片", "evidence": "照片 12"}


def moved(event: str = "raise", grade: Grade = Grade.ORANGE, **more: Any) -> Transition:
    after = {"ack": "ack_active", "return": "rtn_unack", "reset": "normal", "close": "normal"}
    fields: dict[str, Any] = {
        "alarm": GAS, "occurrence": T0, "version": 1, "before": "normal",
        "after": after.get(event, "unack_active"), "peak": grade, "received": T0,
    }  # fmt: skip
    return Transition(event=event, grade=grade, **{**fields, **more})


def opened(grade: Grade = Grade.ORANGE) -> Dispositions:
    made = Dispositions()
    (body,) = made.react(moved(grade=grade))
    assert body["event"] == "open"
    return made


def dispose(made: Dispositions, person: str = "zhangwei", **details: Any) -> str:
    """Empty, or the code of the refusal; `version` and `role` are the command's."""
    version, role = details.pop("version", 1), details.pop("role", "operator")
    occurrence = details.pop("occurrence", T0)
    said = details if details.get("verify") else {**TEXTS, **details}
    command = Command("c", "dispose", GAS, occurrence, version, person, role, details=said)
    outcome, bodies = made.command(command)
    assert bool(bodies) is outcome.ok
    return outcome.code


def state(made: Dispositions) -> Disposition:
    found = made.of(GAS, T0)
    assert found is not None
    return found


@pytest.mark.parametrize(("grade", "minutes"), [("red", 30), ("orange", 120), ("yellow", 480)])
def test_each_grade_has_its_time_from_the_raise(grade: str, minutes: int) -> None:
    made = opened(Grade(grade))
    due = T0 + minutes * 60 * S
    assert made.next_due() == state(made).due == due
    assert made.advance(due - 1) == ([], [])
    (body,), (event,) = made.advance(due)
    assert (body["event"], body["overdue"]) == ("overdue", True)
    assert event == Overdue(GAS, T0, 1, Grade(grade), T0)
    assert made.advance(due + 1) == ([], [])
    assert made.next_due() is None


@pytest.mark.parametrize(
    "what",
    [
        moved(grade=Grade.BLUE),
        moved(origin="drill:7"),
        moved(origin="shadow"),
        moved(alarm="system/disk:low"),
        moved(mask="shelved"),
        moved("shelve", after="normal"),
    ],
)
def test_what_nobody_was_told_of_and_what_is_not_real_asks_for_nothing(what: Transition) -> None:
    made = Dispositions()
    assert made.react(what) == []
    assert made.unfinished() == []


def test_what_comes_out_from_under_a_mask_runs_from_then() -> None:
    made = Dispositions()
    made.react(moved(mask="shelved"))
    later = T0 + 9 * 3600 * S
    made.react(moved("expire", version=2, received=later))
    assert state(made).due == later + CLOSE_OUT_NS[Grade.ORANGE]


def test_a_rise_shortens_the_time_and_a_fall_does_not_lengthen_it() -> None:
    made = opened(Grade.YELLOW)
    made.react(moved("rise", Grade.RED, version=2, received=T0 + 60 * S))
    assert (state(made).grade, state(made).due) == (Grade.RED, T0 + 30 * 60 * S)
    assert made.react(moved("fall", Grade.YELLOW, version=3, peak=Grade.RED)) == []
    assert state(made).due == T0 + 30 * 60 * S


def test_what_was_written_of_something_lesser_has_to_be_written_again() -> None:
    made = opened(Grade.YELLOW)
    made.advance(T0 + CLOSE_OUT_NS[Grade.YELLOW])
    assert dispose(made) == ""
    (body,) = made.react(moved("rise", Grade.RED, version=2, received=T0 + 1))
    assert (body["event"], body["state"], body["overdue"]) == ("worse", "open", False)
    assert body["cause"] == TEXTS["cause"]
    assert len(made.advance(T0 + CLOSE_OUT_NS[Grade.RED])[1]) == 1


def test_open_handled_verified_and_gone_once_the_alarm_is_normal() -> None:
    made = opened()
    assert dispose(made) == ""
    assert (state(made).state, state(made).person) == (Stage.HANDLED, "zhangwei")
    assert made.next_due() is None
    assert dispose(made, verify=True, revision=2) == "ALM-441"
    assert dispose(made, "liping", verify=True, revision=2) == ""
    assert (state(made).state, state(made).second) == (Stage.VERIFIED, "liping")
    assert made.unfinished() == []
    made.react(moved("reset", version=2))
    assert made.of(GAS, T0) is None


def test_an_alarm_that_is_normal_still_needs_its_disposition() -> None:
    made = opened()
    made.react(moved("return", version=2))
    made.react(moved("ack", version=3, after="normal"))
    made.react(moved(version=1, occurrence=T0 + 99, received=T0 + 99))
    assert [d.occurrence for d in made.unfinished()] == [T0, T0 + 99]
    assert dispose(made, version=3) == ""
    assert dispose(made, "liping", version=3, verify=True, revision=2) == ""
    assert [d.occurrence for d in made.unfinished()] == [T0 + 99]


@pytest.mark.parametrize(
    ("grade", "details", "code"),
    [
        ("orange", {"occurrence": T0 + 1}, "ALM-404"),
        ("orange", {"role": "viewer"}, "ALM-403"),
        ("orange", {"version": 7}, "ALM-409"),
        ("orange", {"revision": 7}, "ALM-409"),
        ("orange", {"cause": " "}, "ALM-442"),
        ("orange", {"measure": ""}, "ALM-442"),
        ("red", {"evidence": ""}, "ALM-443"),
        ("yellow", {"evidence": "", "cause": "误报:蒸汽"}, "ALM-443"),
        ("yellow", {"evidence": "", "cause": "False-Alarm: steam"}, "ALM-443"),
        ("yellow", {"evidence": "", "cause": "并非误报"}, ""),
        ("orange", {"evidence": ""}, ""),
        ("orange", {"verify": True, "revision": 1}, "ALM-440"),
    ],
)
def test_what_is_refused(grade: str, details: dict[str, Any], code: str) -> None:
    made = opened(Grade(grade))
    before = state(made)
    assert dispose(made, **details) == code
    assert (state(made) == before) is bool(code)


def test_a_change_of_a_handled_one_needs_the_state_that_was_seen() -> None:
    made = opened()
    assert dispose(made) == ""
    assert dispose(made, "liping") == "ALM-409"
    assert dispose(made, "liping", revision=1) == "ALM-409"
    assert dispose(made, "liping", revision=2, measure="停泵") == ""
    # Whoever saw the first text verifies nothing of the second one.
    assert dispose(made, "wang", verify=True, revision=2) == "ALM-409"
    assert dispose(made, "wang", verify=True, revision=3) == ""
    assert dispose(made, "liping", revision=4) == ""
    assert (state(made).state, state(made).second) == (Stage.HANDLED, "")


PROMISE = {"person": "zhangwei", "next": "查法兰", "by": T0 + 600 * S}


def promised(after: str = "latched_ack", **more: Any) -> Dispositions:
    made = Dispositions()
    made.react(moved(**more))
    made.react(moved("ack", version=2, after=after, cause=PROMISE, **more))
    return made


def test_what_was_promised_comes_back_unless_the_alarm_sounds_by_itself() -> None:
    made = promised()
    assert made.next_due() == T0 + 600 * S
    (body,), (event,) = made.advance(T0 + 600 * S)
    assert (body["event"], event.promised, event.next) == ("reminded", "zhangwei", "查法兰")
    assert made.advance(T0 + 601 * S) == ([], [])
    assert promised("ack_active").advance(T0 + 600 * S) == ([], [])
    gone = promised("ack_active")
    gone.react(moved("return", version=3, after="normal"))
    assert len(gone.advance(T0 + 600 * S)[1]) == 1


def test_a_promise_is_kept_by_saying_what_was_done_and_replaced_by_the_next_one() -> None:
    made = promised()
    assert dispose(made, version=2) == ""
    assert made.advance(T0 + 600 * S) == ([], [])
    again = promised()
    again.react(moved("ack", version=3, after="latched_ack"))
    assert again.advance(T0 + 600 * S) == ([], [])
    assert len(promised(grade=Grade.BLUE).advance(T0 + 600 * S)[1]) == 1


def test_what_was_promised_and_done_before_a_restart_is_not_asked_for_after_it() -> None:
    steps = [("raise", GAS, Grade.ORANGE, 1), ("promise", GAS, Grade.ORANGE, 1),
             ("handle", GAS, Grade.ORANGE, 1), ("restart", GAS, Grade.ORANGE, 1)]  # fmt: skip
    world = World(restarts=True)
    for step in steps:
        world.step(*step)
    assert world.made.next_due() is None
    assert world.made.advance(world.now + 7200 * S) == ([], [])


def test_a_snapshot_of_another_form_is_not_read() -> None:
    assert readable(Dispositions().snapshot())
    for other in (b"", b"{}", b'{"version": 99}', b"[]", b"\xff"):
        assert not readable(other)


# A restart anywhere ---------------------------------------------------------------------------

ALARMS = (GAS, "hd/panel-1/ch4-02:gas")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["raise", "rise", "fall", "ack", "promise", "return", "reset", "mask", "unmask",
             "handle", "verify", "wait", "restart", "snapshot"]
        ),
        st.sampled_from(ALARMS),
        st.sampled_from(list(Grade)),
        st.integers(1, 5_000),
    ),
    max_size=40,
)  # fmt: skip
ORDER = [Grade.BLUE, Grade.YELLOW, Grade.ORANGE, Grade.RED]


class World:
    """One sequence of events told to dispositions that are restarted, or never are."""

    def __init__(self, *, restarts: bool) -> None:
        self.restarts = restarts
        self.made = Dispositions()
        self.snapshot: bytes | None = None
        self.tail: list[Transition | Body] = []
        self.now = T0
        self.last: dict[str, Transition] = {}
        self.said: list[Any] = []

    def step(self, what: str, alarm: str, grade: Grade, seconds: int) -> None:
        self.now += seconds * S
        if what == "restart":
            if self.restarts:
                self.made = Dispositions()
                self.made.restore(self.snapshot, self.tail)
        elif what == "snapshot":
            self.snapshot, self.tail = self.made.snapshot(), []
        elif what in ("handle", "verify"):
            self.command(what, alarm, "liping" if grade is Grade.RED else "zhangwei")
        elif (t := self.transition(what, alarm, grade)) is not None:
            self.last[alarm] = t
            self.tail.append(t)
            self.keep(self.made.react(t))
        bodies, events = self.made.advance(self.now)
        self.keep(bodies)
        self.said.append((events, self.made.unfinished(), self.made.next_due()))

    def command(self, what: str, alarm: str, person: str) -> None:
        before = self.last.get(alarm)
        if before is None:
            return
        found = self.made.of(alarm, before.occurrence)
        seen = {"revision": found.revision if found is not None else 0}
        details = {**seen, "verify": True} if what == "verify" else {**TEXTS, **seen}
        command = Command("c", "dispose", alarm, before.occurrence, before.version, person,
                          "operator", details=details)  # fmt: skip
        outcome, bodies = self.made.command(command)
        self.said.append(outcome)
        self.keep(bodies)

    def transition(self, what: str, alarm: str, grade: Grade) -> Transition | None:
        before = self.last.get(alarm)
        if before is None or before.after == "normal":
            if what != "raise":
                return None
            occurrence = self.now if before is None else max(self.now, before.occurrence + 1)
            return moved(alarm=alarm, grade=grade, occurrence=occurrence, received=self.now)
        peak = max(before.peak, grade, key=ORDER.index) if what == "rise" else before.peak
        after = {"rise": "unack_active", "ack": "ack_active", "promise": "latched_ack",
                 "return": "latched_unack", "reset": "normal"}.get(what, before.after)  # fmt: skip
        if what in ("raise", "wait"):
            return None
        cause = {"person": "zhangwei", "next": "看", "by": self.now + 3600 * S}
        return replace(
            before, event={"promise": "ack"}.get(what, what), version=before.version + 1,
            before=before.after, after=after, peak=peak, received=self.now,
            cause=cause if what == "promise" else {},
            mask={"mask": "shelved", "unmask": ""}.get(what, before.mask),
        )  # fmt: skip

    def keep(self, bodies: Iterable[Body]) -> None:
        for body in bodies:
            self.tail.append(body)
            self.said.append(body)


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_a_restart_anywhere_changes_nothing(steps: list[Any]) -> None:
    told, untold = World(restarts=True), World(restarts=False)
    for step in steps:
        told.step(*step)
        untold.step(*step)
        assert told.said == untold.said
