"""A wrong clock delays no alarm: level 2 is raised within 3 s whatever the source's clock says, and
people are told how wrong it is. Only a backlog that is being drained is late."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from small_park import ALONE, S, World, site

from parkwatch.drivers.config import Gateway
from parkwatch.drivers.mqtt.gateway import GatewayDesk, Message
from parkwatch.drivers.mqtt.parts import merged
from parkwatch.drivers.mqtt.sourceclock import Offset, Skew, words
from parkwatch.rules.batch import LATE
from parkwatch.rules.engine import Engine

START = 1_764_000_000 * S
H = 3600


class Line:
    """A gateway's messages on their way to the alarm; `at` are seconds after START."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.world = World(Engine(site(), START))
        gateway = Gateway("hd/gw-1", "hd", "gw-1", {"panel-1/ch4-03": ALONE})
        self.desk = GatewayDesk(gateway, lambda kind, text: self.told.append((kind, text)))
        self.raised: dict[str, float] = {}

    def send(self, what: str, body: bytes, at: float) -> list[str]:
        """The origins of what came of a message."""
        received = START + round(at * S)
        parts = self.desk.take(
            Message(f"park/hd/gw-1/{what}", what, body, False, received, lambda: None)
        )
        said = [t for part in parts for t in self.world.engine.feed(merged([part]))]
        said += self.world.engine.advance(received)
        self.raised |= {t.alarm: at for t in said if t.event in ("raise", "rise")}
        return [part.origin for part in parts]

    def clock(self) -> list[str]:
        return [text for kind, text in self.told if kind == "clock"]


def single(value: float, time: float) -> tuple[str, bytes]:
    return "r/panel-1/ch4-03", json.dumps({"val": value, "t": round(time * 1000)}).encode()


def batched(seq: int, value: float, time: float) -> tuple[str, bytes]:
    body = {"v": 1, "boot": 7, "seq": seq, "t": round(time * 1000), "id": ["panel-1/ch4-03"]}
    return "readings", json.dumps({**body, "val": [value]}).encode()


CLOCKS: dict[str, Callable[[float], float]] = {
    "right": lambda at: START / S + at,
    "stands still": lambda _: START / S - 50,
    "8 h behind": lambda at: START / S + at - 8 * H,
    "8 h ahead": lambda at: START / S + at + 8 * H,
    "1970": lambda at: 100 + at,
    "falls": lambda at: START / S - at,
}


@pytest.mark.parametrize("clock", CLOCKS.values(), ids=CLOCKS.keys())
@pytest.mark.parametrize("sequenced", [True, False], ids=["batched", "single"])
def test_level_2_is_raised_within_3_s(clock: Callable[[float], float], *, sequenced: bool) -> None:
    line = Line()
    for n in range(60):
        value = 10.0 if n < 40 else 60.0
        what, body = batched(n, value, clock(n)) if sequenced else single(value, clock(n))
        assert LATE not in line.send(what, body, n)
    assert 40 <= line.raised["hd/panel-1/ch4-03:gas"] <= 43
    assert "hd/panel-1/ch4-03:late" not in line.raised


def test_steady_equal_readings_without_sequence_are_proof_of_life() -> None:
    line = Line()
    for n in range(0, 120, 5):
        line.send(*single(60.0, START / S), n)
    assert line.raised["hd/panel-1/ch4-03:gas"] <= 5
    assert "hd/panel-1/ch4-03:fault" not in line.raised


def test_a_backlog_without_sequence_is_late_and_its_level_2_is_one_event() -> None:
    line = Line()
    for n in range(10):
        line.send(*single(1.0, START / S + n), n)
    for n in range(10, 100):  # 90 s of outage handed over within a second, then news.
        line.send(*single(60.0 if n == 50 else 1.0, START / S + n), 100 + n / 100)
    assert line.send(*single(1.0, START / S + 102), 102) == ["live"]
    mine = [a.rpartition(":")[2] for a in line.raised if a.startswith("hd/panel-1/ch4-03")]
    assert sorted(mine) == ["fault", "late"]


@pytest.mark.parametrize("sequenced", [True, False], ids=["batched", "single"])
@pytest.mark.parametrize(
    ("clock", "said"),
    [
        ("8 h behind", "时钟慢 behind 8 h,时区设错? time zone?"),
        ("8 h ahead", "时钟快 ahead 8 h,时区设错? time zone?"),
        ("1970", "时钟未设置 the clock was never set: 慢 behind 20417 d"),
    ],
)
def test_what_is_wrong_with_a_clock_is_said(clock: str, said: str, *, sequenced: bool) -> None:
    line = Line()
    for n in range(3):
        time = CLOCKS[clock](n)
        line.send(*(batched(n, 1.0, time) if sequenced else single(1.0, time)), n)
    assert line.clock()[-1] == said


@pytest.mark.parametrize("off_s", [-6.0, 6.0])
def test_a_clock_that_is_off_by_more_than_5_s_is_told_and_the_values_stay_good(
    off_s: float,
) -> None:
    line = Line()
    for n in range(70):
        line.send(*batched(n, 1.0, START / S + n - off_s), n)
    assert line.clock()[-1] == f"时钟{'慢 behind' if off_s > 0 else '快 ahead'} 6.0 s"
    assert line.world.engine.qualities[ALONE] == 0


def test_a_slow_line_is_no_wrong_clock() -> None:
    """Batches each 10 s: the newest is always a moment old, the others are older by design."""
    line, offset = Line(), Offset()
    for n in range(30):
        line.send(*batched(n, 1.0, START / S + 10 * n - 1), 10 * n)
        for age in (9, 7, 2):
            assert offset.judge(START + (10 * n - age) * S, START + 10 * n * S) is Skew.NONE
    assert line.clock() == []


def test_a_clock_is_a_time_zone_off_only_near_whole_hours() -> None:
    assert "zone" in words(8 * H * S + 100 * S)
    assert "zone" not in words(8 * H * S + 500 * S)
    assert "zone" not in words(100 * S)
