"""Arming on a running daemon: who may, what a point must show before, and what nobody may miss."""

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from applying import H2S, ROW, Folder, make
from serving import Park, WaitAsync, serving, silence

from parkwatch.daemon.app import reload as reloading
from parkwatch.daemon.app.app import App
from parkwatch.daemon.app.stopped import running
from parkwatch.daemon.config import site_key
from parkwatch.daemon.journal.daily import sign
from parkwatch.daemon.journal.proof import BUMP_TAG
from parkwatch.daemon.ledger.compliance import compliance
from parkwatch.daemon.pipeline.link import LinkFault
from parkwatch.rules.fault import Fault

GAS, VOTE = f"{H2S}:gas", "huadong/tank-a:vote-h2s"
CH4 = "huadong/panel-1/ch4-0021"
TWO = {"persons": ["zhangwei", "liqiang"], "reason": "投用"}
MANUAL = 'name = "示例园区"\narm = "manual"'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    made = make(tmp_path)
    made.edit('"127.0.0.1:8080"', '"127.0.0.1:0"')
    made.edit('gas = "H2S"', 'gas = "H2S", al1 = 5, al2 = 8')
    silence(monkeypatch)
    return made


async def arm(park: Park, *points: str, disarm: bool = False, **said: Any) -> Any:
    asked = {"persons": [], "user": "cli:test", "reason": "", "close": False, **said}
    return await park.ask("arm", points=list(points), disarm=disarm, **asked)


async def item(park: Park, point: str = H2S) -> dict[str, Any]:
    items = (await park.ask("points"))["items"]
    return dict(next(each for each in items if each["id"] == point))


def codes(told: dict[str, Any]) -> list[str]:
    return [each["code"] for each in told["refused"]]


async def seen(park: Park, value: float, point: str = H2S) -> None:
    """Wait until the engine has read it."""

    async def so() -> bool:
        await park.feed(value, point)
        return (await item(park, point))["value"] == value

    await park.wait(so, f"{point} reads {value}")


async def test_a_point_waits_for_people_and_is_never_hidden(
    folder: Folder, wait_until_async: WaitAsync
) -> None:
    folder.edit('name = "示例园区"', MANUAL)
    async with serving(folder, wait_until_async) as park:
        assert codes(await arm(park, H2S, "huadong/x/y")) == ["API-404", "ARM-403", "ARM-405"]
        await seen(park, 9.0)
        found = await item(park)
        over = {"group": "gas", "level": 2, "limit": 8.0, "side": "high", "grade": "orange"}
        assert (found["armed"], found["over"]) == ("unarmed", over)
        await park.until(
            GAS, lambda _: any(r.body["alarm"] == GAS for r in folder.records("would_raise")), 9.0
        )
        assert park.running.engine.alarm(GAS) is None
        assert folder.records("start")[0].body["arming"] == "unarmed"
        assert codes(await arm(park, H2S)) == ["ARM-405"]
        assert codes(await arm(park, H2S, persons=["liqiang", "liqiang"])) == ["ARM-405"]
        told = await arm(park, H2S, CH4, **TWO)
        assert (told["arming"], codes(told)) == ({"provisional": [H2S]}, ["ARM-403"])
        assert told["paused_ms"] < 60_000
        await park.until(GAS, lambda view: view is not None and view.live_level == 2, 9.0)
        found = await item(park)
        assert (found["armed"], found["quality"], found["reason"]) == (
            "provisional", "uncertain", "unverified",
        )  # fmt: skip
        assert "over" not in found
        assert (await item(park, CH4))["armed"] == "unarmed"
        assert codes(await arm(park, H2S, **TWO)) == ["ARM-401"]
        (record,) = folder.records("config")
        assert (record.body["what"], record.body["persons"]) == ("arm", TWO["persons"])
        about = [(c["about"], c["old"], c["new"]) for c in record.body["changes"]]
        assert about == [(H2S, "unarmed", "provisional")]
    states = {p.id: p.armed for p in running(folder.data).resolved.site.points}
    assert (states[H2S], states[CH4]) == ("provisional", "unarmed")


