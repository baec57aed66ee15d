"""A late answer on the wrong detector evacuates the wrong zone: none, whatever the line does."""

from __future__ import annotations

import pytest
from late_polls import polled

POLLS = 12_000
"""On each transport; `make late-polls` asks a million times."""


@pytest.mark.parametrize("transport", ["rtu", "rtu-tcp"])
def test_no_value_comes_to_a_wrong_point(transport: str) -> None:
    judge, said = polled(POLLS, 7, transport)
    assert judge.wrong == 0, said
    assert judge.good > 5 * POLLS
    assert judge.kinds <= {"link_up", "link_down"}, "answers of our own units are no second master"
