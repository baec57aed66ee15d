"""Disposition by API: what is open is seen by those whose it is, and written by a person."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from parkwatch.daemon.web.mirror import Mirror

ALARM = "hd/panel-1/h2s-0001:gas"
FOREIGN = "xy/panel-1/co-0007:gas"
DISPOSED: dict[str, Any] = {
    "state": "open", "due": str(2**62 + 1), "person": "", "second": "", "cause": "", "measure": "",
    "evidence": "", "sha256": "", "overdue": False, "revision": 1,
}  # fmt: skip
TEXTS = {"cause": "阀门内漏", "measure": "更换垫片", "evidence": "照片 12"}


@pytest.fixture
async def opened(daemon: Any, web: Any, wait_until_async: Callable[..., Any]) -> Mirror:
    for alarm in (ALARM, FOREIGN):
        item = daemon.raise_alarm(alarm, "red")
        daemon.change({**item, "version": 2, "disposition": DISPOSED})
    mirror: Mirror = web.mirror
    await wait_until_async(
        lambda: all("disposition" in mirror.alarms.get(a, {}) for a in (ALARM, FOREIGN)), "seen"
    )
    return mirror


async def test_what_is_open_is_listed_to_its_own_enterprise(web: Any, opened: Mirror) -> None:
    everything = await (await web.as_("shift-lead")).get("/api/v1/alarms?disposition=open")
    assert {item["id"] for item in everything.json()["items"]} == {ALARM, FOREIGN}
    own = await (await web.as_("hd-enterprise")).get("/api/v1/alarms?disposition=open&grade=red")
    (item,) = own.json()["items"]
    assert (item["id"], item["disposition"]["due"]) == (ALARM, DISPOSED["due"])


async def test_a_disposition_is_read_strictly_and_carried_whole(
    web: Any, daemon: Any, opened: Mirror
) -> None:
    lead = await web.as_("shift-lead")
    item = opened.alarms[ALARM]
    body = {"occurrence": item["occurrence"], "version": 2, "command": str(uuid.uuid4()), **TEXTS}
    for wrong in ({"revision": "1"}, {"verify": "yes"}, {"cause": 7}, {"measure": "x" * 201}):
        answer = await lead.post(f"/api/v1/alarms/{ALARM}/dispose", json={**body, **wrong})
        assert answer.status_code == 400, wrong
    answer = await lead.post(f"/api/v1/alarms/{ALARM}/dispose", json={**body, "revision": 1})
    assert answer.status_code == 200
    assert daemon.commands[-1]["details"] == {**TEXTS, "revision": 1}
    viewer = await web.as_("viewer")
    assert (await viewer.post(f"/api/v1/alarms/{ALARM}/dispose", json=body)).status_code == 403


async def test_what_became_of_an_alarm_is_shown_without_a_transition(
    daemon: Any, web: Any, opened: Mirror, wait_until_async: Callable[..., Any]
) -> None:
    occurrence = int(opened.alarms[ALARM]["occurrence"])
    body = {**DISPOSED, **TEXTS, "state": "handled", "person": "lead", "revision": 2, "due": 7}
    for other in ({**body, "occurrence": 5, "alarm": ALARM},
                  {"event": "reminded", "alarm": ALARM, "occurrence": occurrence}):  # fmt: skip
        daemon.emit({"type": "record", "seq": 9, "kind": "disposition", "body": other})
    said = {**body, "alarm": ALARM, "occurrence": occurrence}
    daemon.emit({"type": "record", "seq": 10, "kind": "disposition", "body": said})
    await wait_until_async(lambda: opened.journal_sequence == 10, "the record came")
    found = opened.alarms[ALARM]["disposition"]
    assert found == {**DISPOSED, **TEXTS, "state": "handled", "person": "lead", "revision": 2,
                     "due": "7"}  # fmt: skip
