"""Free space: the alarm first, then history stops, the reserve is given up last."""

import os
from pathlib import Path

import pytest

from parkwatch.daemon.app.disk import Shortage, Space, judge, space
from parkwatch.daemon.store.reserve import Reserve

GIB = 1 << 30
NONE = Shortage()
SMALL = 1 << 20


@pytest.mark.parametrize(
    ("percent", "short"),
    [(10.1, NONE), (9.9, Shortage(low=True)), (4.9, Shortage(low=True, history=True)),
     (1.9, Shortage(low=True, history=True, reserve=True))],
)  # fmt: skip
def test_what_is_short_at_which_share(percent: float, short: Shortage) -> None:
    assert judge(Space(round(percent * GIB), 100 * GIB), NONE) == short


def test_a_small_disk_is_short_by_bytes_and_never_at_more_than_twice_the_share() -> None:
    assert judge(Space(round(0.45 * GIB), 3 * GIB), NONE) == Shortage(low=True)  # 15 %
    assert judge(Space(round(0.25 * GIB), GIB), NONE) == NONE  # 25 %, whatever the floors say


def test_what_was_short_is_so_until_there_is_some_more() -> None:
    was = Shortage(low=True, history=True, reserve=True)
    total = 100 * GIB
    assert judge(Space(round(11 * GIB), total), was) == Shortage(low=True)
    assert judge(Space(round(5.5 * GIB), total), was) == Shortage(low=True, history=True)
    assert judge(Space(13 * GIB, total), was) == NONE
    # Making the reserve again must not make the disk short again.
    assert judge(Space(round(2.5 * GIB), total), was, reserve=GIB).reserve


def test_the_real_disk_answers(tmp_path: Path) -> None:
    found = space(tmp_path)
    assert 0 < found.free <= found.total


def test_the_reserve_holds_real_blocks_and_gives_them_back_once(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "reserve", SMALL)
    assert not reserve.held
    assert reserve.make()
    found = (tmp_path / "reserve").stat()
    assert found.st_blocks * 512 >= SMALL  # a sparse file would hold nothing
    assert found.st_mode & 0o777 == 0o600
    assert Reserve(tmp_path / "reserve", SMALL).held  # a kill left it
    assert reserve.release()
    assert not reserve.held
    assert not reserve.release()
    assert reserve.make()


def test_a_reserve_that_does_not_fit_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, offset: int, size: int) -> None:
        os.ftruncate(descriptor, size // 2)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    reserve = Reserve(tmp_path / "reserve", SMALL)
    assert not reserve.make()
    assert not (tmp_path / "reserve").exists()
