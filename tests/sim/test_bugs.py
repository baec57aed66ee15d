"""The world is itself tested: each bug planted into a copy of the product is found on its seed."""

from pathlib import Path

import pytest
from sim.planted import Bug, Misfit, bugs, hunted, plant

ALL = bugs()


@pytest.mark.parametrize("bug", ALL, ids=lambda bug: bug.name)
@pytest.mark.timeout(120)
def test_the_world_finds_it(bug: Bug, tmp_path: Path) -> None:
    plant(bug, tmp_path)
    said, seed = hunted(bug, tmp_path, 0)
    assert seed == bug.seed, f"{bug.what} {said}: make simtest BUGS=1 ONLY={bug.name}"


def test_there_are_thirty_of_them() -> None:
    assert len(ALL) >= 30
    assert len({bug.what for bug in ALL}) == len(ALL)


def test_a_patch_that_no_longer_applies_fails_by_name(tmp_path: Path) -> None:
    gone = Bug("99-gone", "Its lines are no more.", 1, (("rules/engine.py", "no such line\n", ""),))
    with pytest.raises(Misfit, match=r"99-gone: its lines are 0 times in rules/engine\.py"):
        plant(gone, tmp_path)
