"""kill -9 in a reload, a rotation and a migration: the old or the new, and never an alarm less."""

from collections.abc import Callable
from pathlib import Path

import pytest
from change import CHANGES
from station import Station, station
from storm import Result, log_tail

TIMES = 3


@pytest.mark.timeout(180)
@pytest.mark.parametrize(("name", "work"), CHANGES)
def test_a_kill_leaves_the_old_or_the_new(
    name: str, work: Callable[[Station, int], Result], tmp_path: Path
) -> None:
    with station(tmp_path, 60) as made:
        result = work(made, TIMES)
    assert not result.wrong, "\n".join([name, *result.wrong, log_tail(tmp_path)])
    assert result.raised == result.activations > TIMES
