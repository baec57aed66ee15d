"""The model of the disk forgets exactly what a power cut may take, and the harness can fail."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import flips
import pytest
from disk import MODES, Disk, Name, Op, Sync, UnknownCall, Write, record
from powercut import judged, main, memory, recorded

from parkwatch.daemon.journal import verify as verify_module
from parkwatch.daemon.journal.verify import Verdict

A, B = 0, 1
WRITER = """
import os, sys, threading
folder = sys.argv[1]
fd = os.open(folder + "/a", os.O_CREAT | os.O_RDWR)
os.write(fd, b"first")
os.fsync(fd)
os.pwrite(fd, b"F", 0)
os.ftruncate(fd, 3)
log = os.open(folder + "/log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
for n in range(3):
    os.write(log, b"%d" % n)
open(folder + "/new", "wb").write(b"x" * 700)
os.rename(folder + "/new", folder + "/renamed")
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    made = memory()
    yield made
    shutil.rmtree(made)


def after(*ops: Op) -> Disk:
    disk = Disk()
    for op in ops:
        disk.apply(op)
    return disk


def images(disk: Disk, mode: str) -> list[dict[str, bytes]]:
    return [disk.image(Random(n), mode) for n in range(40)]


def test_what_was_never_synced_may_be_gone_and_what_was_is_there() -> None:
    safe = [Name("a", A), Write(A, 0, b"old"), Sync(2, A), Sync(3, folder="/")]
    disk = after(*safe, Write(A, 0, b"new"), Name("b", B), Write(B, 0, b"b"), Sync(7, B))
    assert disk.image(Random(0), "dropped") == {"a": b"old"}  # b's name was never safe
    assert disk.image(Random(0), "kept") == {"a": b"new", "b": b"b"}
    for mode in MODES:
        assert {image["a"] for image in images(disk, mode)} <= {b"old", b"new"}
    assert {image["a"] for image in images(disk, "subset")} == {b"old", b"new"}


def test_a_sync_covers_only_what_was_written_before_it_began() -> None:
    disk = after(
        Name("a", A), Sync(1, folder="/"), Write(A, 0, b"1"), Write(A, 1, b"2"), Sync(3, A)
    )
    assert disk.image(Random(0), "dropped") == {"a": b"1"}


def test_a_write_is_torn_at_sectors_only() -> None:
    disk = after(Name("a", A), Sync(1, folder="/"), Write(A, 500, b"x" * 600))
    lengths = {image["a"].count(b"x") for image in images(disk, "torn")}
    assert lengths <= {0, 12, 76, 88, 512, 524, 588, 600}
    assert len(lengths) > 4


def test_a_rename_is_whole_or_not_at_all() -> None:
    disk = after(
        Name("a", A), Write(A, 0, b"old"), Sync(2, A), Name("a.new", B), Write(B, 0, b"new"),
        Sync(5, B), Sync(6, folder="/"), Name("a", B, "a.new"),
    )  # fmt: skip
    seen = [tuple(sorted(image.items())) for image in images(disk, "subset")]
    assert set(seen) == {(("a", b"new"),), (("a", b"old"), ("a.new", b"new"))}


def test_a_recording_is_what_the_process_did(folder: Path) -> None:
    root = folder / "data"
    root.mkdir()
    ops = record([sys.executable, "-c", WRITER, str(root)], root, {})
    disk = after(*ops)
    kept = disk.image(Random(0), "kept")
    assert kept == {"a": b"Fir", "log": b"012", "renamed": b"x" * 700}
    assert disk.image(Random(0), "dropped") == {}


def test_a_call_that_is_not_modelled_is_never_passed_over(folder: Path) -> None:
    root = folder / "data"
    root.mkdir()
    text = f"import os; os.symlink('/', '{root}/link')"
    with pytest.raises(UnknownCall, match="symlink"):
        record([sys.executable, "-c", text], root, {})


@pytest.mark.parametrize("name", ["singles", "groups", "timers"])
def test_synchronous_normal_is_found_to_lose_records(name: str, folder: Path) -> None:
    ops = recorded(name, folder, synchronous="NORMAL")
    found = judged(name, ops, 1, range(40), folder)
    assert any("lost" in each.what or "cut tail" in each.what for each in found)


def test_a_flip_that_only_the_anchor_sees_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ops = recorded("checkpoints", folder)
    assert flips.flip(ops, 40, 1, folder) == []
    looked = set[Path]()

    def forgetful(path: Path) -> Verdict:
        """Sees the anchors of a folder only the first time, when nothing is flipped."""
        if path not in looked:
            looked.add(path)
            return verify_module.verify(path)
        with monkeypatch.context() as patched:
            patched.setattr(verify_module._Check, "_read_anchors", lambda self: iter(()))
            return verify_module.verify(path)

    def found(seed: int) -> bool:
        looked.clear()
        return bool(flips.flip(ops, 200, seed, folder))

    monkeypatch.setattr(flips, "verify", forgetful)
    # One seed may hit none of the few pages that matter (2 to 20 of 200 hits were measured).
    assert any(found(seed) for seed in range(1, 9))


def test_a_failing_image_is_kept_and_its_line_shows_it_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("powercut.memory", lambda: folder)
    monkeypatch.setenv("SYNCHRONOUS", "NORMAL")
    assert main(["--workload", "timers", "--images", "30", "--flips", "0", "--jobs", "1"]) == 1
    said = capfd.readouterr().out
    (folder / "again").mkdir()
    monkeypatch.setattr("powercut.memory", lambda: folder / "again")
    again = said.partition("ARGS='")[2].partition("'")[0].split()
    assert main([*again, "--flips", "0", "--jobs", "1"]) == 1
    assert "1 images of 1 workloads, 1 do not hold" in capfd.readouterr().out
