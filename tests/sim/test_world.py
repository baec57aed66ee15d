"""The deterministic world is deterministic, and the seeds that once failed hold."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sim import replay, simtest
from sim.chance import Chance
from sim.replay import Told, world
from sim.simtest import CORPUS
from sim.world import World

pytestmark = pytest.mark.timeout(180)
SEED = 7
ONE = "import sys; from sim.replay import world; sys.stdout.write(world(int(sys.argv[1])).digest)"


def test_the_same_seed_tells_the_same_story() -> None:
    """A failing seed that cannot be replayed is worth nothing."""
    here = world(SEED)
    environment = os.environ | {
        "PYTHONHASHSEED": "4711",
        "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
    }
    there = subprocess.run(
        [sys.executable, "-c", ONE, str(SEED)], env=environment, capture_output=True, text=True,
        check=True, timeout=50,
    )  # fmt: skip
    assert here.wrong == ""
    assert here.digest == there.stdout == world(SEED).digest
    assert here.digest != world(SEED + 1).digest


def test_each_seed_has_a_half_of_the_faults_of_its_own() -> None:
    halves = [frozenset(Chance(seed).on) for seed in range(40)]
    assert len(set(halves)) == len(halves)
    assert 0.4 < sum(map(len, halves)) / len(halves) / len(frozenset().union(*halves)) < 0.6


def test_things_do_happen() -> None:
    """A world in which nothing breaks proves nothing."""
    one = World(SEED)
    one.run()
    assert one.crashes > 3
    assert one.judge.counts["transition"] > 100
    assert sum(one.judge.letters.delivered.values()) > 50
    assert len(one.judge.commands) > 20


@pytest.mark.parametrize("seed", sorted(int(path.name) for path in CORPUS.glob("[0-9]*")) or [SEED])
def test_a_seed_that_once_failed_holds(seed: int) -> None:
    assert world(seed).wrong == ""


def test_a_failing_seed_prints_its_replay_and_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(simtest, "CORPUS", tmp_path)
    monkeypatch.setattr(replay, "world", lambda seed, hours: Told("a promise", "", 3, 60.0))
    assert simtest.main(["--first", "1234", "--seeds", "9"]) == 1
    assert "replay: make simtest SEEDS=1 FIRST=1234" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["1234"]
