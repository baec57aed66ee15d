"""The glossary names every state and reason that a person can meet, in both languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from parkwatch.rules.alarms.lifecycle import State
from parkwatch.rules.alarms.masks import OUT_OF_SERVICE, PLANT, SHELVED, Mask, shown
from parkwatch.rules.quality import Reason

TEXT = (Path(__file__).parents[1] / "docs/glossary.md").read_text("utf-8")
MASKS = {shown({mask: Mask(0)}) for mask in (SHELVED, PLANT, OUT_OF_SERVICE)}


@pytest.mark.parametrize(
    ("heading", "names"),
    [
        ("Reasons", {reason.name.lower() for reason in Reason}),
        ("States", {str(state) for state in State} | MASKS),
    ],
)
def test_what_the_code_says_has_its_chinese(heading: str, names: set[str]) -> None:
    _, _, rest = TEXT.partition(f"### {heading}\n")
    table, _, _ = rest.partition("\n## ")
    rows = dict(re.findall(r"^\| `(\w+)` \| (\S+) \|$", table, re.MULTILINE))
    assert set(rows) == names
    assert all(re.search(r"[\u4e00-\u9fff]", chinese) for chinese in rows.values())
