"""Floods followed in a journal: of the park and of each enterprise, over a restart too."""

from pathlib import Path

from kpi_month import BEGIN, HOUR, MIN, S, said
from ledgering import Told, add, as_told, journal_of

from parkwatch.daemon.ledger.floods import PARK, Floods

NOW = BEGIN + HOUR


def calls(n: int, enterprise: str = "hd", step: int = S, at: int = NOW) -> list[Told]:
    return list(as_told(said("raise", f"{enterprise}/p/{x}:gas", at + x * step) for x in range(n)))


def test_the_park_floods_and_each_enterprise_by_its_own_count(tmp_path: Path) -> None:
    data = journal_of(tmp_path, [(BEGIN, "start", {})])
    floods = Floods(data)
    assert not floods.look(NOW)[PARK].on
    add(data, [*calls(8, "hd"), *calls(4, "xy", at=NOW + 8 * S)])
    told = floods.look(NOW + MIN)
    assert (told[PARK].on, told[PARK].since, told[PARK].count) == (True, NOW + 10 * S, 12)
    assert (told["hd"].on, told["hd"].count) == (False, 8)
    assert (told["xy"].on, told["xy"].count) == (False, 4)
    assert not floods.look(NOW + 11 * MIN)[PARK].on


def test_a_restart_knows_a_flood_that_began_long_ago(tmp_path: Path) -> None:
    """11 at once, then one every 80 s for two hours: 8 in the window say nothing by themselves."""
    told = [(BEGIN, "start", {}), *calls(11), *calls(90, step=80 * S, at=NOW + 20 * S)]
    data = journal_of(tmp_path, told)
    late = NOW + 2 * HOUR
    found = Floods(data).look(late)[PARK]
    assert (found.on, found.since) == (True, NOW + 10 * S)
    assert 5 <= found.count <= 10


def test_a_restart_in_quiet_times_reads_little_and_says_so(tmp_path: Path) -> None:
    data = journal_of(tmp_path, [(BEGIN, "start", {}), *calls(11), *calls(3, at=NOW + HOUR)])
    told = Floods(data).look(NOW + HOUR + MIN)
    assert (told[PARK].on, told[PARK].count) == (False, 3)
