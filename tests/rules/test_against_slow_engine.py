"""The engine says what the slow reading of the contract says, on random sites and series."""

from collections import Counter
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from playing import by_alarm, difference, expected, played, seen, smallest, told
from random_parks import case

PARTS, EXAMPLES = 10, 220
"""2,200 generated cases; in parts, so that no test runs for a minute on a busy machine."""
GENERATED = settings(
    max_examples=EXAMPLES, deadline=None, phases=[Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow],
)  # fmt: skip
"""Made smaller by `smallest`, which takes away whole rules and steps."""
CHANCE = st.randoms(use_true_random=False)
SCALAR = (
    "parkwatch.rules.evaluate.evaluation.SCALAR_MAX",
    "parkwatch.rules.measures.formulas.SCALAR_MAX",
)


@pytest.mark.parametrize("part", range(PARTS))
@GENERATED
@given(rng=CHANCE)
def test_the_engine_says_what_the_slow_one_says(part: int, rng: Random) -> None:
    """Every other part through numpy, and with a few readings a batch."""
    one = case(rng)
    size = (99, 99, 1, 3)[part % 4]
    with pytest.MonkeyPatch.context() as patch:
        for name in SCALAR:
            patch.setattr(name, (99, 0)[part % 2])
        if difference(one, size=size):
            small = smallest(one, lambda some: bool(difference(some, size=size)))
            pytest.fail(f"{told(small)}\n{difference(small, size=size)}")


def test_the_random_parks_reach_every_kind() -> None:
    """What is never reached is not tested: seeds of their own, played through both."""
    reached: Counter[tuple[str, str, str]] = Counter()
    for seed in range(250):
        one = case(Random(seed))
        said = seen(played(one))
        assert by_alarm(said) == by_alarm(expected(one)), f"seed {seed}\n{told(one)}"
        reached.update((s[1].rpartition(":")[2], s[2], s[9]) for s in said)
    groups = (
        "gas", "high", "low", "state", "rate", "trend", "deviation", "number", "rule", "pumps",
        "discrepancy", "flatline", "chatter", "exposure", "due", "apart", "vote-ch4", "fault",
    )  # fmt: skip
    missing = {(group, event) for group in groups for event in ("raise", "return")}
    missing |= {("gas", "rise"), ("gas", "fall"), ("gas", "reraise"), ("gas", "ack")}
    missing |= {("fault", "suppress"), ("fault", "unsuppress"), ("link", "rise")}
    missing -= {(group, event) for group, event, _ in reached}
    assert not missing, reached
    shadows = {group for group, event, origin in reached if (event, origin) == ("raise", "shadow")}
    assert {"gas", "high", "low", "trend", "deviation"} <= shadows


def test_a_difference_is_told_by_its_smallest_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reference that nothing can contradict proves nothing."""
    monkeypatch.setattr("parkwatch.rules.evaluate.compile._release", lambda row: row.limit)
    cases = (case(Random(seed)) for seed in range(200))
    one = next(one for one in cases if difference(one))
    small = smallest(one, lambda some: bool(difference(some)))
    assert len(small.steps) <= 8
    assert any(limit.deadband for limit in small.site.limits)
    assert difference(small).startswith("engine: ")
