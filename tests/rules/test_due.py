"""Dates on a detector's card: reminded 30, 7 and 0 days before, each time anew; overdue it is
doubtful, everywhere, and still alarms."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import small_park
from small_park import ALONE, T0, A, B, S, batch

from parkwatch.daemon.journal.journal import Entry
from parkwatch.daemon.pipeline.turn import Turns, Work
from parkwatch.drivers.source import DriverEvent
from parkwatch.rules.due import dates, standing
from parkwatch.rules.engine import Engine
from parkwatch.rules.grade import Grade
from parkwatch.rules.overlay import OVERDUE, Lapsed
from parkwatch.rules.quality import BAD_FAULT, GOOD, UNCERTAIN, Reason
from parkwatch.rules.site import DueDay, Limit, Point, Site
from parkwatch.rules.transition import Transition

DAY = 86_400 * S
OVER_RANGE = UNCERTAIN | Reason.OVER_RANGE


def card(what: str, over: float) -> DueDay:
    """A date that is over `over` days after T0."""
    end = T0 + round(over * DAY)
    return DueDay(what, "2027-03-01", (end - 31 * DAY, end - 8 * DAY, end - DAY, end))


def park(**cards: tuple[DueDay, ...]) -> Site:
    site = small_park.site()
    points = [
        replace(point, armed="armed", dues=cards.get(point.tag.replace("-", "_"), ()))
        for point in site.points
    ]
    return replace(site, points=points)


class NoLinks:
    def react(self, event: DriverEvent) -> tuple[Sequence[Entry], Sequence[Transition]]:
        raise AssertionError(event)


class World:
    """A pipeline's turns on a virtual clock."""

    def __init__(self, site: Site) -> None:
        self.now = T0
        self.engine = Engine(site, T0)
        self.turns = Turns(self.engine, NoLinks(), lambda: self.now)

    def at(self, day: float, **readings: float) -> Work:
        self.now = T0 + round(day * DAY)
        work = Work()
        if readings:
            names = {"a": A, "b": B, "alone": ALONE}
            values = {names[name]: value for name, value in readings.items()}
            self.turns.take(batch((self.now - T0) / S, values), work)
        self.turns.advance(work)
        self.turns.group(work)
        return work

    def due(self, day: float) -> list[tuple[str, str]]:
        """Events of the due alarm, with the Chinese of what they say."""
        said = [t for t in self.at(day).transitions if t.alarm.endswith(":due")]
        return [(t.event, str(t.cause["text"])) for t in said]


def test_each_reminder_is_announced_and_the_alarm_stays_one() -> None:
    world = World(park(CH4_01=(card("verification", 40),)))
    alarm = "hd/panel-1/ch4-01:due"
    said = {day: world.due(day) for day in (8.9, 9, 20, 32, 38.9, 39, 40, 41)}
    events = {day: [event for event, _ in found] for day, found in said.items()}
    assert events == {
        8.9: [], 9: ["raise"], 20: [], 32: ["rise"], 38.9: [], 39: ["rise"], 40: ["rise"], 41: [],
    }  # fmt: skip
    for day, word in ((9, "30 天"), (32, "7 天"), (39, "今日"), (40, "已过期")):
        assert "检定 2027-03-01" in said[day][0][1]
        assert word in said[day][0][1]
    view = world.engine.alarm(alarm)
    assert view is not None
    assert (str(view.grade), view.version, view.live_level) == ("blue", 4, 4)


def test_one_alarm_says_all_that_is_due_at_a_point_and_falls_with_what_was_done() -> None:
    both = card("verification", 5), card("calibration", 30)
    world = World(park(CH4_01=both))
    ((event, text),) = world.due(0)
    assert event == "raise"
    assert "检定" in text
    assert "校准" in text
    state = world.engine.snapshot()
    renewed = World(park(CH4_01=(card("verification", 400), card("calibration", 30))))
    renewed.engine.restore(state, [], T0)
    assert [event for event, _ in renewed.due(0.1)] == ["fall"]
    assert [event for event, _ in renewed.due(23)] == ["rise"]
    done = World(park())
    done.engine.restore(state, [], T0)
    assert [event for event, _ in done.due(0.1)] == ["return"]


