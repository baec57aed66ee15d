"""The manual's page of the alarm's life is the table: it cannot drift from what the rules do."""

from __future__ import annotations

import re
from pathlib import Path

from asking import HIGH, MASKS, Asker, Bench
from life_model import HOUR

from parkwatch.rules.alarms.book import REALARM_NS
from parkwatch.rules.alarms.lifecycle import TABLE, State, mermaid
from parkwatch.rules.alarms.masks import SHELF_NS, SHIFT_NS
from parkwatch.rules.grade import Grade

PAGE = Path(__file__).parents[2] / "docs" / "manual" / "lifecycle.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_the_diagram_is_printed_from_the_table() -> None:
    drawn = re.findall(r"```mermaid\n(.*?)\n```", TEXT, re.DOTALL)
    assert drawn == [mermaid()], f"put this into {PAGE.name}:\n{mermaid()}"
    assert mermaid().count("-->") == len(TABLE)


def test_the_page_names_the_nine_states() -> None:
    states = [str(state) for state in State] + [mask for mask in MASKS if mask]
    assert len(states) == 9
    assert [name for name in states if f"`{name}`" not in TEXT] == []


def _hours(ns: int) -> str:
    minutes = ns * 60 // HOUR
    return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"


def test_the_page_gives_the_times_that_count() -> None:
    rows = dict(re.findall(r"^\| (red|orange|yellow|blue) \| (.*) \|$", TEXT, re.MULTILINE))
    for grade in Grade:
        shelf, again = SHELF_NS.get(grade), REALARM_NS.get(grade)
        cells = (_hours(shelf) if shelf else "never", _hours(again) if again else "never")
        assert rows[grade] == " | ".join(cells)
    assert f"at most {_hours(SHIFT_NS)}" in TEXT


def test_the_order_of_masks_on_the_page_is_the_order_shown() -> None:
    order = re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)
    assert order == ["out_of_service", "suppressed_by_design", "shelved"]
    bench: Asker = Bench("unack_active", "suppressed_by_design")
    assert bench.shelve(60).ok
    assert bench.state(HIGH)[0] == order[1]
    assert bench.withdraw(60).ok
    assert bench.state(HIGH)[0] == order[0]
