"""A late answer on the wrong detector evacuates the wrong zone: none, whatever the line does."""

from __future__ import annotations

import pytest
from late_polls import polled, polled_on_wire

POLLS, ON_WIRE = 12_000, 150
"""On each transport; `make late-polls` asks a million times, and 5,000 times on the wire."""
BOTH = pytest.mark.parametrize("transport", ["rtu", "rtu-tcp"])


@BOTH
def test_no_value_comes_to_a_wrong_point(transport: str) -> None:
    judge, said = polled(POLLS, 7, transport)
    assert judge.wrong == 0, said
    assert judge.good > 5 * POLLS, said
    assert judge.kinds <= {"link_up", "link_down"}, "answers of our own units are no second master"


@BOTH
async def test_nor_over_a_socket_or_a_serial_line(transport: str) -> None:
    judge, said = await polled_on_wire(ON_WIRE, 7, transport)
    assert judge.wrong == 0, said
    assert judge.good > ON_WIRE, said
