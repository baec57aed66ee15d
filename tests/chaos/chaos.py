"""kill -9 at random instants of an alarm storm, and at every named point: `make chaos KILLS=N`.

Ends with one line, and with 1 where something does not hold; the folder then stays.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from change import CHANGES
from first import first_starts
from station import Station, station
from storm import POINTS, Result, crashes, log_tail, storm

ALARMS, PANELS = 200, 2
KILLS_A_POINT = 50
TIMES_MIN = 3


def times(kills: int) -> int:
    """How often each named point is reached: 3 times where 100 random kills are asked for, 20
    where 1,000 are."""
    return max(TIMES_MIN, kills // KILLS_A_POINT)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100, help="at random instants")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    n, seed = times(asked.kills), asked.seed
    wrong = part("storm", lambda at: storm(at, asked.kills, seed))
    wrong += part("named points", lambda at: crashes(at, POINTS, n, seed))
    for name, work in (("first starts", first_starts), *CHANGES):
        wrong += part(name, lambda at, work=work: work(at, n))
    say(f"chaos: {wrong} things do not hold, seed {seed}")
    return 1 if wrong else 0


def part(name: str, work: Callable[[Station], Result]) -> int:
    """One part on a folder of its own; how much does not hold."""
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    began = time.monotonic()
    with station(folder, ALARMS, PANELS) as made:
        result = work(made)
    lasted = time.monotonic() - began
    for what in result.wrong[:20]:
        say(f"  {what}")
    say(
        f"chaos {name}: {result.kills} kills, "
        f"{lasted / max(1, result.kills):.2f} s each; {result.raised} of {result.activations} "
        f"activations; {result.sends} sends, {result.extra} of them repeats, at most "
        f"{result.worst} a kill; {len(result.wrong)} do not hold"
    )
    if result.wrong:
        say(f"  {folder}\n{log_tail(folder)}")
    else:
        shutil.rmtree(folder)
    return len(result.wrong)


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
