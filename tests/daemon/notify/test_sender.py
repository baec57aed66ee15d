"""The outbox on its way: written before the call, told after it, repeated only where it must be."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from journaling import committer
from notifying import Provider, happened, make_directory, make_site

from parkwatch.daemon.journal.journal import newest
from parkwatch.daemon.notify.chain import ChainPolicy
from parkwatch.daemon.notify.sender import Sender
from parkwatch.daemon.outbox.messages import Delivery, Message
from parkwatch.daemon.pipeline.commit import Committer
from parkwatch.daemon.pipeline.writer import Group
from parkwatch.daemon.store.database import open_reader
from parkwatch.rules.grade import Grade
from parkwatch.rules.site import SECOND_NS

NOW = 1_764_050_590 * SECOND_NS
WaitAsync = Callable[..., Any]


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    yield made
    made.close()


class Desk:
    """A sender on a journal, and what it told of its channels."""

    def __init__(self, made: Committer, db: sqlite3.Connection, policy: ChainPolicy) -> None:
        self.committer = made
        self.db = db
        self.policy = policy
        self.now = NOW
        self.told: list[tuple[str, bool]] = []

    def deliveries(self) -> list[dict[str, Any]]:
        return [dict(r.body) for r in newest(self.db, 500, ["delivery"])]

    def states(self, message: Message) -> list[str]:
        return [d["state"] for d in self.deliveries() if d["key"] == message.key]

    def hear(self, channel: str, *, failed: bool, text: str) -> None:
        assert text
        self.told.append((channel, failed))


@asynccontextmanager
async def sending(
    folder: Path,
    provider: Provider,
    rows: Sequence[Message],
    before: Sequence[Delivery] = (),
) -> AsyncIterator[Desk]:
    policy = ChainPolicy(make_site(), make_directory(provider.url), "Asia/Shanghai")
    async with committer(folder) as (made, db, trouble):
        await made.submit(Group(messages=list(rows), deliveries=list(before)), NOW)
        reader = open_reader(folder / "journal.db")
        desk = Desk(made, db, policy)
        sender = Sender(
            reader, made, policy, lambda: desk.now, desk.hear, ended=lambda alarm, occurrence: False
        )
        task = asyncio.create_task(sender.run())
        try:
            yield desk
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            reader.close()
        assert trouble == []


def messages(grade: Grade = Grade.ORANGE, **more: Any) -> list[Message]:
    policy = ChainPolicy(make_site(), make_directory(), "Asia/Shanghai")
    return list(policy.react([happened(grade=grade, **more)], NOW).messages)


async def test_sending_is_on_disk_before_the_call_and_the_result_after_it(
    tmp_path: Path, provider: Provider, wait_until_async: WaitAsync
) -> None:
    (work, sms) = messages()
    seen: list[list[str]] = []
    async with sending(tmp_path, provider, [work, sms]) as desk:
        provider.answer = lambda path: (seen.append([]), 200)[1]
        await wait_until_async(
            lambda: desk.states(work) == desk.states(sms) == ["sending", "sent"], "both are sent"
        )
        assert provider.texts("work") == [work.text]
        assert provider.texts("sms") == [sms.text]
        assert len(seen) == 2
        assert set(desk.told) == {("work", False), ("sms", False)}


async def test_a_refusal_is_tried_again_and_the_next_channel_too(
    tmp_path: Path, provider: Provider, wait_until_async: WaitAsync
) -> None:
    (work, _) = messages()
    provider.answer = lambda path: 500 if "work" in path else 200
    async with sending(tmp_path, provider, [work]) as desk:
        await wait_until_async(
            lambda: provider.texts("sms") == [work.text], "over the next channel"
        )
        assert desk.states(work)[:2] == ["sending", "pending"]
        assert desk.told.count(("work", True)) == 0  # one refusal is not yet a failed channel
        desk.now += 6 * SECOND_NS
        await wait_until_async(lambda: ("work", True) in desk.told, "the channel's alarm")
        provider.answer = lambda path: 200
        desk.now += 20 * SECOND_NS
        await wait_until_async(lambda: desk.states(work)[-1] == "sent", "sent in the end")
        assert len(provider.texts("sms")) == 1
        assert desk.told[-1] == ("work", False)


async def test_what_is_too_old_to_help_expires(
    tmp_path: Path, provider: Provider, wait_until_async: WaitAsync
) -> None:
    (work, _) = messages()
    old = replace(work, created=NOW - 2 * 3600 * SECOND_NS)
    async with sending(tmp_path, provider, [old]) as desk:
        await wait_until_async(lambda: desk.states(work) == ["expired"], "expired")
    assert provider.bodies == []


async def test_only_what_was_being_sent_is_repeated_and_marked(
    tmp_path: Path, provider: Provider, wait_until_async: WaitAsync
) -> None:
    (work, sms) = messages()
    torn = Delivery(work.key, 1, "sending", "", "apprise", NOW)
    async with sending(tmp_path, provider, [work, sms], [torn]) as desk:
        await wait_until_async(
            lambda: [desk.states(m)[-1:] for m in (work, sms)] == [["sent"], ["sent"]], "sent"
        )
    assert provider.texts("work") == [f"(重复 repeat){work.text}"]
    assert provider.texts("sms") == [sms.text]


async def test_red_goes_before_a_flood_of_blue(
    tmp_path: Path, provider: Provider, wait_until_async: WaitAsync
) -> None:
    (blue, _) = messages()
    flood = [replace(blue, key=f"{blue.key}-{n}", grade="blue", created=NOW - 1) for n in range(40)]
    red = replace(blue, key=f"{blue.key}-red", grade="red", text="红")
    async with sending(tmp_path, provider, [*flood, red]) as desk:
        await wait_until_async(lambda: len(provider.bodies) == 41, "all are sent")
        await wait_until_async(lambda: desk.states(red)[-1:] == ["sent"], "red too")
    # Three fly at once: nothing of the flood but what was already in the air is before it.
    assert "红" in provider.texts("work")[:3]


async def test_a_hanging_provider_holds_up_nobody_else(
    tmp_path: Path, provider: Provider, wait_until_async: WaitAsync
) -> None:
    release = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hang(path: str) -> int:
        if "work" in path:
            asyncio.run_coroutine_threadsafe(release.wait(), loop).result(10)
        return 200

    provider.answer = hang
    (work, sms) = messages()
    async with sending(tmp_path, provider, [work, sms]) as desk:
        await wait_until_async(lambda: desk.states(sms)[-1:] == ["sent"], "the other channel")
        assert desk.states(work) == ["sending"]
        release.set()
        await wait_until_async(lambda: desk.states(work)[-1:] == ["sent"], "then this one")


async def test_a_redirect_is_no_success(
    tmp_path: Path, provider: Provider, wait_until_async: WaitAsync
) -> None:
    (work, _) = messages()
    provider.answer = lambda path: 302
    async with sending(tmp_path, provider, [work]) as desk:
        await wait_until_async(lambda: "pending" in desk.states(work), "refused")
    assert not [path for path, _ in provider.bodies if "elsewhere" in path]