def test_what_a_limit_says_is_due_is_left_to_the_limit() -> None:
    """A permit's next gas test is an alarm of the same name: nobody else may end it."""
    site = park(CH4_01=(card("verification", 0),))
    limit = Limit(A, "due", 2, "high", 0.5, Grade.YELLOW)
    world = World(replace(site, limits=[*site.limits, limit]))
    assert [event for event, _ in world.due(0)] == []
    raised = [t.event for t in world.at(0.01, a=1.0).transitions if t.alarm.endswith(":due")]
    assert raised == ["raise"]
    assert [event for event, _ in world.due(0.1)] == []
    view = world.engine.alarm("hd/panel-1/ch4-01:due")
    assert view is not None
    assert view.live_level == 2


def test_an_overdue_detector_is_doubtful_in_history_and_for_people_and_still_alarms() -> None:
    world = World(park(CH4_01=(card("calibration", 2),)))
    before = world.at(1.9, a=1.0, b=1.0)
    assert before.batches[0].quality.tolist() == [GOOD, GOOD]
    after = world.at(2, a=60.0, b=1.0)
    assert after.batches[0].quality.tolist() == [OVERDUE, GOOD]
    assert world.engine.qualities[A] == OVERDUE
    world.at(2 + 5 / 86_400, a=60.0, b=1.0)
    raised = world.engine.alarm("hd/panel-1/ch4-01:gas")
    assert raised is not None
    assert raised.live_level == 2


@pytest.mark.parametrize(
    ("quality", "seen"),
    [(GOOD, OVERDUE), (BAD_FAULT, BAD_FAULT), (OVER_RANGE, OVER_RANGE)],
)
def test_only_what_was_good_becomes_doubtful(quality: int, seen: int) -> None:
    lapsed = Lapsed(park(CH4_01=(card("verification", 0),)).points, lambda _: 0)
    assert lapsed.take(batch(0, {A: 1.0}, quality)).quality.tolist() == [seen]
    assert lapsed.take(batch(-1, {A: 1.0}, quality)).quality.tolist() == [quality]
    drill = batch(0, {A: 1.0}, quality, "drill:1")
    assert lapsed.take(drill) is drill


def test_a_point_that_nobody_knows_is_passed_on() -> None:
    lapsed = Lapsed(park(CH4_01=(card("verification", 0),)).points, lambda _: 0)
    strange = replace(batch(0, {A: 1.0, B: 1.0}), point=np.array([-1, 99], dtype=np.int32))
    assert lapsed.take(strange) is strange


def test_a_bump_test_that_passed_was_the_one_that_was_due() -> None:
    point = park(CH4_01=(card("bump", 10), card("verification", 10))).points[A]
    early, timely = point.dues[0].reminders[0] - 1, point.dues[0].reminders[0]

    def whats(tested: int) -> list[str]:
        return [day.what for day in standing(point, tested)]

    assert whats(0) == whats(early) == ["bump", "verification"]
    assert whats(timely) == ["verification"]

    def passed(of: Point) -> int:
        return timely

    assert [due.what for due in dates([point], passed, T0 + 10 * DAY)] == ["verification"]
    assert Lapsed([point], passed).take(batch(9 * 86_400, {A: 1.0})).quality.tolist() == [GOOD]


def test_the_test_ends_the_doubt_with_the_turn_that_records_it() -> None:
    world = World(park(CH4_03=(card("bump", 1),)))
    assert world.at(1, alone=1.0).batches[0].quality.tolist() == [OVERDUE]
    body = {"what": "test", "point": "hd/panel-1/ch4-03", "verdict": "pass"}
    world.turns.arming.take("bump", body, world.now)
    assert [event for event, _ in world.due(1.05)] == ["return"]
    assert world.at(1.1, alone=1.0).batches[0].quality.tolist() == [GOOD]
