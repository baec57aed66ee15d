"""Our own parts are alarms like any other: raised, returned, and with some distance between."""

from dataclasses import replace
from pathlib import Path

import pytest

from parkwatch.daemon.app.disk import Space
from parkwatch.daemon.app.selfwatch import WATCHED, Sample, SelfWatch
from parkwatch.daemon.pipeline.turn import SystemCondition
from parkwatch.rules import system_alarms
from parkwatch.rules.site import SECOND_NS as S

T0 = 1_000 * S
FINE = Sample(T0, 0, 0.0, 0.0, 1, Space(50, 100))
PAGE = Path(__file__).parents[3] / "docs" / "reference" / "system-alarms.md"


class Watch:
    """A watch, what is active, and a clock that goes on by a second a look."""

    def __init__(self, *active: str) -> None:
        self.watch = SelfWatch(lambda alarm: alarm in active)
        self.now = T0
        self.active = set(active)
        self.said: list[SystemCondition] = []

    def look(self, **changed: object) -> set[str]:
        self.now += S
        sample = replace(FINE, now=self.now, **changed)  # type: ignore[arg-type]
        said = self.watch.look(sample)
        self.said += said
        for condition in said:
            assert (condition.alarm in self.active) is not condition.active, "told once"
            (self.active.add if condition.active else self.active.discard)(condition.alarm)
        return self.active

    def seconds(self, n: int, **changed: object) -> set[str]:
        for _ in range(n):
            self.look(**changed)
        return self.active


def test_nothing_is_said_of_what_is_well() -> None:
    watch = Watch()
    assert watch.seconds(300) == set()
    assert watch.said == []


def test_a_clock_that_is_off_and_comes_back() -> None:
    watch = Watch()
    for tenth in range(1, 50):  # drifting is no jump
        assert watch.look(skew_ns=tenth * S // 10) == set()
    assert watch.look(skew_ns=round(5.1 * S)) == {"system/clock:skew"}
    assert watch.look(skew_ns=round(4.5 * S)) == {"system/clock:skew"}
    assert watch.look(skew_ns=round(3.9 * S)) == set()


@pytest.mark.parametrize("by", [3_600, -2, -2 * 86_400])
def test_a_jump_is_one_alarm_that_returns(by: int) -> None:
    watch = Watch()
    watch.look()
    assert "system/clock:jump" in watch.look(skew_ns=by * S)
    assert f"{by:+.1f} s" in watch.said[-1].text
    assert "system/clock:jump" not in watch.seconds(61, skew_ns=by * S)
    assert ("system/clock:skew" in watch.active) is (abs(by) > 5)


def test_a_loop_that_hung_is_told_and_returns_when_it_runs_again() -> None:
    watch = Watch()
    assert watch.look(lag_s=4.9) == set()
    assert watch.look(lag_s=61.0) == {"system/loop:lag"}
    assert "61.0 s" in watch.said[0].text
    assert watch.seconds(5) == {"system/loop:lag"}
    assert watch.seconds(6) == set()


def test_a_queue_that_fills_up_and_is_drained() -> None:
    watch = Watch()
    assert watch.look(queue=0.79) == set()
    assert watch.look(queue=0.81) == {"system/queue:full"}
    assert watch.look(queue=0.5) == {"system/queue:full"}
    assert watch.look(queue=0.3) == set()


def test_a_disk_that_fills_up_and_is_cleared() -> None:
    watch = Watch()
    gib = 1 << 30
    assert watch.look(space=Space(9 * gib, 100 * gib)) == {"system/disk:low"}
    assert "9.0%" in watch.said[0].text
    assert watch.look(space=None) == {"system/disk:low"}  # it does not answer: nothing is known
    assert watch.look(space=Space(11 * gib, 100 * gib)) == {"system/disk:low"}
    assert watch.look(space=Space(13 * gib, 100 * gib)) == set()


def test_a_console_is_missed_only_once_somebody_had_been_there() -> None:
    watch = Watch()
    assert watch.seconds(300, manned=0) == set()
    watch.look(manned=1)
    assert watch.seconds(60, manned=0) == set()
    assert watch.look(manned=0) == {"system/console:unmanned"}
    assert watch.look(manned=2) == set()


def test_what_was_active_before_a_restart_returns_after_it() -> None:
    watch = Watch(*WATCHED)
    watch.look()
    assert watch.active == set()
    watch = Watch("system/console:unmanned")
    assert watch.look(manned=0) == {"system/console:unmanned"}


def test_every_condition_has_the_grade_of_the_table() -> None:
    watch = Watch()
    watch.look()
    watch.look(skew_ns=60 * S, lag_s=9.0, queue=1.0, space=Space(0, 100))
    watch.seconds(61, manned=0)
    assert {c.alarm for c in watch.said if c.active} == set(WATCHED)
    for condition in watch.said:
        assert condition.grade == str(system_alarms.of(condition.alarm).grade)


def page() -> str:
    """The reference page, printed from the table."""
    rows = [
        f"| `{row.id}` | {row.grade} | {row.zh} {row.en} | {row.do_zh}。 {row.do_en} |"
        for row in system_alarms.ALARMS.values()
    ]
    return "\n".join([
        "# 系统报警 Alarms of our own parts",
        "",
        "ParkWatch 自身各部分的报警与其他报警相同: 有等级、确认、恢复,并按默认链通知。",
        "They are ordinary alarms: graded, acknowledged, returned, told over the default chain.",
        "",
        "| 编号 id | 等级 grade | 含义 meaning | 处理 what to do |",
        "| --- | --- | --- | --- |",
        *rows,
        "",
    ])  # fmt: skip


def test_the_reference_page_is_what_the_table_says() -> None:
    assert PAGE.read_text("utf-8") == page(), "write the page anew from page()"
