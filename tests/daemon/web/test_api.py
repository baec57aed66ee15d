"""`/api/v1` as programs use it: shapes, refusals in words, int64 as strings, isolation."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from parkwatch.daemon.web import api, mirror

ALARM = "hd/panel-1/h2s-0001:gas"
FOREIGN = "xy/panel-1/co-0007:gas"
OCCURRENCE = "1732345678901234001"


def body(**changes: Any) -> dict[str, Any]:
    return {"occurrence": OCCURRENCE, "version": 1, "command": str(uuid.uuid4())} | changes


def is_refusal(answer: httpx.Response, status: int, code: str) -> bool:
    told = answer.json()
    assert answer.status_code == status, told
    assert told["code"] == code, told
    return bool(told["what"]) and bool(told["remedy"])


@pytest.fixture
async def lead(web: Any) -> httpx.AsyncClient:
    return await web.as_("shift-lead")


@pytest.fixture
async def raised(web: Any, daemon: Any, wait_until_async: Callable[..., Any]) -> None:
    daemon.raise_alarm(ALARM)
    daemon.raise_alarm(FOREIGN, "orange")
    await wait_until_async(lambda: len(web.mirror.alarms) == 2, "two alarms are mirrored")


async def test_alarms_are_listed_with_all_their_fields(lead: Any, raised: None) -> None:
    told = (await lead.get("/api/v1/alarms")).json()
    assert set(told) == {"sequence", "items", "next", "flood", "rows"}
    item = next(i for i in told["items"] if i["id"] == ALARM)
    assert item["occurrence"] == OCCURRENCE
    assert item["version"] == 1
    assert {
        "state", "core", "grade", "peak", "zone", "enterprise", "tag", "value", "unit", "limit",
        "quality", "time", "received", "drill",
    } <= set(item)  # fmt: skip
    assert isinstance(item["time"], str)


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("grade=orange", [FOREIGN]),
        ("grade=yellow,orange", [ALARM, FOREIGN]),
        ("enterprise=hd", [ALARM]),
        ("zone=hd/tank-a", [ALARM]),
        ("state=ack_active", []),
        ("state=unack_active&grade=yellow", [ALARM]),
    ],
)
async def test_alarms_are_filtered(lead: Any, raised: None, query: str, ids: list[str]) -> None:
    items = (await lead.get(f"/api/v1/alarms?{query}")).json()["items"]
    assert [item["id"] for item in items] == ids


async def test_one_alarm_says_why(lead: Any, raised: None) -> None:
    told = (await lead.get(f"/api/v1/alarms/{ALARM}")).json()
    assert told["why"]["limit"] == 7.0
    assert "GB/T 50493" in told["why"]["clause"]
    assert [limit["limit"] for limit in told["why"]["limits"]] == [7.0, 14.1]


async def test_an_acknowledgement_carries_what_the_person_saw(
    lead: Any, daemon: Any, raised: None
) -> None:
    answer = await lead.post(f"/api/v1/alarms/{ALARM}/ack", json=body(reason="巡检"))
    assert answer.status_code == 200
    assert answer.json()["core"] == "ack_active"
    sent = daemon.commands[-1]
    assert (sent["occurrence"], sent["version"]) == (OCCURRENCE, 1)
    assert (sent["person"], sent["role"]) == ("shift-lead", "shift-lead")


async def test_a_stale_version_is_409_with_the_new_state(
    lead: Any, daemon: Any, raised: None
) -> None:
    daemon.raise_alarm(ALARM, "orange", level=2)
    answer = await lead.post(f"/api/v1/alarms/{ALARM}/ack", json=body())
    assert is_refusal(answer, 409, "ALM-409")
    assert (answer.json()["item"]["grade"], answer.json()["item"]["version"]) == ("orange", 2)


async def test_a_reset_with_gas_present_is_422(lead: Any, raised: None) -> None:
    answer = await lead.post(f"/api/v1/alarms/{ALARM}/reset", json=body())
    assert is_refusal(answer, 422, "ALM-411")


async def test_what_became_normal_answers_with_its_whole_item(
    lead: Any, web: Any, daemon: Any, raised: None, wait_until_async: Callable[..., Any]
) -> None:
    daemon.move(ALARM, "latched_ack")
    await wait_until_async(lambda: web.mirror.alarms[ALARM]["version"] == 2, "latched")
    answer = await lead.post(f"/api/v1/alarms/{ALARM}/reset", json=body(version=2))
    assert answer.status_code == 200
    assert answer.json()["state"] == "normal"
    assert answer.json()["occurrence"] == OCCURRENCE
    assert answer.json()["grade"] == "yellow"
    # The first answer again, whatever the version is by now: the command id decides.
    again = await lead.post(
        f"/api/v1/alarms/{ALARM}/reset", json=body(command=daemon.commands[-1]["command"])
    )
    assert again.status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"occurrence": 1732345678901234001},
        {"occurrence": "9223372036854775808"},
        {"occurrence": "-1"},
        {"occurrence": "12a"},
        {"occurrence": None},
        {"version": "1"},
        {"version": True},
        {"version": -1},
        {"command": "not-a-uuid"},
        {"command": None},
        {"reason": "x" * 501},
        {"reason": 7},
        {"seconds": "60"},
    ],
)
async def test_a_field_that_cannot_be_read_is_400(
    lead: Any, daemon: Any, raised: None, wrong: dict[str, Any]
) -> None:
    answer = await lead.post(f"/api/v1/alarms/{ALARM}/ack", json=body(**wrong))
    assert is_refusal(answer, 400, "API-400")
    assert not daemon.commands


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b"null", b"\xff", b"[" * 70_000, b"[" * 20_000]
)
async def test_a_body_that_is_no_object_is_400(lead: Any, raised: None, content: bytes) -> None:
    answer = await lead.post(f"/api/v1/alarms/{ALARM}/ack", content=content)
    assert is_refusal(answer, 400, "API-400")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/nothing"),
        ("POST", f"/api/v1/alarms/{ALARM}/explode"),
        ("DELETE", "/api/v1/alarms"),
        ("POST", "/healthz"),
        ("GET", "/static/../api.py"),
        ("GET", "/static/nothing.js"),
        ("GET", "/api"),
    ],
)
async def test_an_unknown_route_is_404_in_words(lead: Any, method: str, path: str) -> None:
    assert is_refusal(await lead.request(method, path), 404, "API-404-ROUTE")


async def test_points_are_paged_in_order(lead: Any) -> None:
    first = (await lead.get("/api/v1/points?limit=2")).json()
    assert [i["id"] for i in first["items"]] == ["hd/panel-1/h2s-0001", "hd/panel-1/h2s-0002"]
    seen, after = list(first["items"]), first["next"]
    while after is not None:
        page = (await lead.get("/api/v1/points", params={"after": after, "limit": 2})).json()
        seen += page["items"]
        after = page["next"]
    assert len(seen) == 5
    assert set(seen[0]) == {
        "id", "tag", "value", "quality", "reason", "time", "received", "armed"
    }  # fmt: skip


async def test_ids_with_slashes_and_chinese_are_found(lead: Any) -> None:
    point = (await lead.get("/api/v1/points/hd/panel-1/硫化氢-一号")).json()
    assert point["tag"] == "硫化氢-一号"
    trend = await lead.get("/api/v1/points/hd/panel-1/硫化氢-一号/trend")
    assert trend.json()["id"] == "hd/panel-1/硫化氢-一号"


async def test_a_value_without_good_quality_is_null(
    lead: Any, web: Any, daemon: Any, wait_until_async: Callable[..., Any]
) -> None:
    daemon.set_value("hd/panel-1/h2s-0001", None, "bad")
    point = web.mirror.point("hd/panel-1/h2s-0001")
    await wait_until_async(lambda: point["quality"] == "bad", "the point is bad")
    told = (await lead.get("/api/v1/points/hd/panel-1/h2s-0001")).json()
    assert (told["value"], told["quality"], told["reason"]) == (None, "bad", "comms")


async def test_a_trend_has_strings_for_times_and_gaps_for_bad_values(lead: Any) -> None:
    told = (await lead.get("/api/v1/points/hd/panel-1/h2s-0001/trend?from=1&to=9&n=9")).json()
    assert told["time"] == ["1", str(2**60 + 1)]
    assert told["value"] == [3.5, None]
    assert told["quality"] == ["good", "bad"]
    assert told["unit"] == "ppm"


@pytest.mark.parametrize("query", ["from=9&to=1", "from=x", "to=1e9", "n=-1", f"to={2**63}"])
async def test_a_span_that_is_none_is_400(lead: Any, query: str) -> None:
    answer = await lead.get(f"/api/v1/points/hd/panel-1/h2s-0001/trend?{query}")
    assert is_refusal(answer, 400, "API-400")


async def test_zones_count_what_is_in_them(lead: Any, raised: None) -> None:
    zones = (await lead.get("/api/v1/zones")).json()["items"]
    assert zones[0] == {
        "id": "hd/tank-a", "name": "罐区A", "enterprise": "hd", "risk": "red",
        "alarms": {"yellow": 1}, "points": 4, "unknown": 0, "unarmed": 0, "over": 0,
    }  # fmt: skip


async def test_the_journal_is_read_with_strings_for_int64(lead: Any) -> None:
    items = (await lead.get("/api/v1/journal?n=3")).json()["items"]
    assert [i["seq"] for i in items] == [2, 3, 4]
    assert items[0]["body"]["occurrence"] == OCCURRENCE
    assert items[0]["time"] == OCCURRENCE
    after = (await lead.get("/api/v1/journal?after=3")).json()["items"]
    assert [i["seq"] for i in after] == [4]
    logins = (await lead.get("/api/v1/journal?kind=login")).json()["items"]
    assert [i["kind"] for i in logins] == ["login"]


async def test_an_enterprise_sees_only_its_own_everywhere(
    web: Any, daemon: Any, raised: None
) -> None:
    own = await web.as_("hd-operator")
    texts = [
        (await own.get(path)).text
        for path in ("/api/v1/alarms", "/api/v1/points", "/api/v1/zones", "/api/v1/health",
                     "/api/v1/journal", "/api/v1/journal?after=0")
    ]  # fmt: skip
    for text in texts:
        assert "hd/" in text
        assert "xy" not in text
    for path in (
        f"alarms/{FOREIGN}",
        "points/xy/panel-1/co-0007",
        "points/xy/panel-1/co-0007/trend",
    ):
        assert is_refusal(await own.get(f"/api/v1/{path}"), 404, "API-404")
    answer = await own.post(f"/api/v1/alarms/{FOREIGN}/ack", json=body())
    assert is_refusal(answer, 404, "API-404")
    assert not daemon.commands


async def test_foreign_and_unknown_cannot_be_told_apart(web: Any, raised: None) -> None:
    own = await web.as_("hd-operator")
    for action in ("ack", "reset", "silence"):
        foreign = await own.post(f"/api/v1/alarms/{FOREIGN}/{action}", json=body())
        unknown = await own.post(f"/api/v1/alarms/hd/panel-1/none:gas/{action}", json=body())
        assert foreign.json() == unknown.json()


async def test_healthz_says_only_whether(web: Any, daemon: Any, wait_until_async: Any) -> None:
    async with web.client() as anyone:
        assert (await anyone.get("/healthz")).json() == {"ok": True}
        assert (await anyone.get("/healthz?deep=1")).status_code == 200
        daemon.ok = False
        await wait_until_async(lambda: not web.mirror.health["ok"], "the daemon is not well")
        answer = await anyone.get("/healthz")
        assert (answer.status_code, answer.json()) == (503, {"ok": False})


async def test_deep_health_wants_a_fresh_source(web: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "FRESH_NS", 0)
    async with web.client() as anyone:
        assert (await anyone.get("/healthz")).status_code == 200
        assert (await anyone.get("/healthz?deep=1")).status_code == 503


async def test_metrics_are_text_for_who_may(web: Any) -> None:
    engineer = await web.as_("engineer")
    text = (await engineer.get("/metrics")).text
    assert 'parkwatch_readings_total{driver="modbus"} 7' in text
    assert "parkwatch_loop_lag_seconds 0.003" in text
    assert "parkwatch_consoles 0" in text


async def test_the_past_is_not_shown_as_the_present(
    web: Any, lead: Any, daemon: Any, monkeypatch: pytest.MonkeyPatch, wait_until_async: Any
) -> None:
    monkeypatch.setattr(mirror, "LIVE_S", 0.6)
    daemon.pulse = False
    await wait_until_async(lambda: not web.mirror.live, "the stream is old")
    for path in ("alarms", "points", "zones", "points/hd/panel-1/h2s-0001"):
        assert is_refusal(await lead.get(f"/api/v1/{path}"), 503, "API-503")
    assert is_refusal(await lead.post(f"/api/v1/alarms/{ALARM}/ack", json=body()), 503, "API-503")
    assert (await lead.get("/api/v1/health")).json()["live"] is False
    async with web.client() as anyone:
        assert (await anyone.get("/healthz")).status_code == 503


async def test_answers_keep_the_page_alone_with_itself(web: Any) -> None:
    async with web.client() as anyone:
        page = await anyone.get("/")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-content-type-options"] == "nosniff"


async def test_a_bug_is_500_without_inner_words(
    web: Any, lead: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web.mirror, "site", {})
    answer = await lead.get("/api/v1/zones")
    assert answer.status_code == 500
    assert "KeyError" not in answer.text
    assert json.loads(answer.text)["code"] == "API-500"


async def test_an_alarm_that_was_never_raised_can_be_looked_at_and_shelved(
    web: Any, lead: Any, daemon: Any
) -> None:
    """A technician who is about to clean a sensor shelves it before it alarms."""
    quiet = "hd/panel-1/h2s-0002:gas"
    found = (await lead.get(f"/api/v1/alarms/{quiet}")).json()
    assert (found["occurrence"], found["version"], found["state"]) == ("0", 0, "normal")
    wish = {"occurrence": "0", "version": 0, "command": str(uuid.uuid4()), "reason": "清洗"}
    wish |= {"kind": "timed", "seconds": 600}
    await lead.post(f"/api/v1/alarms/{quiet}/shelve", json=wish)
    asked = daemon.commands[-1]
    assert (asked["action"], asked["details"]) == ("shelve", {"kind": "timed", "seconds": 600})
    assert (await lead.get("/api/v1/alarms/hd/panel-1/nothing:gas")).status_code == 404


async def test_a_second_person_signs_with_the_password_and_is_named(
    lead: Any, raised: None, daemon: Any
) -> None:
    """A borrowed name without its password must not count as the second person."""
    permit = {"permit": "JX-1", "until": str(2**62), "reason": "检修"}
    for pin, status in (("wrong", 401), ("气防值班-2026", 200)):
        second = {"second": {"person": "operator", "pin": pin}}
        answer = await lead.post(
            f"/api/v1/alarms/{ALARM}/out-of-service", json={**body(), **permit, **second}
        )
        assert (answer.status_code == 401) == (status == 401)
    told = daemon.commands[-1]
    assert told["second"] == {"id": "operator", "role": "operator", "enterprise": ""}
    assert told["details"] == {"permit": "JX-1", "until": 2**62}
    logins = [record["body"]["result"] for record in daemon.records if record["kind"] == "login"]
    assert logins[-2:] == ["wrong", "second"]


@pytest.mark.parametrize(
    ("action", "field"),
    [("shelve", {"seconds": "60"}), ("out-of-service", {"until": 5}), ("reset", {"reading": 1}),
     ("ack", {"by": "soon"}), ("out-of-service", {"second": "li"})],
)  # fmt: skip
async def test_details_that_cannot_be_read_are_400(
    lead: Any, raised: None, action: str, field: dict[str, Any]
) -> None:
    answer = await lead.post(f"/api/v1/alarms/{ALARM}/{action}", json={**body(), **field})
    assert answer.status_code == 400
