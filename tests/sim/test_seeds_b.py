"""Seeds 251 to 500 of the deterministic world: one simulated hour each, no promise broken.

One half of them; the other is a module of its own, so that two processes share them.
"""

import pytest
from sim.replay import held

FIRST, SEEDS, AT_ONCE = 251, 250, 25


@pytest.mark.timeout(300)
@pytest.mark.parametrize("first", range(FIRST, FIRST + SEEDS, AT_ONCE))
def test_every_promise_holds(first: int) -> None:
    held(first, AT_ONCE)
