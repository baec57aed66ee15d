"""Bugs planted into a copy of the product, each a unified diff in `bugs/`: the world has to find
every one of them.

A patch's head says what it breaks and on which seed that is found (`Seed: N`). Line numbers in it
mean nothing: each hunk's old lines must be there exactly once, so that it goes on applying.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUGS = Path(__file__).parent / "bugs"
NEEDED = ("rules", "daemon", "drivers")
RUN_S_MAX = 120
_NOT_NEEDED = shutil.ignore_patterns("static", "templates", "simulator")


class Misfit(ValueError):  # noqa: N818 - what a patch is, not what went wrong here
    """A patch that no longer applies."""


@dataclass(frozen=True, slots=True)
class Bug:
    """`hunks`: file, the lines as they are, the lines as they become."""

    name: str
    what: str
    seed: int
    hunks: tuple[tuple[str, str, str], ...]


def bugs(folder: Path = BUGS) -> list[Bug]:
    """All of a folder, by name."""
    return [_bug(path) for path in sorted(folder.glob("*.patch"))]


def _bug(path: Path) -> Bug:
    head, _, diff = path.read_text(encoding="utf-8").partition("--- ")
    lines = head.strip().splitlines()
    seed = next(int(line.removeprefix("Seed: ")) for line in lines if line.startswith("Seed: "))
    return Bug(path.stem, lines[0], seed, tuple(_hunks(("--- " + diff).splitlines(keepends=True))))


def _hunks(lines: list[str]) -> list[tuple[str, str, str]]:
    found: list[tuple[str, list[str], list[str]]] = []
    file = ""
    for line in lines:
        if line.startswith("+++ "):
            file = line.removeprefix("+++ ").strip().removeprefix("b/")
        elif line.startswith("@@"):
            found.append((file, [], []))
        elif not line.startswith("--- ") and found:
            mark, text = line[0], line[1:]
            if mark in " -":
                found[-1][1].append(text)
            if mark in " +":
                found[-1][2].append(text)
    return [(file, "".join(old), "".join(new)) for file, old, new in found]


def plant(bug: Bug, folder: Path) -> None:
    """A copy of the product with the bug in it. Raises Misfit where a hunk has not one place."""
    for name in NEEDED:  # With what is compiled already: only what is changed is compiled anew.
        shutil.copytree(ROOT / name, folder / "parkwatch" / name, ignore=_NOT_NEEDED)
    for file, old, new in bug.hunks:
        path = folder / "parkwatch" / file
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        if text.count(old) != 1:
            raise Misfit(f"{bug.name}: its lines are {text.count(old)} times in {file}:\n{old}")
        path.write_text(text.replace(old, new), encoding="utf-8")


def hunted(bug: Bug, folder: Path, seeds: int) -> tuple[str, int | None]:
    """What the world says of a planted copy, on the first of `seeds` seeds that finds it (None:
    none does); with 0 only on the stored one."""
    first, count = (bug.seed, 1) if seeds == 0 else (1, seeds)
    command = [
        sys.executable,
        str(Path(__file__).parent / "simtest.py"), "--first", str(first), "--seeds", str(count),
        "--planted", str(folder),
    ]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT / 'tests'}"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=RUN_S_MAX * count,
        check=False,
    )  # fmt: skip
    said = done.stdout.strip().splitlines()
    found = next((line for line in said if line.startswith("seed ")), "")
    if done.returncode == 1 and found:
        return found, int(found.split()[1].rstrip(":"))
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-2_000:])
    return "not found", None


def stored(bug: Bug, seed: int) -> Bug:
    """Write a seed into a bug's patch."""
    path = BUGS / f"{bug.name}.patch"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(f"Seed: {bug.seed}\n", f"Seed: {seed}\n"), encoding="utf-8")
    return replace(bug, seed=seed)