async def test_what_check_would_refuse_and_nobody_would_hear_of_is_not_armed(
    folder: Folder, wait_until_async: WaitAsync
) -> None:
    folder.edit('name = "示例园区"', MANUAL)
    async with serving(folder, wait_until_async) as park:
        await seen(park, 1.0)
        (folder.path.parent / "secrets/work.url").unlink()
        refused = (await arm(park, H2S, **TWO))["refused"]
        assert [each["code"] for each in refused] == ["ARM-402", "ARM-404"]
        assert "blue" not in refused[1]["what"]  # Its limits are yellow and orange.


async def test_a_detector_that_passed_before_it_is_armed_is_proven_at_once(
    folder: Folder, wait_until_async: WaitAsync
) -> None:
    folder.edit('name = "示例园区"', MANUAL)
    async with serving(folder, wait_until_async) as park:
        await seen(park, 1.0)
        body = {"what": "test", "point": H2S, "verdict": "pass"}
        park.running.pipeline.turns.arming.take("bump", body, park.running.clock.now())
        assert (await arm(park, H2S, **TWO))["arming"] == {"armed": [H2S]}
        await seen(park, 1.0)
        found = await item(park)
        assert (found["armed"], found["quality"]) == ("armed", "good")


async def test_to_disarm_takes_two_a_reason_and_no_alarm_in_the_way(
    folder: Folder, wait_until_async: WaitAsync
) -> None:
    async with serving(folder, wait_until_async) as park:
        before = await park.until(GAS, lambda view: view is not None, 9.0)
        await seen(park, 60.0, CH4)
        for said, code in (
            ({}, "CFG-182"),
            ({"persons": TWO["persons"]}, "CFG-183"),
            (TWO, "CFG-181"),
        ):
            with pytest.raises(LinkFault) as refused:
                await arm(park, H2S, disarm=True, **said)
            assert refused.value.code == code
        assert (await item(park))["armed"] == "provisional"
        told = await arm(park, CH4, disarm=True, **TWO, close=True)
        assert told["arming"] == {"unarmed": [CH4]}
        # Another arming is no other configuration: alarms, delays and the rest go on.
        after = park.running.engine.alarm(GAS)
        assert after is not None
        assert (after.occurrence, after.version) == (before.occurrence, before.version)
        assert codes(await arm(park, CH4, disarm=True, **TWO)) == ["ARM-406"]
        # By hand: from now on the park approves, also where points arm by themselves.
        await seen(park, 1.0, CH4)
        assert codes(await arm(park, CH4)) == ["ARM-405"]
        # And no file arms it again.
        folder.edit(ROW, f'{ROW.replace("0103", "0109")}, zone = "tank-a", gas = "H2S", '
                    f"reg = 40099 }},\n{ROW}")  # fmt: skip
        await park.apply()
        assert (await item(park, CH4))["armed"] == "unarmed"
        assert (await item(park, "huadong/panel-1/h2s-0109"))["armed"] == "provisional"
    newest = folder.records("config")[-1].body
    assert newest["arming"] == {"provisional": ["huadong/panel-1/h2s-0109"]}
    (disarmed,) = (r.body for r in folder.records("config") if r.body["what"] == "disarm")
    assert [c["kind"] for c in disarmed["changes"]] == ["disarmed"]
    zone = ZoneInfo("Asia/Shanghai")
    listed = compliance(folder.data, datetime.now(zone).date(), zone, bytes(32))["rows"]
    rows = [(r["about"], r["person"], r["second"], r["reason"], r["to"])
            for r in listed if r["kind"] == "disarmed"]  # fmt: skip
    assert rows == [(CH4, "zhangwei", "liqiang", "投用", "")]


