"""Overrides in the engine: up to their end the signed set point, from then on the bound."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from parkwatch.daemon.config.moments import until_ns
from parkwatch.rules.batch import Batch
from parkwatch.rules.engine import Engine
from parkwatch.rules.quality import GOOD
from parkwatch.rules.site import SECOND_NS
from tests.daemon.config.overrides_toml import CH4, OVERRIDE, folder_with_key, park, signed, site_of


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return folder_with_key(tmp_path / "data")


class Bench:
    """An engine over the park, from before the override ends."""

    def __init__(self, text: str, data: Path, now: int) -> None:
        site = site_of(text, data)
        self.now = now
        self.engine = Engine(site, now)
        self.index = {point.tag: point.index for point in site.points}
        self.said: list[tuple[str, str, str]] = []

    def read(self, seconds: int, **values: float) -> None:
        self.now += seconds * SECOND_NS
        tags = [tag.replace("_", "-") for tag in values]
        stamps = np.full(len(values), self.now, dtype=np.int64)
        batch = Batch(
            np.array([self.index[tag] for tag in tags], dtype=np.int32),
            np.array(list(values.values()), dtype=float),
            np.full(len(values), GOOD, dtype=np.uint8), stamps, stamps, "live",
        )  # fmt: skip
        told = [*self.engine.feed(batch), *self.engine.advance(self.now + 1)]
        self.said += [(t.alarm.partition("/")[2], t.event, str(t.grade)) for t in told]

    def told(self, about: str) -> list[tuple[str, str]]:
        found = [(event, grade) for alarm, event, grade in self.said if alarm.startswith(about)]
        self.said = []
        return found


def test_after_its_end_the_bound_counts(data: Path) -> None:
    end = until_ns(date(2026, 12, 31), "Asia/Shanghai")
    bench = Bench(signed(park()), data, end - 20 * SECOND_NS)
    for _ in range(19):
        bench.read(1, CH4_1=27)
    assert bench.told("panel-1/ch4-1:gas") == []
    for _ in range(6):
        bench.read(1, CH4_1=27)
    assert bench.told("panel-1/ch4-1:gas") == [("raise", "yellow")]


def test_a_start_after_its_end_has_the_bound(data: Path) -> None:
    end = until_ns(date(2026, 12, 31), "Asia/Shanghai")
    bench = Bench(signed(park()), data, end + 20 * SECOND_NS)
    for _ in range(5):
        bench.read(1, CH4_1=27)
    assert bench.told("panel-1/ch4-1:gas") == [("raise", "yellow")]


@pytest.mark.parametrize(("alone", "votes"), [(False, [("raise", "red")]), (True, [])])
def test_a_lone_level_two_stays_orange_until_its_end(
    alone: bool, votes: list[tuple[str, str]], data: Path
) -> None:
    end = until_ns(date(2026, 12, 31), "Asia/Shanghai")
    text = signed(park(CH4, f"alone = {OVERRIDE}" if alone else ""))
    bench = Bench(text, data, end - 20 * SECOND_NS)
    for _ in range(15):
        bench.read(1, CH4_1=60)
    assert bench.told("tank-a:vote-ch4") == votes
    for _ in range(10):
        bench.read(1, CH4_1=60)
    assert bench.told("tank-a:vote-ch4") == ([("raise", "red")] if alone else [])
