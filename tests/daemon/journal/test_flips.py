"""Bit flips in journal, log and archive (`bitflips.py --flips 10000` is the long run)."""

import os
from pathlib import Path

import bitflips
import pytest


@pytest.mark.timeout(900)
def test_no_flip_is_silent_at_or_below_the_anchor(tmp_path: Path) -> None:
    found = bitflips.run(int(os.environ.get("PARKWATCH_FLIPS", "500")), 1, tmp_path)
    assert found["silent"] == 0
    assert min(found["seen"], found["no effect"]) > 0
    assert found["unanchored tail"] > 0
