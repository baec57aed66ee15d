"""`make simtest`: worlds of one simulated hour, seed after seed; with `--bugs` the hunt for the
planted bugs. Ends with one line, and with 1 where a promise does not hold, its replay before it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

CORPUS = Path(__file__).parent / "corpus"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="simtest", description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=500, help="how many")
    parser.add_argument("--first", type=int, default=1, help="the first one")
    parser.add_argument("--hours", type=float, default=1.0, help="simulated hours a seed")
    parser.add_argument("--bugs", action="store_true", help="hunt the planted bugs instead")
    parser.add_argument("--only", default="", help="of the planted bugs, those whose name has this")
    parser.add_argument("--store", action="store_true", help="keep the seeds that find the bugs")
    parser.add_argument("--planted", type=Path, help="the product is the copy in this folder")
    asked = parser.parse_args(arguments)
    warnings.simplefilter("error")
    if asked.bugs:
        return _hunt(asked)
    return _worlds(asked)


def _worlds(asked: argparse.Namespace) -> int:
    from sim.replay import whereabouts, world

    if asked.planted and asked.planted not in whereabouts().parents:
        sys.exit(f"the product came from {whereabouts()}, not from {asked.planted}")
    began, crashes = time.monotonic(), 0
    for seed in range(asked.first, asked.first + asked.seeds):
        told = world(seed, asked.hours)
        crashes += told.crashes
        if told.wrong:
            say(f"seed {seed}: at {told.at_s:.0f} s: {told.wrong}")
            if not asked.planted:
                CORPUS.mkdir(exist_ok=True)
                (CORPUS / str(seed)).write_text(f"{told.wrong}\n", encoding="utf-8")
                say(f"replay: make simtest SEEDS=1 FIRST={seed}")
            return 1
    took = time.monotonic() - began
    hours = asked.seeds * asked.hours
    say(
        f"simtest: {asked.seeds} seeds, {hours:g} simulated hours, {crashes} crashes, 0 broken"
        f" ({hours * 60 / took:.0f} simulated hours a minute)"
    )
    return 0


def _hunt(asked: argparse.Namespace) -> int:
    from sim.planted import bugs, hunted, plant, stored

    escaped = []
    chosen = [bug for bug in bugs() if asked.only in bug.name]
    for bug in chosen:
        with tempfile.TemporaryDirectory() as folder:
            plant(bug, Path(folder))
            found, seed = hunted(bug, Path(folder), asked.seeds)
        say(f"{bug.name}: {found}")
        if seed is None:
            escaped.append(bug.name)
        elif asked.store:
            stored(bug, seed)
    say(f"simtest bugs: {len(chosen) - len(escaped)} of {len(chosen)} found; escaped: {escaped}")
    return 1 if escaped else 0


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
