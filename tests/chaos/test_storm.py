"""100 kills at random instants of a storm: no alarm is lost, none is told twice."""

from pathlib import Path

import pytest
from station import station
from storm import log_tail, storm

KILLS = 100


@pytest.mark.timeout(240)
def test_no_alarm_is_lost_and_none_is_told_twice(tmp_path: Path) -> None:
    with station(tmp_path, 200, 2) as made:
        result = storm(made, KILLS, seed=1)
    assert not result.wrong, "\n".join([*result.wrong, log_tail(tmp_path)])
    assert result.kills == KILLS
    assert result.raised == result.activations > KILLS
    assert result.sends > KILLS
