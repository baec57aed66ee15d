"""The inspector's list of a day: who hid what, why, until when; what nobody saw; and its seal."""

import json
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from journaling import KEY
from kpi_month import BEGIN, DAY, HOUR, MIN, S
from ledgering import Told, as_told, journal_of
from small_park import A, site

from parkwatch.daemon.journal.daily import check_daily
from parkwatch.daemon.ledger.compliance import compliance, put_signed, write_compliance
from parkwatch.rules.engine import Engine
from parkwatch.rules.grade import Grade
from parkwatch.rules.transition import Command, Signer

ZONE = ZoneInfo("Asia/Shanghai")
DAY_1, DAY_2, DAY_3 = date(2100, 1, 1), date(2100, 1, 2), date(2100, 1, 3)
NOON = BEGIN + 12 * HOUR
START: Told = (BEGIN, "start", {})


def rows(data: Path, day: date = DAY_1, unarmed: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    return list(compliance(data, day, ZONE, KEY, unarmed)["rows"])


def kinds(data: Path, day: date = DAY_1) -> list[tuple[str, str]]:
    return [(row["kind"], row["about"]) for row in rows(data, day)]


def test_masks_that_the_engine_made_are_listed_with_their_people_and_ends(tmp_path: Path) -> None:
    engine = Engine(site(), NOON)
    gas, fault = "hd/panel-1/ch4-01:gas", "hd/panel-1/ch4-02:fault"
    permit = {"permit": "ZY-7", "until": NOON + 8 * HOUR, "owner": "wang"}
    said = []
    for action, alarm, at, more in (
        ("shelve", gas, 1, {"details": {"kind": "timed", "seconds": 3600}}),
        ("unshelve", gas, 600, {}),
        ("out-of-service", fault, 700,
         {"details": permit, "second": Signer("li", "shift-lead")}),
    ):  # fmt: skip
        view = engine.alarm(alarm)
        seen = (view.occurrence, view.version) if view else (0, 0)
        command = Command(
            f"{at}", action, alarm, *seen, "zhang", "shift-lead", reason="检定", **more
        )
        outcome = engine.command(command, NOON + at * S)
        assert outcome.ok, outcome
        said += outcome.transitions
    data = journal_of(tmp_path, [START, *as_told(said)])
    by_about = {row["about"]: row for row in rows(data)}
    shelf = by_about[gas]
    assert (shelf["kind"], shelf["person"], shelf["reason"]) == ("shelved", "zhang", "检定")
    assert shelf["from"] == "2100-01-01T12:00:01.000+08:00"
    assert shelf["to"] == "2100-01-01T12:10:00.000+08:00"
    out = by_about[fault]
    assert (out["kind"], out["person"], out["second"]) == ("out_of_service", "zhang", "li")
    assert (out["to"], out["planned"]) == ("", "2100-01-01T20:00:00.000+08:00")
    assert out["detail"] == "ZY-7 wang"
    # It ended by plan before the next day began, and one that goes on is there from its record.
    assert kinds(data, DAY_2) == []


def test_a_cover_of_an_older_file_is_on_the_list_of_every_day_that_it_lasts(tmp_path: Path) -> None:
    mask = {"since": NOON, "person": "system", "reason": "装置停车"}
    body = {
        "alarm": "hd/a/b:low", "occurrence": 0, "version": 1, "event": "suppress",
        "from": "normal", "to": "normal", "grade": "blue", "peak": "blue", "received": NOON,
        "mask": "suppressed_by_design", "origin": "live", "cause": {"masks": {"plant": mask}},
    }  # fmt: skip
    end = {**body, "event": "unsuppress", "mask": "", "cause": {}, "received": NOON + 2 * DAY}
    drill = {**body, "alarm": "drill.d/hd/a/c:low", "origin": "drill:d"}
    data = journal_of(
        tmp_path,
        [START, (NOON, "transition", body), (NOON, "transition", drill)],
        [(NOON + 2 * DAY, "transition", end)],
    )
    for day in (DAY_1, DAY_2, DAY_3):
        assert kinds(data, day) == [("suppressed", "hd/a/b:low")]
    assert rows(data, DAY_3)[0]["to"] == "2100-01-03T12:00:00.000+08:00"
    assert kinds(data, date(2100, 1, 4)) == []


def test_weaker_limits_overrides_and_what_is_overdue_stay_until_they_end(tmp_path: Path) -> None:
    def change(at: int, kind: str) -> Told:
        one = {"kind": kind, "about": "hd/a/b:gas", "key": "level 1", "old": 5, "new": 9}
        body = {"who": "zhang", "persons": ["zhang", "li"], "why": "改造", "changes": [one]}
        return at, "config", body

    override = {"about": "hd/a/c", "old": None, "new": {"al1": 30}, "until": NOON + 20 * DAY,
                "persons": ["zhang", "li"], "reason": "专家论证"}  # fmt: skip
    late = {"alarm": "hd/a/d:gas", "occurrence": 7, "due": NOON, "event": "overdue"}
    data = journal_of(
        tmp_path,
        [START, change(NOON, "loosened"), (NOON, "override", override),
         (NOON, "disposition", late)],
        [change(NOON + DAY, "tightened"),
         (NOON + DAY, "disposition", {**late, "event": "handled"})],
    )  # fmt: skip
    three = [("loosened", "hd/a/b:gas"), ("overdue", "hd/a/d:gas"), ("override", "hd/a/c")]
    assert kinds(data, DAY_1) == three
    assert kinds(data, DAY_2) == three
    assert kinds(data, DAY_3) == three[2:]
    loosened, _, signed = rows(data, DAY_2)
    assert loosened["detail"] == "level 1 5 -> 9"
    assert loosened["to"] == "2100-01-02T12:00:00.000+08:00"
    assert (signed["second"], signed["planned"][:10]) == ("li", "2100-01-21")


def test_a_bypass_a_due_calibration_and_a_point_that_is_not_armed(tmp_path: Path) -> None:
    def active(alarm: str, at: int, to: str = "unack_active", **cause: str) -> Told:
        return at, "transition", {
            "alarm": alarm, "occurrence": at, "version": 1, "event": "raise", "from": "normal",
            "to": to, "grade": "yellow", "peak": "yellow", "received": at, "mask": "",
            "origin": "live", "cause": cause,
        }  # fmt: skip

    data = journal_of(tmp_path, [
        START, active("hd/e/b1:state", NOON, name="bypass"), active("hd/a/b:due", NOON),
        active("hd/a/b:gas", NOON), active("hd/e/b1:state", NOON + HOUR, "normal", name="bypass"),
    ])  # fmt: skip
    found = [(r["kind"], r["about"], r["to"][:16]) for r in rows(data, unarmed=("hd/a/x",))]
    assert found == [
        ("bypassed", "hd/e/b1:state", "2100-01-01T13:00"),
        ("disarmed", "hd/a/x", ""),
        ("overdue", "hd/a/b:due", ""),
    ]


def test_a_reminder_is_not_overdue_before_its_date_is(tmp_path: Path) -> None:
    def told(event: str, at: int, over: int | None = None) -> Told:
        cause = {} if over is None else {"text": "检定", "due": [{"what": "x", "at": over}]}
        return at, "transition", {
            "alarm": "hd/a/b:due", "occurrence": 1, "version": 1, "event": event,
            "from": "unack_active", "to": "unack_active", "grade": "blue", "peak": "blue",
            "received": at, "mask": "", "origin": "live", "cause": cause,
        }  # fmt: skip

    ahead = [START, told("raise", NOON, NOON + 2 * HOUR), told("ack", NOON + HOUR)]
    over = told("rise", NOON + 2 * HOUR, NOON + 2 * HOUR)
    renewed = told("fall", NOON + 3 * HOUR, NOON + 9 * HOUR)
    for n, (records, count) in enumerate(((ahead, 0), ([*ahead, over], 1))):
        folder = tmp_path / str(n)
        folder.mkdir()
        assert len(rows(journal_of(folder, records))) == count
    (row,) = rows(journal_of(tmp_path, [*ahead, over, renewed]))
    assert (row["kind"], row["to"][:16]) == ("overdue", "2100-01-01T15:00")


def test_gaps_closings_portable_readings_and_resets_by_two(tmp_path: Path) -> None:
    closing = {
        "alarm": "hd/a/b:gas", "occurrence": 1, "version": 3, "event": "close",
        "from": "latched_ack", "to": "normal", "grade": "red", "peak": "red", "received": NOON,
        "mask": "", "origin": "live",
        "cause": {"why": "closed_by_change", "persons": ["zhang", "li"], "reason": "拆除"},
    }  # fmt: skip
    reset = {"person": "zhang", "second": "li", "action": "reset", "alarm": "hd/a/c:gas",
             "ok": True, "why": "通风后", "details": {"reading": {"gas": "H2S", "value": 0.4}},
             }  # fmt: skip
    bump = {"point": "hd/a/d", "who": "wang", "value": 12.5, "instrument": "PG-3", "at": "x"}
    gap = {"who": "system", "what": "gap", "why": "crash", "from": NOON - DAY, "to": NOON,
           "points": "all"}  # fmt: skip
    lost = {"who": "zhang", "what": "journal.db", "why": "坏盘", "from": 1, "to": 9, "points": []}
    data = journal_of(tmp_path, [
        START, (NOON, "transition", closing), (NOON, "command", reset),
        (NOON, "command", {**reset, "ok": False}), (NOON, "command", {**reset, "second": None}),
        (NOON, "bump", bump), (NOON, "gap", gap), (NOON, "gap", lost),
    ])  # fmt: skip
    by_kind = {(r["kind"], r["about"]): r for r in rows(data)}
    assert set(by_kind) == {
        ("close", "hd/a/b:gas"), ("reset_by_two", "hd/a/c:gas"), ("bump", "hd/a/d"),
        ("gap", "system"), ("gap", "journal.db"),
    }  # fmt: skip
    assert by_kind["close", "hd/a/b:gas"]["reason"] == "closed_by_change 拆除"
    assert by_kind["reset_by_two", "hd/a/c:gas"]["detail"] == "gas=H2S value=0.4"
    assert by_kind["gap", "journal.db"]["detail"] == "records 1..9"
    assert by_kind["gap", "system"]["from"] == "2099-12-31T12:00:00.000+08:00"
    # The day before, when it began, has it too: it was written down later.
    assert kinds(data, date(2099, 12, 31)) == [("gap", "system")]


def test_the_list_is_signed_and_one_changed_letter_is_seen(tmp_path: Path) -> None:
    data = journal_of(tmp_path, [START])
    signed = compliance(data, DAY_1, ZONE, KEY)
    assert (signed["v"], signed["kind"], signed["day"]) == (1, "compliance", "2100-01-01")
    assert signed["head"]["seq"] == 1
    path = tmp_path / "list.json"
    put_signed(path, signed)
    assert json.loads(path.read_text()) == signed
    assert check_daily(path, KEY).what == ""
    path.write_text(path.read_text().replace("2100-01-01", "2100-01-02"))
    assert check_daily(path, KEY).forged
    assert not check_daily(path, b"another").forged  # only not checked: the key is named
    assert "site key" in check_daily(path, b"another").what


def test_the_list_of_a_day_is_written_once_beside_the_daily_file(tmp_path: Path) -> None:
    data = journal_of(tmp_path, [START])
    write_compliance(data, DAY_1, ZONE, KEY, ["hd/a/x"])
    path = data / "archive" / "daily" / "compliance-2100-01-01.json"
    first = path.read_bytes()
    assert [row["about"] for row in json.loads(first)["rows"]] == ["hd/a/x"]
    write_compliance(data, DAY_1, ZONE, KEY)
    assert path.read_bytes() == first
    assert check_daily(path, KEY).what == ""


def test_a_link_that_speaks_for_its_points_is_a_suppression(tmp_path: Path) -> None:
    engine = Engine(site(), NOON)
    said = list(engine.advance(NOON + MIN))  # nothing was ever read: every channel is stale
    said += engine.condition(
        "hd/panel-1:link", active=True, grade=Grade.ORANGE, cause={}, now=NOON + 2 * MIN
    )
    data = journal_of(tmp_path, [START, *as_told(said)])
    suppressed = [row for row in rows(data) if row["kind"] == "suppressed"]
    assert f"{site().points[A].id}:fault" in {row["about"] for row in suppressed}
    assert {row["reason"] for row in suppressed} == {"link"}
