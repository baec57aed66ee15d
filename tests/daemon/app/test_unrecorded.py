"""While the journal cannot be written: shown, told from memory, and not told again and again."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from notifying import (
    CHANNELS,
    GAS,
    MINUTE_NS,
    RAISED,
    Provider,
    happened,
    make_directory,
    make_site,
)

from parkwatch.daemon.app import beside
from parkwatch.daemon.app.unrecorded import ALARM, Unrecorded
from parkwatch.daemon.config.resolve import Channel
from parkwatch.daemon.notify.chain import ChainPolicy
from parkwatch.daemon.pipeline.turn import Work
from parkwatch.daemon.pipeline.writer import Group
from parkwatch.daemon.store.database import JournalFault
from parkwatch.rules.grade import Grade
from parkwatch.rules.transition import Transition

FAULT = JournalFault("JNL-010", "磁盘错误 disk I/O error", "检查磁盘 check the disk")
MARK = "未记录 not recorded"


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    yield made
    made.close()


class World:
    """A park whose journal fails, on a clock of its own."""

    def __init__(self, data: Path, provider: Provider, per_minute: int = 600) -> None:
        self.now = RAISED
        directory = make_directory(provider.url)
        channels = {
            c: Channel(c, "webhook", provider.url(c, "http"), per_minute=per_minute)
            for c in CHANNELS
        }
        self.policy = ChainPolicy(
            make_site(), replace(directory, channels=channels), "Asia/Shanghai"
        )
        self.frames: list[Mapping[str, Any]] = []
        self.unrecorded = Unrecorded(
            data, self.policy, lambda: self.now, lambda alarm: {"id": alarm}, self._show
        )

    def _show(self, frames: Sequence[Mapping[str, Any]]) -> None:
        self.frames += frames

    def lose(self, *transitions: Transition) -> None:
        """A turn that could not be committed."""
        messages = tuple(self.policy.react(transitions, self.now).messages)
        self.unrecorded.lost(Work(transitions=list(transitions)), Group(messages=messages))

    async def told(self) -> None:
        await self.unrecorded.over(0.0)


@pytest.fixture
async def world(tmp_path: Path, provider: Provider) -> AsyncIterator[World]:
    (tmp_path / "run").mkdir()
    made = World(tmp_path, provider)
    made.unrecorded.begin(FAULT, [])
    yield made
    await made.unrecorded.close()


def to(provider: Provider) -> list[tuple[str, str]]:
    return sorted((path.strip("/"), body["to"]) for path, body in provider.bodies)


async def test_a_red_alarm_goes_out_on_every_channel_with_its_key_and_the_mark(
    world: World, provider: Provider
) -> None:
    world.lose(happened(grade=Grade.RED))
    await world.told()
    found = [(path.strip("/"), body["key"]) for path, body in provider.bodies]
    assert len(found) == len(set(found)) >= 3
    assert {channel for channel, _ in found} == set(CHANNELS)
    for channel, key in found:
        assert key.startswith(f"{GAS}|{RAISED}|1|raise|0|0|{channel}|")
    assert all(body["text"].endswith(MARK) for _, body in provider.bodies)


async def test_an_orange_alarm_is_tried_over_each_channel_of_its_people(
    world: World, provider: Provider
) -> None:
    provider.answer = lambda path: 500
    world.lose(happened(grade=Grade.ORANGE))
    await world.told()
    assert to(provider) == [("sms", "13800000001"), ("sms", "liqiang"), ("work", "13800000001")]
    await world.unrecorded.close()
    lines = [line for line in beside.read(world.unrecorded._data) if line["what"] == "announced"]
    assert {line["state"] for line in lines} == {"failed"}


async def test_yellow_and_drills_wait_for_the_journal(world: World, provider: Provider) -> None:
    world.lose(happened(grade=Grade.YELLOW), happened(grade=Grade.RED, origin="drill:7"))
    await world.told()
    assert provider.bodies == []
    assert len(world.frames) == 2


async def test_consoles_are_shown_it_without_a_sequence(world: World) -> None:
    world.lose(happened(grade=Grade.YELLOW))
    assert world.frames == [
        {"type": "unrecorded", "event": "raise", "item": {"id": GAS, "unrecorded": True}}
    ]
    assert world.unrecorded.alarms == {GAS}
    await asyncio.sleep(0)


async def test_nobody_is_told_the_same_again_within_minutes_nor_after_a_restart(
    world: World, provider: Provider, tmp_path: Path
) -> None:
    orange = happened(grade=Grade.ORANGE)
    world.lose(orange)
    await world.told()
    first = len(provider.bodies)
    world.now += MINUTE_NS
    world.lose(replace(orange, occurrence=RAISED + 1))
    await world.told()
    assert len(provider.bodies) == first
    world.lose(replace(orange, event="rise", grade=Grade.RED, version=2))  # worse is news
    await world.told()
    worse = len(provider.bodies)
    assert worse > first
    await world.unrecorded.close()
    again = World(tmp_path, provider)
    again.now = world.now + MINUTE_NS
    again.unrecorded.remember(beside.read(tmp_path))
    again.unrecorded.begin(FAULT, [])
    again.lose(replace(orange, occurrence=RAISED + 2))
    await again.told()
    assert len(provider.bodies) == worse
    again.now += 10 * MINUTE_NS
    again.lose(replace(orange, occurrence=RAISED + 3))
    await again.told()
    assert len(provider.bodies) > worse
    await again.unrecorded.close()


async def test_what_was_committed_and_not_sent_goes_out_without_the_mark(
    tmp_path: Path, provider: Provider
) -> None:
    (tmp_path / "run").mkdir()
    world = World(tmp_path, provider)
    waiting = world.policy.react([happened(grade=Grade.RED)], RAISED).messages
    world.unrecorded.begin(FAULT, list(waiting))
    await world.told()
    assert {body["key"] for _, body in provider.bodies} == {m.key for m in waiting}
    assert not any(MARK in body["text"] for _, body in provider.bodies)
    await world.unrecorded.close()
    lines = beside.read(tmp_path)
    assert lines[0]["why"].startswith("JNL-010")
    assert {line["key"] for line in lines[1:]} == {m.key for m in waiting}


async def test_a_storm_takes_no_more_than_a_minute_of_a_channel(
    tmp_path: Path, provider: Provider
) -> None:
    (tmp_path / "run").mkdir()
    world = World(tmp_path, provider, per_minute=3)
    world.unrecorded.begin(FAULT, [])
    for n in range(30):
        world.lose(happened(grade=Grade.ORANGE, alarm=f"huadong/zone-{n}:x"))
    await world.told()
    sent = [path for path, _ in provider.bodies]
    assert max(sent.count(path) for path in sent) <= 3
    assert len(world.unrecorded.alarms) == 30
    await world.unrecorded.close()


async def test_its_own_alarm_is_told_to_the_default_chain(world: World, provider: Provider) -> None:
    world.lose(happened(grade=Grade.ORANGE, alarm=ALARM, cause={"text": FAULT.what}))
    await world.told()
    (body,) = [body for _, body in provider.bodies]
    assert "日志未记录" in body["text"]
