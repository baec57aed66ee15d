"""2,000 power cuts over every workload: nothing acknowledged is lost, nothing is torn."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from flips import flip
from powercut import NAMES, memory, recorded, whole

IMAGES = 2_000
FLIPS = 500


@pytest.fixture
def base() -> Iterator[Path]:
    made = memory()
    yield made
    if not list(made.glob("*.recording")):
        shutil.rmtree(made)


@pytest.mark.parametrize("name", NAMES)
def test_what_was_acknowledged_outlives_the_power(name: str, base: Path) -> None:
    assert whole(name, range(-(-IMAGES // len(NAMES))), 1, base) == []


def test_no_flipped_bit_is_silent(base: Path) -> None:
    assert flip(recorded("checkpoints", base), FLIPS, 1, base) == []
