"""kill -9 at every named point of a commit, a send, a mark, a snapshot, an anchor and a start."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from first import POINTS as FIRST
from first import first_starts
from station import Station, station
from storm import MARK, POINTS, Storm, crashes, log_tail
from storming import alarm

TIMES = 3


@pytest.mark.timeout(180)
def test_each_point_of_a_running_daemon(tmp_path: Path) -> None:
    with station(tmp_path, 200, 2) as made:
        result = crashes(made, POINTS, TIMES, seed=1)
    assert not result.wrong, "\n".join([*result.wrong, log_tail(tmp_path)])
    assert result.kills == TIMES * len(POINTS)
    assert result.extra > 0  # the ambiguous ones are there, and are marked


@pytest.mark.timeout(120)
def test_each_point_of_a_first_start(tmp_path: Path) -> None:
    with station(tmp_path, 4) as made:
        result = first_starts(made, TIMES)
    assert not result.wrong, "\n".join([*result.wrong, log_tail(tmp_path)])
    assert result.kills == TIMES * len(FIRST)


# The judge can fail: what each of these daemons did is looked at as if it had done something else.


@pytest.fixture
def judged(tmp_path: Path) -> Iterator[Storm]:
    """A storm of a few kills that was found to be right."""
    with station(tmp_path, 40) as made:
        storm = Storm(made, 1)
        for _ in range(4):
            storm.crash("sending.after")
        storm.settle()
        assert not storm.result.wrong
        yield storm


def wrong(storm: Storm) -> str:
    return "\n".join(storm._judged())


def test_a_lost_or_doubled_alarm_is_seen(judged: Storm) -> None:
    point = next(iter(judged._intervals))
    judged._intervals[point] += 1
    assert f"{alarm(point)}: 1 of 2 activations" in wrong(judged)
    judged._intervals[point] -= 2
    assert f"{alarm(point)}: 1 of 0 activations" in wrong(judged)


def test_a_transition_told_twice_is_seen(judged: Storm, monkeypatch: pytest.MonkeyPatch) -> None:
    twice = judged._station.transitions() * 2
    monkeypatch.setattr(Station, "transitions", lambda self: twice)
    assert "twice in the journal" in wrong(judged)


def test_a_send_that_nobody_asked_for_is_seen(judged: Storm) -> None:
    bodies = judged._station.phone.bodies
    bodies.append(("/", {"title": "红警", "message": "无中生有"}))
    told = {key: str(text).replace(MARK, "") for key, text in bodies[0][1].items()}
    bodies += [("/", told), ("/", told)]
    found = wrong(judged)
    assert "no message of ours" in found
    assert "sent again without saying so" in found
    del bodies[0::2]
    assert "never came" in wrong(judged)
