"""Bump tests in a turn: the record is committed with what it means, and ends what was due."""

from typing import Any

from small_park import ALONE, T0, A, B, S, batch, site

from parkwatch.daemon.pipeline.bumps import Bumps
from parkwatch.daemon.pipeline.turn import Asked, Turns, Work
from parkwatch.rules.arming import DUE_NS, OVERDUE_NS
from parkwatch.rules.engine import Engine
from parkwatch.rules.transition import Command

DAY = 86_400
KEY = bytes(32)


class Shift:
    """A daemon whose points were armed at T0; no driver has anything to tell."""

    def __init__(self) -> None:
        self.now = T0
        self.engine = Engine(site(), T0)
        self.turns = Turns(self.engine, None, lambda: self.now)  # type: ignore[arg-type]
        self.turns.arming.take("start", {"arming": "provisional"}, T0)
        self.turns.bumps.key = KEY
        self.ids = [point.id for point in self.engine.site.points]

    def turn(self, at: float, *items: Any) -> Work:
        self.now = T0 + round(at * S)
        work = Work()
        for item in items:
            self.turns.take(item, work)
        self.turns.advance(work)
        self.turns.group(work)
        return work

    def ask(self, what: str, point: int, number: int) -> Asked:
        said = {"gas": "CH4", "bottle": 50.0, "minutes": 30} if what == "start" else {}
        command = Command(
            f"00000000-0000-4000-8000-{number:012d}", f"bump-{what}", f"{self.ids[point]}:due",
            0, 0, "tech", "technician", details=said,
        )  # fmt: skip
        return Asked(command, {}, None)  # type: ignore[arg-type]

    def grade(self, point: int) -> str:
        view = self.engine.alarm(f"{self.ids[point]}:due")
        return str(view.grade) if view is not None and view.live_level else ""


def test_what_nobody_proved_falls_due_and_a_pass_ends_it() -> None:
    shift = Shift()
    shift.turn(1)
    assert shift.grade(A) == ""
    at = DUE_NS / S + 3600
    shift.turn(at)
    assert (shift.grade(A), shift.grade(ALONE)) == ("blue", "blue")
    at = OVERDUE_NS / S + 3600
    shift.turn(at)
    assert shift.grade(A) == "yellow"
    shift.turn(at, batch(at, {A: 0.0, B: 0.0}), shift.ask("start", A, 1))
    for second in range(1, 20):
        shift.turn(at + second, batch(at + second, {A: 50.0, B: 0.0}))
    work = shift.turn(at + 20, shift.ask("stop", A, 2))
    assert [e.body["verdict"] for e in work.entries if e.kind == "bump"] == ["pass"]
    shift.turn(at + 21)
    assert (shift.grade(A), shift.grade(ALONE)) == ("", "yellow")


def test_what_history_keeps_is_calibrating_and_a_test_of_its_own_ends_is_recorded() -> None:
    shift = Shift()
    shift.turn(1, batch(1, {A: 0.0, B: 0.0}), shift.ask("start", A, 1))
    work = shift.turn(2, batch(2, {A: 1.0, B: 0.0}))
    assert work.batches[0].quality.tolist() == [0x85, 0]
    ended = shift.turn(1802)
    (record,) = (e.body for e in ended.entries if e.kind == "bump")
    assert (record["verdict"], record["why"]) == ("fail", "time")
    assert shift.turns.arming.of(shift.engine.site.points[A]).verdict == "fail"


def test_without_a_site_key_no_test_begins() -> None:
    shift = Shift()
    shift.turns.bumps.key = b""
    work = shift.turn(1, batch(1, {A: 0.0, B: 0.0}), shift.ask("start", A, 1))
    (record,) = (e.body for e in work.entries if e.kind == "command")
    assert record["result"] == "CFG-191"


def test_the_open_windows_are_those_of_the_snapshot_and_the_records_after_it() -> None:
    shift = Shift()
    shift.turn(1, batch(1, {A: 0.0, B: 0.0}), shift.ask("start", A, 1))
    again = Bumps(shift.engine, shift.turns.arming)
    again.restore(shift.turns.bumps.snapshot(), [])
    assert [each["point"] for each in again.running()] == [shift.ids[A]]
    (entry,) = again.interrupted(shift.now)
    assert (entry.body["why"], entry.body["verdict"]) == ("restart", "aborted")
