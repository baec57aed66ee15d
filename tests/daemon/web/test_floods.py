"""A flood on the wire and on the page, and the KPIs of whoever asks: each sees only its own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from flooding import flood
from kpi_month import S

from parkwatch.daemon.web import floods

OCCURRENCE = 1_732_345_678_901_234_001
SPAN = f"from={OCCURRENCE - S}&to={OCCURRENCE + S}"


@pytest.fixture
async def following(web: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    monkeypatch.setattr(floods, "LOOK_S", 0.02)
    task = asyncio.create_task(floods.follow(web.mirror, web.data))
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_list_says_of_a_flood_and_how_it_folds(
    web: Any, daemon: Any, following: None, wait_until_async: Callable[..., Any]
) -> None:
    quiet = (await (await web.as_("shift-lead")).get("/api/v1/alarms")).json()
    assert quiet["flood"] == {"on": False, "since": None, "count": 0}
    flood(web.data, daemon, 12)
    daemon.raise_alarm("hd/panel-1/h2s-0001:gas", "orange", level=2)
    await wait_until_async(
        lambda: web.mirror.floods and web.mirror.floods[""].on and len(web.mirror.alarms) == 13,
        "the flood is told",
    )
    told = (await (await web.as_("shift-lead")).get("/api/v1/alarms")).json()
    assert (told["flood"]["on"], told["flood"]["count"]) == (True, 12)
    assert int(told["flood"]["since"]) > OCCURRENCE
    (row,) = told["rows"]
    assert (row["zone"], row["cause"], row["grades"]) == (
        "hd/tank-a", "state", {"yellow": 6, "blue": 6},
    )  # fmt: skip
    single = [item for item in told["items"] if not item["fold"]]
    assert row["n"] + len(single) == len(told["items"]) == 13
    assert [item["grade"] for item in single] == ["orange"]
    own = (await (await web.as_("hd-operator")).get("/api/v1/alarms")).json()
    assert own["flood"]["on"]
    foreign = (await (await web.as_("xy-operator")).get("/api/v1/alarms")).json()
    assert foreign["flood"] == {"on": False, "since": None, "count": 0}
    assert foreign["rows"] == []


async def test_kpis_are_of_the_park_or_of_ones_own_enterprise(web: Any) -> None:
    async def count(person: str, more: str = "") -> Any:
        answer = await (await web.as_(person)).get(f"/api/v1/kpi?{SPAN}{more}")
        return answer.json()["activations"] if answer.status_code == 200 else answer.status_code

    assert await count("shift-lead") == 2
    assert await count("shift-lead", "&enterprise=xy") == 1
    assert await count("shift-lead", "&zone=hd/tank-a") == 1
    assert await count("hd-safety") == 1
    assert await count("hd-safety", "&enterprise=hd") == 1
    # What is another's is not there, and nothing asked widens what is one's own.
    assert await count("hd-safety", "&enterprise=xy") == 404
    assert await count("hd-safety", "&zone=xy/tank-a") == 404
    assert await count("viewer") == 403
    assert await count("shift-lead", "&enterprise=nobody") == 404


async def test_kpis_name_a_period_that_is_none(web: Any) -> None:
    lead = await web.as_("shift-lead")
    for query in ("from=x", "to=99999999999999999999", f"from={OCCURRENCE}&to={OCCURRENCE}"):
        assert (await lead.get(f"/api/v1/kpi?{query}")).status_code == 400, query
    report = (await lead.get(f"/api/v1/kpi?{SPAN}")).json()
    # The journal begins with the first record: nothing before it counts as quiet.
    assert report["from"] == str(OCCURRENCE)
    (web.data / "journal.db").write_bytes(b"no database" * 1000)
    assert (await lead.get(f"/api/v1/kpi?{SPAN}")).status_code == 503
