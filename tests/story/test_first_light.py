"""From a real wire to a person: a leak, two levels, the vote, kill -9 in its middle, and reset."""

from pathlib import Path

import pytest
from park import Daemon, Plant, wait_for

VOTE = "huadong/tank-a:vote-ch4"
GAS = "huadong/panel-1/ch4-0101:gas"


@pytest.mark.timeout(240)
def test_a_leak_survives_kill_9_and_ends_in_a_reset(tmp_path: Path) -> None:
    plant = Plant()
    config = plant.config(tmp_path / "conf")
    daemon = Daemon(config, tmp_path / "data")
    red = wait_for(lambda: daemon.alarms().get(VOTE), 90, "the zone's vote is red")
    assert red["grade"] == "red"
    assert {voter["tag"] for voter in red["cause"]["voters"]} == {"CH4-0101", "CH4-0102"}
    assert daemon.cli("alarms", "reset", VOTE)[0] == 5  # gas is still there
    daemon.kill()

    daemon = Daemon(config, tmp_path / "data")
    resumed = wait_for(lambda: daemon.alarms().get(VOTE), 15, "the red is there again")
    assert (resumed["occurrence"], resumed["version"]) == (red["occurrence"], red["version"])
    code, document = daemon.cli("journal", "show", "--kind", "transition", "-n", "200")
    raises = [r for r in document["data"] if r["body"]["alarm"] == VOTE]
    assert [r["body"]["event"] for r in raises] == ["raise"]  # not announced twice

    again = ["alarms", "ack", VOTE, "--command", "7f2c1c8e-58a5-4c39-9d4c-2f8f1c0d7a11"]
    assert daemon.cli(*again)[0] == 0
    assert daemon.cli(*again)[0] == 0  # repeated: the first answer, nothing changed twice
    assert daemon.alarms()[VOTE]["core"] == "ack_active"

    def latched() -> bool:
        return daemon.alarms().get(VOTE, {}).get("core") == "latched_ack"

    wait_for(latched, 120, "gas is gone, the vote is latched")
    assert daemon.cli("alarms", "reset", VOTE)[0] == 0
    assert VOTE not in daemon.alarms()
    assert daemon.stop() == 0
    code, verdict = daemon.cli("journal", "verify")
    assert code == 0, verdict
    counters = plant.end()
    assert counters["violations"] == 0
    assert counters["writes"] == 0
    assert set(counters["functions"]) <= {"1", "2", "3", "4"}


@pytest.mark.timeout(60)
def test_a_dead_plant_is_a_link_alarm_and_never_a_value(tmp_path: Path) -> None:
    plant = Plant()
    daemon = Daemon(plant.config(tmp_path / "conf"), tmp_path / "data")

    def living() -> bool:
        code, document = daemon.cli("points", "list")
        items = document["data"]["items"] if not code else []
        return any(i["value"] is not None and "panel-1" in i["id"] for i in items)

    wait_for(living, 20, "values from the panel")
    plant.end()
    link = "huadong/panel-1:link"
    alarm = wait_for(lambda: daemon.alarms().get(link), 20, "the link's alarm")
    assert alarm["grade"] == "orange"
    items = daemon.cli("points", "list")[1]["data"]["items"]
    assert all(i["value"] is None for i in items if "panel-1" in i["id"])
    faults = {i: a["state"] for i, a in daemon.alarms().items() if "panel-1/" in i}
    assert len(faults) == alarm["cause"]["points"]
    assert set(faults.values()) == {"suppressed_by_design"}  # the link alarm speaks for them
    second = Daemon(tmp_path / "conf" / "park.toml", tmp_path / "data")
    assert second.process.wait(10) == 4
    second.kill()
    assert str(daemon.process.pid) in (tmp_path / "data.log").read_text()
    assert daemon.stop() == 0
