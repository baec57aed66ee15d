"""The phone: takes what apprise and webhooks send, keeps the last 200, shows them in Chinese."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import apprise
import httpx
import pytest

from parkwatch.simulator.phone import BODY_BYTES_MAX, MESSAGES_MAX, Phone, PhoneServer, grade_of

SECONDS = 10.0
APPRISE = {"version": "1.0", "title": "◆ 红警", "message": "罐区A 甲烷", "type": "info"}


@pytest.fixture
def phone() -> Phone:
    clock: Iterator[int] = iter(range(1_795_000_000_000_000_001, 1_795_000_000_000_009_000))
    return Phone(lambda: next(clock))


@pytest.fixture
async def web(phone: Phone) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(phone.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://phone") as client:
        yield client


async def test_an_apprise_message_is_shown(web: httpx.AsyncClient) -> None:
    assert (await web.post("/zhangwei", json=APPRISE)).status_code == 200
    assert (await web.get("/messages")).json() == {
        "received": 1,
        "items": [
            {
                "n": 1,
                "time": "1795000000000000001",
                "to": "zhangwei",
                "title": "◆ 红警",
                "text": "罐区A 甲烷",
                "grade": "red",
            }
        ],
    }


async def test_a_webhook_message_is_shown(web: httpx.AsyncClient) -> None:
    sent = {"key": "k", "to": "13800000001", "text": "升级", "grade": "orange", "repeat": 0}
    await web.post("/", json=sent)
    (item,) = (await web.get("/messages")).json()["items"]
    assert (item["to"], item["text"], item["grade"]) == ("13800000001", "升级", "orange")


async def test_only_the_last_200_are_kept_and_all_are_counted(web: httpx.AsyncClient) -> None:
    for n in range(MESSAGES_MAX + 3):
        await web.post("/", json={"text": str(n)})
    body = (await web.get("/messages")).json()
    assert body["received"] == MESSAGES_MAX + 3
    assert [i["text"] for i in body["items"]] == [str(n) for n in range(3, MESSAGES_MAX + 3)]
    newer = (await web.get("/messages?after=202")).json()["items"]
    assert [i["n"] for i in newer] == [203]


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"no json", 400), (b"[1]", 400), (b"\xff\xfe", 400), (b'"' + b"x" * BODY_BYTES_MAX, 413)],
)
async def test_what_is_no_message_is_refused(
    web: httpx.AsyncClient, phone: Phone, body: bytes, status: int
) -> None:
    assert (await web.post("/", content=body)).status_code == status
    assert phone.received == 0


@pytest.mark.parametrize("after", ["-1", "x", "²", "9" * 30])
async def test_a_wrong_after_is_refused(web: httpx.AsyncClient, after: str) -> None:
    assert (await web.get("/messages", params={"after": after})).status_code == 422


async def test_the_page_is_chinese_and_asks_nothing_outside(web: httpx.AsyncClient) -> None:
    page = await web.get("/")
    assert 'lang="zh-CN"' in page.text
    assert "值班手机" in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "innerHTML" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("text", "grade"),
    [
        ("【示例园区】红警 华东化工", "red"),
        ("升级 橙警3分钟无人接", "orange"),
        ("[DemoPark] YELLOW TankFarmA", "yellow"),
        ("蓝警 已合并 红警", "blue"),
        ("每日通道测试", ""),
    ],
)
def test_the_grade_is_the_one_named_first(text: str, grade: str) -> None:
    assert grade_of(text) == grade


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # apprise's own
async def test_apprise_itself_reaches_the_served_phone(phone: Phone) -> None:
    server = PhoneServer(phone, 0)
    serving = asyncio.create_task(server.run())
    sender = apprise.Apprise()
    sender.add(f"json://127.0.0.1:{server.port}/wangfang")
    async with asyncio.timeout(SECONDS):
        assert await asyncio.to_thread(sender.notify, body="正文", title="标题")
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"http://127.0.0.1:{server.port}/messages")
        server.stop()
        await serving
    (item,) = json.loads(answer.content)["items"]
    assert (item["to"], item["title"], item["text"]) == ("wangfang", "标题", "正文")
