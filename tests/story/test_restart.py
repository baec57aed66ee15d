"""A restart believes nothing: not the journal's file, not the configuration's."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from park import Folder, wait_for

ROLLBACK = "system/journal:rollback"
DAMAGED = "system/journal:damaged"
BROKEN = "system/config:broken"


@pytest.fixture
def park(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path)
    yield made
    if made.daemon is not None:
        made.daemon.kill()


@pytest.mark.timeout(120)
def test_a_cut_journal_is_a_red_alarm_and_stays_on_record(park: Folder) -> None:
    link = "huadong/panel-1:link"
    park.start()
    park.alarm(link)
    park.stop()
    park.tamper("DELETE FROM record WHERE seq > 2")
    daemon = park.start()
    assert park.alarm(ROLLBACK)["grade"] == "red"
    assert daemon.cli("alarms", "ack", ROLLBACK, "--reason", "试验")[0] == 0
    assert daemon.cli("alarms", "reset", ROLLBACK)[0] == 5  # this start's finding still holds
    park.stop()
    # The chain goes on and is whole by itself: only the anchors remember what was cut.
    assert daemon.cli("journal", "verify")[0] == 6
    daemon = park.start()
    assert park.alarm(ROLLBACK)["core"] == "latched_ack"
    assert daemon.cli("alarms", "reset", ROLLBACK)[0] == 0
    assert ROLLBACK not in daemon.alarms()
    park.stop()
    assert daemon.cli("journal", "verify")[0] == 6  # a reset ends the alarm, not the evidence


@pytest.mark.timeout(60)
def test_a_second_anchor_remembers_what_the_first_forgot(park: Folder, tmp_path: Path) -> None:
    far = tmp_path / "far.head"
    text = park.config.read_text(encoding="utf-8")
    park.config.write_text(f'{text}\n[journal]\nanchors = ["{far}"]\n', encoding="utf-8")
    daemon = park.start()
    park.alarm("huadong/panel-1:link")
    park.stop()
    assert daemon.cli("journal", "verify")[0] == 0
    park.tamper("DELETE FROM record WHERE seq > 2")
    (park.data / "journal.head").unlink()
    assert daemon.cli("journal", "verify")[0] == 6
    park.start()
    assert park.alarm(ROLLBACK)["grade"] == "red"
    park.stop()


@pytest.mark.timeout(60)
def test_a_changed_record_is_a_red_alarm(park: Folder) -> None:
    park.start()
    park.alarm("huadong/panel-1:link")
    park.stop()
    park.tamper("UPDATE record SET body = CAST('{}' AS BLOB) WHERE seq = 2")
    park.start()
    assert park.alarm(DAMAGED)["grade"] == "red"
    park.stop()


@pytest.mark.timeout(90)
def test_another_break_of_the_file_is_told_anew(park: Folder) -> None:
    park.start()
    park.stop()
    good = park.config.read_text(encoding="utf-8")
    park.config.write_text(good + "\n[zone.x]\nwrong = 1\n", encoding="utf-8")
    daemon = park.start()
    first = park.alarm(BROKEN)
    assert "wrong" in first["cause"]["text"]
    assert daemon.cli("alarms", "ack", BROKEN)[0] == 0
    park.stop()
    park.config.write_text(good.replace('gas = "H2S"', 'gas = "H2X"'), encoding="utf-8")
    daemon = park.start()
    told = wait_for(
        lambda: next(
            (a for i, a in daemon.alarms().items() if i == BROKEN and "H2X" in a["cause"]["text"]),
            None,
        ),
        20,
        "the new break",
    )
    assert told["core"] == "unack_active"
    assert "H2X" in str(daemon.cli("status")[1]["data"]["config"]["broken"])
    park.stop()
    park.config.write_text(good, encoding="utf-8")
    daemon = park.start()
    wait_for(lambda: daemon.alarms().get(BROKEN, {}).get("core") == "rtn_unack", 20, "over")
    park.stop()


@pytest.mark.timeout(90)
def test_a_change_is_applied_by_command_and_ends_no_alarm(park: Folder) -> None:
    link = "huadong/panel-1:link"
    daemon = park.start()
    before = park.alarm(link)
    good = park.config.read_text(encoding="utf-8")
    more = good.replace(
        "points = [",
        'points = [\n  { tag = "NH3-0044", zone = "tank-a", gas = "NH3", reg = 40044 },',
    )
    apply = ["config", "apply", "-c", str(park.config), "--reason", "新增探测器"]
    park.stop()
    park.config.write_text(more.replace("NH3", "NH9"), encoding="utf-8")
    code, told = daemon.cli(*apply)
    assert (code, told["ok"]) == (3, False)
    park.config.write_text(more.replace("panel-1", "panel-2"), encoding="utf-8")
    code, told = daemon.cli(*apply)
    assert (code, told["errors"][0]["code"]) == (5, "CFG-182")  # a device goes: two persons
    code, told = daemon.cli("config", "diff", "-c", str(park.config))
    assert (code, link in told["data"]["close"]) == (1, True)  # and it is down
    park.config.write_text(more, encoding="utf-8")
    code, told = daemon.cli(*apply)
    assert code == 0, told
    assert told["data"]["added"] == ["huadong/panel-1/nh3-0044"]
    code, told = daemon.cli("journal", "show", "--kind", "config")
    assert told["data"][-1]["body"]["why"] == "新增探测器"

    daemon = park.start()
    ids = [item["id"] for item in daemon.cli("points", "list")[1]["data"]["items"]]
    assert "huadong/panel-1/nh3-0044" in ids
    after = park.alarm(link)
    assert (after["occurrence"], "system/config:differs" in daemon.alarms()) == (
        before["occurrence"],
        False,
    )
    park.stop()
    assert daemon.cli("journal", "verify")[0] == 0
