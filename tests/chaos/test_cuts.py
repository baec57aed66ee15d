"""Cables, switches and converters fail at random: every device is read again soon after."""

from __future__ import annotations

import pytest
from cuts import cut

from parkwatch.drivers.modbus.line import Line

CUTS, DEVICES = 60, 20


@pytest.mark.timeout(120)
async def test_every_device_is_back_within_two_of_its_pauses() -> None:
    result = await cut(CUTS, DEVICES, seed=1)
    assert result.holds, "\n".join([str(result), *result.stuck, *result.late])
    assert result.cuts.total() == CUTS
    assert len(result.cuts) > 5


async def test_it_is_seen_where_a_half_open_connection_is_never_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The trial can fail."""

    def forgotten(line: Line) -> None:
        line._wire = line._transport = None

    monkeypatch.setattr(Line, "close", forgotten)
    result = await cut(2, 1, seed=1)
    assert result.open
    assert not result.holds