async def test_an_arming_that_cannot_start_is_undone(
    folder: Folder, wait_until_async: WaitAsync, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = reloading._started

    async def fails(*_: Any) -> App:
        raise Fault("SYS-108", "disk", "…")

    async with serving(folder, wait_until_async) as park:
        await seen(park, 1.0)
        monkeypatch.setattr(reloading, "_started", fails)
        with pytest.raises(LinkFault) as refused:
            await arm(park, H2S, disarm=True, **TWO)
        assert refused.value.code == "CFG-186"
        assert (await item(park))["armed"] == "provisional"
        monkeypatch.setattr(reloading, "_started", started)
        await park.until(GAS, lambda view: view is not None, 9.0)
    site = running(folder.data).resolved.site
    assert {point.armed for point in site.points} == {"provisional"}


async def test_a_bump_test_proves_a_detector_and_outlives_a_change(
    folder: Folder, wait_until_async: WaitAsync
) -> None:
    async with serving(folder, wait_until_async) as park:
        tester = {"point": H2S, "person": "liqiang", "role": "technician", "version": 0}
        said = {"gas": "H2S", "bottle": 25, "minutes": 30}

        async def bump(what: str, number: int, **more: Any) -> Any:
            command = f"00000000-0000-4000-8000-{number:012d}"
            return await park.ask("bump", what=what, command=command, **{**tester, **more})

        await seen(park, 0.5)
        for number, (code, more) in enumerate(
            (
                ("ALM-403", {"role": "viewer"}),
                ("ALM-403", {"enterprise": "binhai"}),
                ("ALM-404", {"point": "huadong/x/y"}),
                ("ARM-420", {}),
                ("ARM-422", {"details": {**said, "gas": "CO"}}),
                ("ARM-422", {"details": {**said, "minutes": 31}}),
                ("ARM-425", {"point": CH4, "details": {**said, "gas": "CH4"}}),
            )
        ):
            what = "stop" if code == "ARM-420" else "start"
            with pytest.raises(LinkFault) as refused:
                await bump(what, number, **{"details": said, **more})
            assert refused.value.code == code
        begun = await bump("start", 20, details=said)
        assert [each["point"] for each in begun["items"]] == [H2S]
        assert await bump("start", 20, details=said) == begun  # Repeated: the first answer.
        with pytest.raises(LinkFault) as refused:
            await bump("start", 21, details=said)
        assert refused.value.code == "ARM-423"

        async def reads(value: float) -> bool:
            await park.feed(value)
            items = (await park.ask("bumps"))["items"]
            return bool(items) and items[0]["value"] == value

        await park.wait(lambda: reads(0.6), "the window sees the reading")
        assert (await item(park))["reason"] == "calibrating"
        await seen(park, 1.0, CH4)
        await arm(park, CH4, disarm=True, **TWO, close=True)  # A reload in the middle of it.
        for value in (8.0, 20.0, 25.0):
            await park.wait(lambda value=value: reads(value), f"it reads {value}")
        (record,) = (await bump("stop", 22))["ended"]
        assert (record["verdict"], record["peak"], record["moved"]) == ("pass", 25.0, [])
        assert (await item(park))["armed"] == "armed"
        assert park.running.engine.alarm(GAS) is None
    body = dict(folder.records("bump")[-1].body)
    assert body["who"] == "liqiang"
    assert sign(body, site_key.read(folder.data), BUMP_TAG) == body["hmac"]
    assert running(folder.data).arming.of(_point(folder)).state == "armed"


def _point(folder: Folder) -> Any:
    return next(p for p in running(folder.data).resolved.site.points if p.id == H2S)


async def test_a_stage_is_tried_as_a_drill_and_calls_nobody(
    folder: Folder, wait_until_async: WaitAsync
) -> None:
    folder.edit('name = "示例园区"', MANUAL)  # A point is tried before it is armed, too.
    async with serving(folder, wait_until_async) as park:
        said = {"point": H2S, "person": "cli:test"}
        told = await park.ask("stage", level=2, **said)
        assert told["ok"]
        assert (told["limit"]["limit"], told["limit"]["grade"]) == (8.0, "orange")
        assert {each["alarm"] for each in told["alarms"]} == {GAS, VOTE}  # It is alone there.
        assert told["messages"]
        assert all(each["text"].startswith("【演练】") for each in told["messages"])
        assert {each["person"] for each in told["messages"]} <= {"zhangwei", "liqiang", "wangfang"}
        assert folder.records("message") == []
        person = told["messages"][0]["person"]
        await park.ask("stage", level=1, **said, send_to=person)
        (message,) = folder.records("message")
        assert message.body["person"] == person
        assert message.body["text"].startswith("【演练】")
        for more, code in (
            ({"level": 3}, "ARM-410"), ({"level": 1, "send_to": "nobody"}, "ARM-411"),
            ({"level": 1, "point": "huadong/x/y"}, "API-404"), ({}, "API-422"),
        ):  # fmt: skip
            with pytest.raises(LinkFault) as refused:
                await park.ask("stage", **{**said, **more})
            assert refused.value.code == code
        assert park.running.engine.alarm(GAS) is None
        assert [r.body["proves"] for r in folder.records("drill")] == [False, False]
