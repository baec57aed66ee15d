"""What was announced while the journal could not be written is found by the next start."""

import os
from pathlib import Path

import pytest

from parkwatch.daemon.app import beside
from parkwatch.daemon.app.beside import Beside


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The second place."""
    folder = tmp_path / "runtime"
    folder.mkdir()
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(folder))
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data" / "run").mkdir(parents=True)
    return tmp_path / "data"


def write(data: Path, *lines: dict[str, object]) -> None:
    made = Beside(data)
    for line in lines:
        made.put(line)
    made.close()


def test_what_was_put_is_read_once_and_of_its_owner_only(data: Path) -> None:
    write(data, {"what": "begin", "why": "磁盘"}, {"what": "announced", "key": "k"})
    path = data / "run" / beside.NAME
    assert path.stat().st_mode & 0o777 == 0o600
    write(data, {"what": "begin", "why": "again"})  # the next run failed too: both are kept
    assert [line.get("why", line.get("key")) for line in beside.read(data)] == [
        "磁盘", "k", "again"
    ]  # fmt: skip
    beside.remove(data)
    assert beside.read(data) == []


def test_a_torn_line_and_a_foreign_one_are_passed_over(data: Path) -> None:
    write(data, {"what": "begin"})
    with (data / "run" / beside.NAME).open("ab") as file:
        file.write(b'[1]\n{"what": "ann')
    assert beside.read(data) == [{"what": "begin"}]


def test_a_disk_that_takes_nothing_is_not_the_last_place(data: Path, elsewhere: Path) -> None:
    (data / "run" / beside.NAME).mkdir()  # no file can be opened there
    write(data, {"what": "begin"}, {"what": "announced"})
    assert len(list(elsewhere.rglob("*.jsonl"))) == 1
    assert [line["what"] for line in beside.read(data)] == ["begin", "announced"]


def test_a_disk_that_fails_in_between_loses_no_line(
    data: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync, synced = os.fsync, [0]

    def failing(descriptor: int) -> None:
        synced[0] += 1
        if synced[0] == 2:
            raise OSError(5, "Input/output error")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", failing)
    write(data, *({"n": n} for n in range(4)))
    assert {line["n"] for line in beside.read(data)} == {0, 1, 2, 3}
    assert list(elsewhere.rglob("*.jsonl"))


def test_no_link_of_somebody_is_followed(data: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("{}\n")
    (data / "run" / beside.NAME).symlink_to(victim)
    write(data, {"what": "begin"})
    assert victim.read_text() == "{}\n"
    assert beside.read(data) == [{"what": "begin"}]
