"""MQTT in: acknowledged to the broker only when its readings are in spool and journal.

What waits is taken together and merged into few batches; a full pipeline fills the inbox, a full
inbox stops paho's thread, and the broker keeps the rest: nothing is dropped, and nothing is
acknowledged early.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import paho.mqtt.client as paho

from parkwatch.drivers.brokerlink import BrokerLink
from parkwatch.drivers.config import Broker
from parkwatch.drivers.gateway import GatewayDesk, Message, Part, Say
from parkwatch.drivers.inbox import Closed
from parkwatch.drivers.payload import READINGS_MAX
from parkwatch.drivers.source import DriverEvent, Now, Sink
from parkwatch.rules.batch import Batch, nothing_to_tell

TAKE_MAX = 256
TICK_S = 1.0
PAUSE_S_MIN, PAUSE_S_MAX = 1.0, 30.0
QUIET_NS = 10_000_000_000
CLOCK_QUIET_NS = 600_000_000_000
QUIET_KINDS = {
    "refused": QUIET_NS,
    "foreign": QUIET_NS,
    "replay": QUIET_NS,
    "mac": QUIET_NS,
    "gap": QUIET_NS,
    "clock": CLOCK_QUIET_NS,
}
"""What a stranger can cause as often as he likes is told at once, then at most so often."""
OVER_NS, ENDS_EVERY_NS = 300_000_000_000, 1_000_000_000
OVER_KINDS = frozenset({"refused", "foreign", "replay", "mac", "clock"})


class MqttSource:
    """One broker and its gateways."""

    def __init__(self, broker: Broker, sink: Sink, now: Now) -> None:
        self.name = broker.id
        self._broker = broker
        self._sink = sink
        self._now = now
        self._desks = {
            (g.enterprise, g.gateway): GatewayDesk(g, self._teller(g.id)) for g in broker.gateways
        }
        self._quiet: dict[tuple[str, str], tuple[int, int]] = {}
        self._seen: dict[tuple[str, str], int] = {}
        self._next_ends = 0
        self._link: BrokerLink | None = None
        self._up: bool | None = None
        self.unrouted = self.connections = 0

    # For the health page and /metrics -----------------------------------------------------------

    @property
    def refused(self) -> int:
        """Payloads refused so far."""
        return sum(desk.refused for desk in self._desks.values())

    @property
    def foreign(self) -> int:
        """Readings of undeclared points dropped so far."""
        return sum(desk.foreign for desk in self._desks.values())

    @property
    def duplicates(self) -> int:
        """Batches dropped because their sequence had been seen."""
        return sum(desk.tracker.duplicates for desk in self._desks.values())

    @property
    def waiting(self) -> int:
        """Messages between paho's thread and the loop."""
        return len(self._link.inbox) if self._link is not None else 0

    # What outlives a restart --------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Boots and sequences that are settled, by gateway, as plain JSON."""
        return {desk.gateway.id: desk.tracker.snapshot() for desk in self._desks.values()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """The reverse of `snapshot`; gateways that are gone are forgotten."""
        for desk in self._desks.values():
            if desk.gateway.id in state:
                desk.tracker.restore(state[desk.gateway.id])

    # The loop -----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled; a broker that goes away is reported and asked again."""
        for desk in self._desks.values():
            desk.restart()
        for owner in (desk.gateway.id for desk in self._desks.values()):
            # What an earlier life told of may be over too.
            self._seen |= dict.fromkeys(((owner, kind) for kind in OVER_KINDS), self._now())
        topics = [f"park/{owner}/{name}/#" for owner, name in self._desks]
        failures = 0
        while True:
            link = self._link = BrokerLink(self._broker, topics)
            try:
                why = await link.open()
                if not why:
                    failures = 0
                    self._connected(link)
                    await self._consume(link)
                    why = "连接中断 connection lost"
            finally:
                await link.close()
            failures += 1
            await self._gone(why)
            await asyncio.sleep(pause_s(self._broker.id, failures))

    def _connected(self, link: BrokerLink) -> None:
        self.connections += 1
        for desk in self._desks.values():
            desk.connected(self._now(), session_present=link.session_present)
        if self._up is not True:
            self._up = True
            self._say(self._broker.id, "broker_up", "已连接 connected")

    async def _gone(self, why: str) -> None:
        if self._up is False:
            return
        self._up = False
        self._say(self._broker.id, "broker_down", why)
        await self._deliver(p for d in self._desks.values() for p in d.lost(why, self._now()))

    async def _consume(self, link: BrokerLink) -> None:
        """Take, understand, hand on, until the connection is lost."""
        while True:
            try:
                messages = await link.inbox.take(TAKE_MAX, TICK_S)
            except Closed:
                return
            parts = [part for message in messages for part in self._take(link, message)]
            now = self._now()
            for desk in self._desks.values():
                desk.expire(now)
            await self._deliver(parts)
            self._tell_of_ends(now)

    def _take(self, link: BrokerLink, arrived: paho.MQTTMessage) -> list[Part]:
        received = self._now()
        ack = link.receipt(arrived)
        try:
            parts = arrived.topic.split("/", 3)
        except UnicodeDecodeError:
            parts = []
        desk = self._desks.get((parts[1], parts[2])) if len(parts) == 4 else None
        if desk is None:
            self.unrouted += 1
            ack()
            return []
        body = bytes(arrived.payload)
        if arrived.retain and not body:
            ack()  # Somebody cleared a retained message: nothing is told by that.
            return []
        return desk.take(
            Message(arrived.topic, parts[3], body, bool(arrived.retain), received, ack)
        )

    async def _deliver(self, parts: Iterable[Part]) -> None:
        for alike in alike_parts(parts):
            await self._sink.batch(merged(alike))

    # Telling ------------------------------------------------------------------------------------

    def _teller(self, source: str) -> Say:
        def say(kind: str, text: str) -> None:
            self._say(source, kind, text)

        return say

    def _tell_of_ends(self, now: int) -> None:
        """What has not been seen again for OVER_NS is over: nothing else says so."""
        if now < self._next_ends:
            return
        self._next_ends = now + ENDS_EVERY_NS
        for (source, kind), seen in list(self._seen.items()):
            if now - seen >= OVER_NS:
                del self._seen[source, kind]
                self._say(source, f"{kind}_over", "已不再出现 not seen again")

    def _say(self, source: str, kind: str, text: str) -> None:
        now = self._now()
        if kind in OVER_KINDS:
            self._seen[source, kind] = now
        detail: dict[str, Any] = {}
        if kind in QUIET_KINDS:
            until, unsaid = self._quiet.get((source, kind), (0, 0))
            if now < until:
                self._quiet[source, kind] = (until, unsaid + 1)
                return
            self._quiet[source, kind] = (now + QUIET_KINDS[kind], 0)
            detail = {"unsaid": unsaid} if unsaid else {}
        self._sink.event(DriverEvent(source, kind, text, now, detail))


def alike_parts(parts: Iterable[Part]) -> Iterator[list[Part]]:
    """Runs of parts of one origin, in order, of at most about 10,000 readings."""
    run: list[Part] = []
    rows = 0
    for part in parts:
        if run and (part.origin != run[0].origin or rows + len(part.point) > READINGS_MAX):
            yield run
            run, rows = [], 0
        run.append(part)
        rows += len(part.point)
    if run:
        yield run


def merged(parts: Sequence[Part]) -> Batch:
    """One batch of parts of one origin, acknowledged one by one in their order."""
    acks = [part.ack for part in parts if part.ack is not nothing_to_tell]

    def ack() -> None:
        for each in acks:
            each()

    return Batch(
        np.concatenate([part.point for part in parts]),
        np.concatenate([part.value for part in parts]),
        np.concatenate([part.quality for part in parts]),
        np.concatenate([part.time for part in parts]),
        np.repeat(
            np.array([part.received for part in parts], dtype=np.int64),
            [len(part.point) for part in parts],
        ),
        parts[0].origin,
        ack if acks else nothing_to_tell,
        "mqtt",
    )


def pause_s(broker: str, failures: int) -> float:
    """Doubling from 1 s to 30 s, spread by the broker's name."""
    spread = 1.0 + zlib.crc32(broker.encode()) % 256 / 512
    return min(PAUSE_S_MAX, max(PAUSE_S_MIN, 2.0 ** min(failures - 1, 6) * spread))
