"""Power cuts: the recorded disk of each workload, cut at random moments: `make powercut IMAGES=N`.

Ends with one line, and with 1 where an image does not hold; that image and its recording stay, and
the line before says how to look at it again.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random

from disk import MODES, Ack, Disk, Name, Op, record, write_image
from flips import flip
from judge import JUDGES, of_journal
from workloads import FILES, JOURNAL

HERE = Path(__file__).resolve().parent
NAMES = (*JOURNAL, *FILES)
FINDINGS_MAX = 5
NAMES_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Finding:
    """An image that does not hold."""

    workload: str
    image: int
    mode: str
    what: str


def recorded(name: str, base: Path, synchronous: str = "") -> list[Op]:
    """Run a workload and record it; the recording must lead to the files that are there."""
    root = base / name / "data"
    shutil.rmtree(root.parent, ignore_errors=True)
    root.mkdir(parents=True)
    command = [sys.executable, str(HERE / "workloads.py"), name, str(root)]
    env = {"PYTHONPATH": str(HERE.parent)}
    if synchronous:
        env["SYNCHRONOUS"] = synchronous
    ops = record(command, root, env)
    disk = Disk()
    for op in ops:
        disk.apply(op)
    image = disk.image(Random(0), "kept")
    for path in root.rglob("*"):
        if path.is_file() and path.name != "acked":
            assert image.get(str(path.relative_to(root))) == path.read_bytes(), path
    return ops


def cuts(name: str, ops: Sequence[Op], seed: int, images: Sequence[int]) -> list[tuple[int, int]]:
    """(operations before the cut, number of the image), in the order of the recording.

    Names change seldom, and a moment later they are safe: a share of the cuts comes right there.
    """
    named = [n + 1 for n, op in enumerate(ops) if isinstance(op, Name)]

    def cut(rng: Random) -> int:
        if rng.random() < NAMES_SHARE:
            return min(len(ops), rng.choice(named) + rng.randrange(3))
        return rng.randint(1, len(ops))

    return sorted((cut(Random(f"{seed}/{name}/{i}/cut")), i) for i in images)


def judged(
    name: str, ops: Sequence[Op], seed: int, images: Sequence[int], base: Path
) -> list[Finding]:
    """Make the images and judge each; the first FINDINGS_MAX that fail stay in the folder."""
    disk, found = Disk(), list[Finding]()
    acks = [json.loads(op.text) for op in ops if isinstance(op, Ack)]
    told = 0
    for cut, image in cuts(name, ops, seed, images):
        while disk.applied < cut:
            told += isinstance(ops[disk.applied], Ack)
            disk.apply(ops[disk.applied])
        rng = Random(f"{seed}/{name}/{image}")
        mode = rng.choice(MODES)
        folder = base / f"{name}-{image}" / "data"
        write_image(disk.image(rng, mode), folder)
        judge = JUDGES.get(name, of_journal)
        try:
            what = judge(name, folder, acks[:told], acks[told:])
        except Exception as error:  # noqa: BLE001 - whatever a start does not survive is a finding
            what = f"raised: {error!r}"
        if what:
            found.append(Finding(name, image, mode, what))
        if not what or len(found) > FINDINGS_MAX:
            shutil.rmtree(folder.parent)
    return found


def memory() -> Path:
    """A folder in memory where there is one: images are many and need no disk."""
    shm = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="powercut-", dir=shm if os.access(shm, os.W_OK) else None))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="powercut", description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=2_000, help="in all")
    parser.add_argument("--flips", type=int, help="bits flipped (default: images / 5)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--workload", choices=NAMES, help="only this one")
    parser.add_argument("--image", type=int, help="only this one, of a recording")
    parser.add_argument("--recording", type=Path, help="instead of a new one")
    asked = parser.parse_args(arguments)
    names = [asked.workload] if asked.workload else list(NAMES)
    base, began, made, found = memory(), time.monotonic(), 0, list[Finding]()
    with ProcessPoolExecutor(asked.jobs) as pool:
        running = []
        for k, name in enumerate(names):
            n = asked.images * (k + 1) // len(names) - asked.images * k // len(names)
            images = range(n) if asked.image is None else range(asked.image, asked.image + 1)
            made += len(images)
            running.append(pool.submit(whole, name, images, asked.seed, base, asked.recording))
        flips = asked.images // 5 if asked.flips is None else asked.flips
        flipped = pool.submit(
            flip, recorded("checkpoints", base / "flips"), flips, asked.seed, base
        )
        for each in running:
            found += each.result()
    silent = flipped.result()
    if not found and not silent:
        shutil.rmtree(base)
    lasted = time.monotonic() - began
    say(f"powercut: {made} images of {len(names)} workloads, {len(found)} do not hold; {flips} "
        f"flips, {len(silent)} silent; seed {asked.seed} "
        f"({lasted:.0f} s, {made / lasted:.0f} images/s)")  # fmt: skip
    return 1 if found or silent else 0


def whole(
    name: str, images: range, seed: int, base: Path, recording: Path | None = None
) -> list[Finding]:
    """One workload: recorded, cut and judged; what does not hold is said and kept."""
    ops = pickle.loads(recording.read_bytes()) if recording else recorded(name, base)
    bad = judged(name, ops, seed, images, base)
    if not bad:
        shutil.rmtree(base / name, ignore_errors=True)
        return bad
    kept = base / f"{name}.recording"
    kept.write_bytes(pickle.dumps(ops))
    for each in bad[:FINDINGS_MAX]:
        again = f"--seed {seed} --workload {name} --image {each.image} --recording {kept}"
        say(f"{name} image {each.image} ({each.mode}): {each.what}")
        say(f"  again: make powercut ARGS='{again}'")
    return bad


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
