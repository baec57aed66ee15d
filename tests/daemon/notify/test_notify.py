"""Messages: what they say, who gets them, and what becomes of every try."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from parkwatch.daemon.config.resolve import Chain, Channel, Person
from parkwatch.daemon.journal.anchor import Anchors
from parkwatch.daemon.journal.journal import Journal, newest
from parkwatch.daemon.notify.chain import ChainPolicy
from parkwatch.daemon.notify.sender import Sender
from parkwatch.daemon.notify.text import UNITS_MAX, compose, units
from parkwatch.daemon.outbox import messages as outbox
from parkwatch.daemon.outbox.messages import Delivery, Message
from parkwatch.daemon.pipeline.commit import Committer, Group
from parkwatch.daemon.store.database import open_reader, open_writer
from parkwatch.rules.grade import Grade
from parkwatch.rules.site import SECOND_NS, Point, Site, Zone
from parkwatch.rules.transition import AlarmView, Transition

NOW = 1_795_488_000 * SECOND_NS
POINT = Point("hd/p/h2s-0103", 0, "H2S-0103", "hd", "hd/p", "hd/tank-a", "ppm", "H2S")
SITE = Site(
    [POINT], {"hd/tank-a": Zone("hd/tank-a", "hd", "罐区A")}, {}, [], {"hd": "华东化工"}, "示例园区"
)


def transition(
    event: str = "raise",
    grade: Grade = Grade.ORANGE,
    alarm: str = "hd/p/h2s-0103:gas",
    **cause: Any,
) -> Transition:
    cause = {"value": 14.3, "unit": "ppm", "tag": "H2S-0103", **cause}
    return Transition(alarm, 7, 1, event, "normal", "unack_active", grade, grade, NOW, cause=cause)


@pytest.mark.parametrize(
    ("what", "text"),
    [
        (
            transition(),
            "【示例园区】橙警 华东化工罐区A H2S-0103 硫化氢14.3ppm 10:40 限3分",
        ),
        (
            transition(
                grade=Grade.RED, alarm="hd/tank-a:vote-h2s", gas="H2S", single=False,
                voters=[{"value": 24.6}, {"value": 15.0}],
            ),
            "【示例园区】红警 华东化工罐区A 硫化氢24.6ppm 2只同报 10:40 立即撤离",
        ),
        (
            transition(grade=Grade.BLUE, alarm="hd/p/h2s-0103:fault", reason="stale"),
            "【示例园区】蓝警 华东化工罐区A H2S-0103 数据中断 10:40 请检查",
        ),
        (
            transition(alarm="hd/p:link", points=16),
            "【示例园区】橙警 华东化工 hd/p 失联 16点状态未知 10:40 限3分",
        ),
        (
            transition("return", value=3.1),
            "【示例园区】恢复 华东化工罐区A H2S-0103 硫化氢3.1ppm 10:40 须现场核实后复位",
        ),
    ],
)  # fmt: skip
def test_what_a_message_says(what: Transition, text: str) -> None:
    assert compose(SITE, what, "Asia/Shanghai") == text
    assert units(text) <= UNITS_MAX


def test_a_lost_value_is_never_a_number() -> None:
    assert "--ppm" in compose(SITE, transition(value=None), "Asia/Shanghai")


def person(name: str, enterprise: str = "", duties: tuple[str, ...] = ()) -> Person:
    return Person(name, name, "operator", "", enterprise, duties, ("work",))


def policy() -> ChainPolicy:
    people = {
        "zhang": person("zhang"),
        "li": person("li", "hd", ("safety-head",)),
        "other": person("other", "binhai", ("safety-head",)),
    }
    first = {"red": ("zhang", "duty:safety-head"), "orange": ("zhang",), "blue": ("role:operator",)}
    chains = {"default": Chain(first, {"red": 60 * SECOND_NS, "orange": 600 * SECOND_NS})}
    return ChainPolicy(SITE, people, {"work": Channel("work", "apprise", "")}, chains, "UTC")


def test_the_first_tier_of_the_park_and_the_owner_only() -> None:
    plan = policy().react([transition(grade=Grade.RED)], NOW)
    assert [m.person for m in plan.messages] == ["zhang", "li"]
    assert plan.messages[0].key == "hd/p/h2s-0103:gas|7|1|raise|0|0|work|zhang"
    assert [t.due for t in plan.timers] == [NOW + 60 * SECOND_NS]


def view(core: str) -> AlarmView:
    return AlarmView(
        "hd/p/h2s-0103:gas", 7, 1, core, core, Grade.RED, Grade.RED, "", NOW, NOW, 2, {}
    )


def test_it_is_repeated_until_somebody_takes_it() -> None:
    made = policy()
    (timer,) = made.react([transition(grade=Grade.RED)], NOW).timers
    again = made.fire(timer, timer.due, view("unack_active"))
    assert [m.repeat for m in again.messages] == [1, 1]
    assert "第2次" in again.messages[0].text
    assert again.timers[0].due == timer.due + 60 * SECOND_NS
    assert made.fire(timer, timer.due, view("ack_active")).messages == ()
    assert made.fire(timer, timer.due, None).messages == ()
    taken = made.react([transition("ack", Grade.RED)], NOW)
    assert list(taken.cancel) == [timer.key]
    assert list(taken.messages) == []


# The sender, against a real server ------------------------------------------------------------


class Service:
    """What a provider is: it remembers what came and answers as told."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.answers: list[int] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                size = int(self.headers["Content-Length"])
                service.bodies.append(json.loads(self.rfile.read(size)))
                self.send_response(service.answers.pop(0) if service.answers else 200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    yield made
    made.server.shutdown()
    made.thread.join()
    made.server.server_close()


def message(key: str, grade: str = "red") -> Message:
    return Message(key, "a/b/c:gas", 7, 1, "raise", 0, 0, "work", "zhang", "zhang", "◆ 红警",
                   "【示例园区】红警", grade, drill=False, created=NOW, due=NOW)  # fmt: skip


async def send(tmp_path: Path, service: Service, rows: list[Message], ends: str, *,
               before: list[Delivery] | None = None) -> tuple[list[Any], list[bool]]:  # fmt: skip
    """Send rows until their newest delivery record is `ends`; the records, and what was told."""
    db = open_writer(tmp_path / "journal.db")
    anchors = Anchors([], lambda _: None)
    anchors.start()
    committer = Committer(db, Journal(db), anchors, lambda _: None)
    committer.start()
    await committer.submit(Group(messages=rows, deliveries=before or []), NOW)
    reader = open_reader(tmp_path / "journal.db")
    url = f"json://127.0.0.1:{service.server.server_port}/"
    clock = iter(range(NOW, NOW + 10**15, 40 * SECOND_NS))
    done, told = asyncio.Event(), []
    keys = {row.key for row in rows}
    left = set(keys)

    def watch(records: Any) -> None:
        for record in records:
            if record.kind == "delivery" and record.body["state"] == ends:
                left.discard(record.body["key"])
        if not left:
            done.set()

    committer.subscribe(watch)
    sender = Sender(
        reader,
        committer,
        {"work": Channel("work", "apprise", url, 600)},
        lambda: next(clock),
        lambda _channel, *, failed, text: told.append(failed),
    )
    task = asyncio.create_task(sender.run())
    async with asyncio.timeout(20):
        await done.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    found = [r.body for r in newest(db, 100, ["delivery"])]
    await committer.close()
    reader.close()
    db.close()
    return found, told


async def test_sending_is_written_before_and_sent_after(tmp_path: Path, service: Service) -> None:
    found, told = await send(tmp_path, service, [message("k")], "sent")
    assert [body["state"] for body in found] == ["sending", "sent"]
    assert service.bodies[0]["message"] == "【示例园区】红警"
    assert told == [False]


async def test_a_refusal_is_tried_again_and_then_failed(tmp_path: Path, service: Service) -> None:
    service.answers = [500] * 100
    found, told = await send(tmp_path, service, [message("k")], "failed")
    assert len(service.bodies) > 3
    assert found[1]["state"] == "pending"
    assert all(told)


async def test_only_what_was_being_sent_is_repeated_and_marked(
    tmp_path: Path, service: Service
) -> None:
    sending = Delivery("k1", 1, "sending", "", "apprise", NOW)
    await send(tmp_path, service, [message("k1"), message("k2")], "sent", before=[sending])
    texts = sorted(body["message"] for body in service.bodies)
    assert texts == ["(重复 repeat)【示例园区】红警", "【示例园区】红警"]
    assert outbox.STATES[0] == "pending"
