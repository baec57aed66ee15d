"""One world by its seed, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sim.world import Broken, World

from parkwatch.rules import engine


@dataclass(frozen=True, slots=True)
class Told:
    """`wrong` is empty where every promise held; `at_s` simulated seconds."""

    wrong: str
    digest: str
    crashes: int
    at_s: float


def world(seed: int, hours: float = 1.0) -> Told:
    """Run it."""
    one = World(seed, hours)
    wrong = ""
    try:
        one.run()
    except Broken as broken:
        wrong = str(broken)
    return Told(wrong, one.digest, one.crashes, one.mono / 1e9)


def held(first: int, seeds: int) -> None:
    """Assert that some seeds break no promise; how to see again what does."""
    broken = {
        seed: told.wrong for seed in range(first, first + seeds) if (told := world(seed)).wrong
    }
    assert not broken, f"replay: make simtest SEEDS=1 FIRST={min(broken)}: {broken}"


def whereabouts() -> Path:
    """Where the product in use stands."""
    return Path(engine.__file__).resolve()
