"""One connection to a broker: what comes is understood and handed on, in order.

Each enterprise has a connection and a session of its own, so that back-pressure falls on whoever
floods: the broker keeps that one's messages and goes on with the others'.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from parkwatch.drivers.config import Broker
from parkwatch.drivers.mqtt.fastlink import FastLink
from parkwatch.drivers.mqtt.gateway import GatewayDesk, Message
from parkwatch.drivers.mqtt.inbox import Closed
from parkwatch.drivers.mqtt.link import Link
from parkwatch.drivers.mqtt.paholink import PahoLink
from parkwatch.drivers.mqtt.parts import Part, alike_parts, merged
from parkwatch.drivers.mqtt.singles import Singles
from parkwatch.drivers.mqtt.wire import Arrived
from parkwatch.drivers.source import Now, Sink

TICK_S = 1.0
PAUSE_S_MIN, PAUSE_S_MAX = 1.0, 30.0
WINDOW_ROWS = 20_000
"""So many readings of one connection are between here and the disk: whoever stands behind them in
the pipeline waits for no more than these."""
WINDOW_S = 1.0
"""Longer than this nobody waits for them: what is not safe by then may never be."""


class MqttLine:
    """The gateways of one enterprise; `tell(why)` says that the line is up (empty) or down."""

    def __init__(
        self,
        broker: Broker,
        desks: Sequence[GatewayDesk],
        sink: Sink,
        now: Now,
        tell: Callable[[str], None],
        bytes_max: int,
    ) -> None:
        self._broker = broker
        self._desks = {(desk.gateway.enterprise, desk.gateway.gateway): desk for desk in desks}
        self._sink = sink
        self._now = now
        self._tell = tell
        self._bytes_max = bytes_max
        self._link: Link | None = None
        self._up: bool | None = None
        self._rows = 0
        self._room = asyncio.Event()
        self.unrouted = self.connections = 0

    @property
    def waiting(self) -> int:
        """Messages that have come and were not taken."""
        return self._link.waiting if self._link is not None else 0

    async def run(self) -> None:
        """Until cancelled; a broker that goes away is told and asked again."""
        for desk in self._desks.values():
            desk.restart()
        failures = 0
        while True:
            why = await self._connect()
            if not why:
                failures = 0
            why = why or await self._connected()
            failures += 1
            await self._gone(why)
            await asyncio.sleep(pause_s(self._broker.client_id, failures))

    async def _connect(self) -> str:
        """A connection in the best way that the broker speaks; else why there is none."""
        why = ""
        for make in ways(self._broker, self._bytes_max):
            link = self._link = make(topics(self._broker, self._desks.values()))
            try:
                why = await link.open()
            except BaseException:
                await link.close()
                raise
            if not why:
                return ""
            await link.close()
            if not link.unspoken:
                return why
        return why

    async def _connected(self) -> str:
        """Take until the connection is lost; why it was."""
        link = self._link
        assert link is not None
        self.connections += 1
        self._rows = 0
        for desk in self._desks.values():
            desk.connected(self._now(), session_present=link.session_present)
        if self._up is not True:
            self._up = True
            self._tell("")
        try:
            await self._consume(link)
        finally:
            await link.close()
        return link.why or "连接中断 connection lost"

    async def _gone(self, why: str) -> None:
        if self._up is False:
            return
        self._up = False
        self._tell(why)
        await self.deliver(p for d in self._desks.values() for p in d.lost(why, self._now()))

    async def _consume(self, link: Link) -> None:
        singles = Singles(self._desks.values(), link.acknowledge)
        while True:
            try:
                arrived = await link.take(TICK_S)
            except Closed:
                return
            parts: list[Part] = []
            singles.received = self._now()
            for each in arrived:
                quick = singles.take(each)
                # What is not for the short way keeps its place in the order.
                parts += quick if quick is not None else [*singles.flush(), *self._take(link, each)]
            parts += singles.flush()
            now = self._now()
            for desk in self._desks.values():
                desk.expire(now)
            await self.deliver(parts)

    def _take(self, link: Link, arrived: Arrived) -> list[Part]:
        topic, body, retained, name = arrived
        ack = partial(link.acknowledge, (name,))
        try:
            parts = topic.decode().split("/", 3)
        except UnicodeDecodeError:
            parts = []
        desk = self._desks.get((parts[1], parts[2])) if len(parts) == 4 else None
        if desk is None:
            self.unrouted += 1
            ack()
            return []
        if retained and not body:
            ack()  # Somebody cleared a retained message: nothing is told by that.
            return []
        return desk.take(Message(topic.decode(), parts[3], body, retained, self._now(), ack))

    # On the way to the pipeline -----------------------------------------------------------------

    async def deliver(self, parts: Iterable[Part]) -> None:
        """Hand parts on as batches; waits while too many readings of this line are not safe."""
        for alike in alike_parts(parts):
            n = sum(len(part.point) for part in alike)
            await self._wait_for_room(n)
            self._rows += n
            await self._sink.batch(merged(alike, partial(self._safe, n)))

    async def _wait_for_room(self, n: int) -> None:
        try:
            async with asyncio.timeout(WINDOW_S):
                while self._rows and self._rows + n > WINDOW_ROWS:
                    self._room.clear()
                    await self._room.wait()
        except TimeoutError:
            self._rows = 0

    def _safe(self, n: int) -> None:
        self._rows = max(0, self._rows - n)
        self._room.set()


def topics(broker: Broker, desks: Iterable[GatewayDesk]) -> list[str]:
    """What is subscribed. A group shares readings only: a broker keeps no retained message for a
    group, and every member needs birth, last will and lists of points."""
    found = []
    for desk in desks:
        base = f"park/{desk.gateway.id}/"
        if not broker.share:
            found.append(f"{base}#")
            continue
        shared = ["readings", "r/#", *dict.fromkeys(m.topic for m in desk.gateway.mapping)]
        found += [f"$share/{broker.share}/{base}{each}" for each in shared]
        found += [f"{base}status", f"{base}points"]
    return found


def ways(broker: Broker, bytes_max: int) -> Sequence[Callable[[Sequence[str]], Link]]:
    """How to connect, the best first; the next one where the broker does not speak it."""

    def old(topics: Sequence[str]) -> Link:
        return PahoLink(broker, topics, "3.1.1", bytes_max)

    def new(topics: Sequence[str]) -> Link:
        if broker.client == "paho":
            return PahoLink(broker, topics, "5", bytes_max)
        return FastLink(broker, topics, bytes_max)

    if broker.version == "auto":
        return [new, old]
    return [new if broker.version == "5" else old]


def pause_s(name: str, failures: int) -> float:
    """Doubling from 1 s to 30 s, spread by name."""
    spread = 1.0 + zlib.crc32(name.encode()) % 256 / 512
    return min(PAUSE_S_MAX, max(PAUSE_S_MIN, 2.0 ** min(failures - 1, 6) * spread))
