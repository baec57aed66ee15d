"""Whatever bytes come, a decoder answers or refuses, and forgets what it was given."""

from __future__ import annotations

from random import Random

import fuzz_decoders
import pytest
from fuzz_decoders import DECODERS, fuzzed

SECONDS = 7.0
"""Of each; a minute in all."""


@pytest.mark.parametrize("name", DECODERS)
def test_nothing_but_the_declared_exceptions_and_no_growth(name: str) -> None:
    report = fuzzed(name, SECONDS, seed=1)
    assert report.holds, str(report)
    assert report.inputs > 0


def test_an_exception_and_a_growth_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tool can fail."""
    kept: list[bytes] = []

    def leaking(rng: Random) -> int:
        kept.append(b"x" * (1 << 26))  # So large that it is never taken from what was freed.
        return 1

    def breaking(rng: Random) -> int:
        raise KeyError(rng.random())

    monkeypatch.setitem(DECODERS, "leaking", leaking)
    monkeypatch.setitem(DECODERS, "breaking", breaking)
    monkeypatch.setattr(fuzz_decoders, "WARM_SHARE", 0.0)
    assert not fuzzed("leaking", 60.0, 1, steps_max=2).holds
    broken = fuzzed("breaking", 60.0, 1, steps_max=20)
    assert not broken.holds
    assert "--seed 1 --steps 1" in broken.broken
