"""Random parks and series against the slow engine until the time is over: `make fuzz ONLY=rules`.

Ends with one line, and with 1 where the two differ: then the seed, the smallest case that still
differs and what each of them says stand before it.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Sequence
from random import Random

from playing import Case, by_alarm, expected, played, seen, smallest, streamed, told
from random_parks import case

from parkwatch.rules.evaluate import evaluation
from parkwatch.rules.measures import formulas

GROUPS = ("rules",)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=GROUPS, default="rules", help="what is fuzzed")
    parser.add_argument("--seconds", type=float, default=60.0, help="for how long")
    parser.add_argument("--seed", type=int, help="of the first case (default: from the clock)")
    parser.add_argument("--cases", type=int, default=0, help="at most so many (0: any number)")
    asked = parser.parse_args(arguments)
    seed = time.time_ns() // 1_000_000 % 10**9 if asked.seed is None else asked.seed
    warnings.simplefilter("error")
    began = time.monotonic()
    cases = transitions = differences = 0
    while time.monotonic() - began < asked.seconds and (not asked.cases or cases < asked.cases):
        one = case(Random(seed + cases))
        count, found = compared(one, seed + cases)
        transitions += count
        if found:
            differences += 1
            report(one, seed + cases)
            break
        cases += 1
    lasted = time.monotonic() - began
    say(
        f"fuzz rules: {cases} cases, {transitions} transitions, {differences} differences, "
        f"seed {seed} ({lasted:.0f} s)"
    )
    return 1 if differences else 0


def compared(one: Case, seed: int) -> tuple[int, str]:
    """How many transitions there are, and the first one in which the two differ, or empty.

    The seed says how readings are batched and whether they go through numpy.
    """
    rng = Random(seed)
    kept = evaluation.SCALAR_MAX, formulas.SCALAR_MAX
    if seed % 2:
        evaluation.SCALAR_MAX = formulas.SCALAR_MAX = 0
    try:
        said = streamed(one, lambda: rng.randrange(1, 40)) if seed % 4 < 2 else played(one)
    except Exception as broken:  # noqa: BLE001 - whatever it is, it is a finding
        return 0, f"engine: {broken!r}"
    finally:
        evaluation.SCALAR_MAX, formulas.SCALAR_MAX = kept
    got, wanted = by_alarm(seen(said)), by_alarm(expected(one))
    for mine, theirs in zip((*got, None), (*wanted, None), strict=False):
        if mine != theirs:
            return len(got), f"engine: {mine}\nslow:   {theirs}"
    return len(got), ""


def report(one: Case, seed: int) -> None:
    small = smallest(one, lambda some: bool(compared(some, seed)[1]))
    say(f"seed {seed} differs (--seed {seed} --cases 1); its smallest case:")
    say(told(small))
    say(compared(small, seed)[1])


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
