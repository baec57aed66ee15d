"""KPIs from a journal: of a period and a position, over all files, with what was not watched."""

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from kpi_month import BEGIN, DAY, END, HOUR, MIN, life, month, said
from ledgering import Told, as_told, journal_of

from parkwatch.daemon.ledger.kpi import Position, kpi
from parkwatch.daemon.ledger.read import Deadline, standing
from parkwatch.rules.fault import Fault

ZONE = ZoneInfo("Asia/Shanghai")
TWO = ["zhang", "li"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    told: list[Told] = [(BEGIN, "start", {}), *as_told(month())]
    half = len(told) // 2
    return journal_of(tmp_path_factory.mktemp("month"), told[:half], told[half:])


def figures(report: dict[str, Any]) -> dict[str, Any]:
    return {each["key"]: each for each in report["figures"]}


def of(data: Path, *, since: int = BEGIN, until: int = END, **position: Any) -> dict[str, Any]:
    return kpi(data, (since, until), Position(**position), ZONE)


def test_the_golden_month_is_the_same_from_a_journal_of_two_files(data: Path) -> None:
    report = of(data)
    assert (report["activations"], report["masked"]) == (803, 25)
    assert figures(report)["stale"]["value"] == 2
    (flood,) = report["floods"]
    assert flood["most"] == 40
    # Numbers that a browser could round are text.
    assert (report["from"], report["to"]) == (str(BEGIN), str(END))


def test_a_position_is_an_enterprise_or_a_zone(data: Path) -> None:
    assert of(data, enterprises=frozenset({"xy"}))["activations"] == 49
    zone_of = {"hd/tank/h2s-1": "hd/tank-a"}
    report = of(data, zones=frozenset({"hd/tank-a"}), zone_of=zone_of)
    assert report["activations"] == 2  # one detector of the zone, and the vote of the zone itself


def test_a_later_period_knows_what_began_before_it_in_an_older_file(data: Path) -> None:
    since = BEGIN + 24 * DAY
    found = figures(of(data, since=since, until=since + HOUR))
    assert {c["alarm"] for c in found["stale"]["culprits"]} == {
        f"xy/line/old-{n}:high" for n in range(2)
    }


def test_hours_before_the_journal_and_after_its_stop_are_not_counted_as_quiet(
    tmp_path: Path,
) -> None:
    told: list[Told] = [(BEGIN + 3 * HOUR, "start", {})]
    told += as_told(life("hd/a/b:gas", BEGIN + 4 * HOUR, "yellow", MIN, 2 * MIN))
    told.append((BEGIN + 5 * HOUR, "stop", {"why": "stop"}))
    report = of(journal_of(tmp_path, told))
    assert (report["from"], report["to"]) == (str(BEGIN + 3 * HOUR), str(BEGIN + 5 * HOUR))
    assert figures(report)["per_hour"]["value"] == 0.5


def test_a_gap_of_everything_is_said_and_one_of_a_zone_is_not(tmp_path: Path) -> None:
    def gap(since: int, until: int, points: Any) -> Told:
        body = {"who": "system", "what": "gap", "why": "crash", "from": since, "to": until}
        return until, "gap", {**body, "points": points}

    told = [
        (BEGIN, "start", {}),
        gap(BEGIN + HOUR, BEGIN + 2 * HOUR, "all"),
        gap(BEGIN + HOUR, BEGIN + 3 * HOUR, ["hd/a/b"]),
        gap(BEGIN + 9 * HOUR, BEGIN + 12 * HOUR, "all"),  # it ends after the period
    ]
    assert of(journal_of(tmp_path, told), until=BEGIN + 10 * HOUR)["watched_percent"] == 80.0


def test_a_loosening_that_one_person_made_is_outside_the_method(tmp_path: Path) -> None:
    def change(kind: str, persons: list[str]) -> Told:
        one = {"kind": kind, "about": "hd/a/b:gas", "key": "1", "old": 1, "new": 2}
        return BEGIN + HOUR, "config", {"who": persons[0], "persons": persons, "changes": [one]}

    told = [
        (BEGIN, "start", {}), change("loosened", TWO), change("tightened", ["zhang"]),
        change("loosened", ["zhang"]),
    ]  # fmt: skip
    outside = figures(of(journal_of(tmp_path, told)))["outside"]
    assert (outside["value"], outside["verdict"]) == (1, "amber")
    assert outside["culprits"] == [{"alarm": "hd/a/b:gas", "n": 1}]


def test_a_period_without_a_journal_is_refused_and_a_report_that_takes_too_long(
    data: Path,
) -> None:
    with pytest.raises(Fault) as refused:
        of(data, since=BEGIN - 2 * DAY, until=BEGIN - DAY)
    assert refused.value.code == "KPI-001"
    with pytest.raises(TimeoutError):
        kpi(data, (BEGIN, END), Position(), ZONE, Deadline(-1))


def test_what_stands_is_the_newest_word_of_all_files(tmp_path: Path) -> None:
    old = [*life("hd/a/done:gas", BEGIN, "yellow", MIN, HOUR),
           said("raise", "hd/a/stands:gas", BEGIN),
           said("shelve", "hd/a/shelved:gas", BEGIN, after="normal", mask="shelved")]  # fmt: skip
    old.sort(key=lambda t: t.received)
    new = [said("ack", "hd/a/stands:gas", BEGIN + 2 * HOUR)]
    folder = journal_of(tmp_path, as_told(old), as_told(new))
    known = {r.body["alarm"]: r.body["event"] for r in standing(folder, BEGIN + 3 * HOUR)}
    assert known == {"hd/a/stands:gas": "ack", "hd/a/shelved:gas": "shelve"}
    known = {r.body["alarm"]: r.body["event"] for r in standing(folder, BEGIN + 1)}
    assert known["hd/a/stands:gas"] == "raise"
    assert "hd/a/done:gas" in known
