"""A technician wires an enterprise as the tutorial shows it, from the Excel list to an armed
detector: every command prints what the page says."""

from __future__ import annotations

from pathlib import Path

import pytest
from recording import plain, recorded
from technician import PAGE, record


@pytest.fixture
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose sockets have names that the system takes (107 bytes)."""
    return tmp_path_factory.mktemp("j")


@pytest.mark.timeout(300)
async def test_the_journey_is_as_the_page_shows_it(short: Path) -> None:
    page = recorded(PAGE.read_text("utf-8"))
    found = await record(short)
    assert list(page) == list(found)
    for name, shown in found.items():
        assert plain(page[name]) == plain(shown), f"record {PAGE.name} anew: {name}"
