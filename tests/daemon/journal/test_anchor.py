"""Anchors: the head outside the database, in time, and in no one's way."""

import threading
from pathlib import Path

import pytest
from journaling import until

from parkwatch.daemon.journal import anchor
from parkwatch.daemon.journal.anchor import Anchor, Anchors, append, read

HEAD = Anchor(5, bytes(range(32)), 77)
NEXT = Anchor(6, bytes(32), 78)


def test_a_line_is_the_contract_s(tmp_path: Path) -> None:
    append(tmp_path / "head", HEAD)
    append(tmp_path / "head", NEXT)
    hexed = bytes(range(32)).hex()
    assert (tmp_path / "head").read_text() == f"5 {hexed} 77\n6 {'00' * 32} 78\n"
    assert read(tmp_path / "head") == NEXT
    assert read(tmp_path / "none") is None


@pytest.mark.parametrize("torn", ["6", "6 abc", f"6 {'00' * 32} 7", "\0\0\0\0"])
def test_a_line_torn_by_a_crash_neither_counts_nor_spoils_the_next(
    tmp_path: Path, torn: str
) -> None:
    path = tmp_path / "head"
    append(path, HEAD)
    with path.open("a") as file:
        file.write(torn)
    assert read(path) == HEAD
    later = Anchor(7, bytes(32), 80)
    append(path, later)
    assert read(path) == later


@pytest.mark.parametrize("line", ["0 " + "00" * 32 + " 1", "5 0011 7", "-3 " + "00" * 32 + " 1"])
def test_what_is_no_anchor_is_not_taken_for_one(tmp_path: Path, line: str) -> None:
    (tmp_path / "head").write_text(f"{line}\n")
    assert read(tmp_path / "head") is None


def test_a_year_of_lines_is_not_read_to_find_the_last(tmp_path: Path) -> None:
    (tmp_path / "head").write_bytes(f"5 {'11' * 32} 77\n".encode() * 10_000)
    append(tmp_path / "head", NEXT)
    assert read(tmp_path / "head") == NEXT


def test_red_is_anchored_at_once_and_the_rest_at_stop(tmp_path: Path) -> None:
    paths = [tmp_path / "journal.head", tmp_path / "usb.head"]
    anchors = Anchors(paths, pytest.fail)
    anchors.start()
    anchors.put(HEAD, urgent=True)
    assert until(lambda: all(read(path) == HEAD for path in paths))
    anchors.put(NEXT, urgent=False)
    anchors.close()
    assert [read(path) for path in paths] == [NEXT, NEXT]


def test_what_is_not_urgent_is_anchored_within_the_interval(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anchor, "EVERY_S", 0.05)
    anchors = Anchors([tmp_path / "head"], pytest.fail)
    anchors.start()
    anchors.put(HEAD, urgent=False)
    assert until(lambda: read(tmp_path / "head") == HEAD)
    anchors.close()
    assert len((tmp_path / "head").read_text().splitlines()) == 1


def test_a_path_that_fails_is_told_once_and_again_when_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anchor, "EVERY_S", 0.02)
    told: list[str] = []
    usb = tmp_path / "usb"
    paths = [tmp_path / "journal.head", usb / "head"]
    anchors = Anchors(paths, told.append, lambda: told.append("mended"))
    anchors.start()
    for seq in range(1, 6):
        head = Anchor(seq, bytes(32), seq)
        anchors.put(head, urgent=True)
        assert until(lambda head=head: read(paths[0]) == head)  # type: ignore[misc]
    assert until(lambda: len(told) == 1)
    assert str(usb) in told[0]
    usb.mkdir()
    assert until(lambda: told[1:] == ["mended"])
    anchors.close()
    assert read(paths[1]) == Anchor(5, bytes(32), 5)


def test_a_path_that_hangs_holds_up_no_other_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anchor, "SLOW_S", 1.0)
    monkeypatch.setattr(anchor, "EVERY_S", 0.05)
    near, far = tmp_path / "journal.head", tmp_path / "nfs.head"
    free = threading.Event()
    real = anchor.append

    def hanging(path: Path, head: Anchor) -> None:
        if path == far:
            assert free.wait(10)
        real(path, head)

    monkeypatch.setattr(anchor, "append", hanging)
    told: list[str] = []
    anchors = Anchors([far, near], told.append, lambda: told.append("mended"))
    anchors.start()
    anchors.put(HEAD, urgent=True)
    assert until(lambda: read(near) == HEAD)
    anchors.put(NEXT, urgent=True)
    assert until(lambda: read(near) == NEXT)
    assert until(lambda: len(told) == 1)
    assert str(far) in told[0]
    free.set()
    assert until(lambda: told[1:] == ["mended"])
    anchors.close()
    assert read(far) == NEXT


def test_anchors_are_the_owner_s_only(tmp_path: Path) -> None:
    append(tmp_path / "head", HEAD)
    assert (tmp_path / "head").stat().st_mode & 0o077 == 0
