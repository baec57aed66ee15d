"""MQTT in: acknowledged to the broker only when its readings are in spool and journal.

paho acknowledges by hand, from our loop, through the batch's `ack`; the queue between its thread
and the loop is ours and bounded, and a full one stops the reading of the socket: nothing is
dropped, and nothing is acknowledged early.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import math
import ssl
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from parkwatch.drivers import payload
from parkwatch.drivers.config import Broker, Gateway
from parkwatch.drivers.payload import Decoded, Refused
from parkwatch.drivers.source import DriverEvent, Now, Sink
from parkwatch.drivers.tracker import Arrival, Tracker
from parkwatch.rules.batch import LATE, LIVE, Batch, nothing_to_tell
from parkwatch.rules.quality import BAD_COMMS

log = logging.getLogger("parkwatch.mqtt")
WAITING_MAX = 1_000
FULL_S = 60.0
KEEPALIVE_S = 15
CONNECT_S = 5.0
PAUSE_S_MAX = 30.0


class MqttSource:
    """One broker and its gateways."""

    def __init__(self, broker: Broker, sink: Sink, now: Now) -> None:
        self._broker = broker
        self.name = broker.id
        self._sink = sink
        self._now = now
        self._gateways = {(g.enterprise, g.gateway): g for g in broker.gateways}
        self._trackers = {g.id: Tracker() for g in broker.gateways}
        self._online: dict[str, bool] = {}
        self._queue: asyncio.Queue[paho.MQTTMessage | None] = asyncio.Queue(WAITING_MAX)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: paho.Client | None = None
        self.refused = self.foreign = 0

    def snapshot(self) -> dict[str, Any]:
        """What must outlive a restart, as plain JSON."""
        return {gateway: tracker.snapshot() for gateway, tracker in self._trackers.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """The reverse of `snapshot`; gateways that are gone are forgotten."""
        for gateway, boots in state.items():
            if gateway in self._trackers:
                self._trackers[gateway].restore(boots)

    async def run(self) -> None:
        """Until cancelled; a broker that goes away is reported and asked again."""
        self._loop = asyncio.get_running_loop()
        up: bool | None = None
        failures = 0
        while True:
            client = self._make()
            self._client = client
            try:
                why = await self._connect(client)
                if not why:
                    failures = 0
                    if up is not True:
                        up = True
                        self._say(self._broker.id, "broker_up", "已连接 connected")
                    await self._consume()
                    why = "连接中断 connection lost"
            finally:
                await self._end(client)
            failures += 1
            if up is not False:
                up = False
                self._say(self._broker.id, "broker_down", why)
                for gateway in self._broker.gateways:
                    await self._lost(gateway, why)
            spread = 0.75 + zlib.crc32(self._broker.id.encode()) % 256 / 512
            await asyncio.sleep(min(PAUSE_S_MAX, 0.5 * 2 ** min(failures, 6)) * spread)

    # paho's thread -------------------------------------------------------------------------

    def _make(self) -> paho.Client:
        broker = self._broker
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=broker.client_id,
            clean_session=False,
            manual_ack=True,
        )
        if broker.user:
            client.username_pw_set(broker.user, broker.password)
        if broker.tls:
            client.tls_set_context(ssl.create_default_context(cafile=broker.ca_file or None))
        client.max_queued_messages_set(WAITING_MAX)
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        return client

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        """In paho's thread: waits while the queue is full, and so stops reading the socket."""
        assert self._loop is not None
        waiting = asyncio.run_coroutine_threadsafe(self._queue.put(message), self._loop)
        try:
            waiting.result(FULL_S)
        except (concurrent.futures.TimeoutError, concurrent.futures.CancelledError):
            waiting.cancel()  # Not acknowledged: the broker sends it again.

    def _on_disconnect(self, *_args: Any) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._wake_lost)

    def _wake_lost(self) -> None:
        if not self._queue.full():
            self._queue.put_nowait(None)

    async def _connect(self, client: paho.Client) -> str:
        """Empty when connected and subscribed, else why not."""
        loop = asyncio.get_running_loop()
        while not self._queue.empty():
            self._queue.get_nowait()  # Of a lost connection: never acknowledged, comes again.
        connected: asyncio.Future[str] = loop.create_future()

        def on_connect(_c: Any, _d: Any, _f: Any, reason: Any, _p: Any) -> None:
            why = "" if not reason.is_failure else str(reason)
            loop.call_soon_threadsafe(_settle, connected, why)

        client.on_connect = on_connect
        broker = self._broker
        try:
            async with asyncio.timeout(CONNECT_S):
                await asyncio.to_thread(client.connect, broker.host, broker.port, KEEPALIVE_S)
                client.loop_start()
                why = await connected
        except (OSError, TimeoutError, ValueError) as error:
            return f"无法连接 cannot connect: {error or 'timeout'}"
        if not why:
            topics = [(f"park/{g.enterprise}/{g.gateway}/#", 1) for g in broker.gateways]
            client.subscribe(topics)
        return why

    @staticmethod
    async def _end(client: paho.Client) -> None:
        """Drop a connection; paho's thread may wait for our loop, so we do not wait for it."""
        client.on_disconnect = None
        client.disconnect()
        await asyncio.to_thread(client.loop_stop)

    # The loop ------------------------------------------------------------------------------

    async def _consume(self) -> None:
        while (message := await self._queue.get()) is not None:
            await self._take(message)

    async def _take(self, message: paho.MQTTMessage) -> None:
        received = self._now()
        parts = message.topic.split("/", 3)
        gateway = self._gateways.get((parts[1], parts[2])) if len(parts) == 4 else None
        if gateway is None:
            self._ack(message)()
            return
        try:
            await self._understood(gateway, parts[3], message, received)
        except Refused as refusal:
            self.refused += 1
            self._ack(message)()
            self._say(gateway.id, "refused", f"{parts[3]}: {refusal}")

    async def _understood(
        self, gateway: Gateway, what: str, message: paho.MQTTMessage, received: int
    ) -> None:
        retained = bool(message.retain)
        if what == "status":
            await self._status(gateway, message, retained=retained)
            return
        if what == "readings":
            decoded = payload.readings(bytes(message.payload))
        elif what.startswith("r/"):
            decoded = payload.single(what[2:], bytes(message.payload), received)
        elif what == "points":
            self._ack(message)()
            return
        else:
            raise Refused("未知主题 unknown topic")
        origin = self._origin(gateway, decoded, retained=retained)
        if origin is None:
            self._ack(message)()
            return
        batch = self._batch(gateway, decoded, received, origin, self._ack(message))
        if batch is None:
            self._ack(message)()
            return
        if origin == LIVE and self._online.get(gateway.id) is not True:
            self._online[gateway.id] = True
            self._say(gateway.id, "link_up", "网关在线 gateway online")
        await self._sink.batch(batch)

    def _origin(self, gateway: Gateway, decoded: Decoded, *, retained: bool) -> str | None:
        """`live` or `late`; None where the message is to be dropped."""
        if decoded.seq < 0:
            return LATE if retained else LIVE
        judged = self._trackers[gateway.id].judge(
            decoded.boot, decoded.seq, marked_late=decoded.late, retained=retained
        )
        if judged.restarted:
            self._say(gateway.id, "restart", "网关重启 gateway restarted")
        if judged.gap:
            self._say(gateway.id, "gap", f"缺 {judged.gap} 批 batches are missing")
        if judged.arrival is Arrival.REPLAY:
            self._say(gateway.id, "replay", f"旧启动号 boot {decoded.boot} of an earlier life")
        if judged.arrival in (Arrival.REPLAY, Arrival.DUPLICATE):
            return None
        return LATE if judged.arrival is Arrival.LATE else LIVE

    def _batch(
        self,
        gateway: Gateway,
        decoded: Decoded,
        received: int,
        origin: str,
        ack: Callable[[], None],
    ) -> Batch | None:
        at, points, foreign = payload.names(gateway.points, decoded)
        if foreign:
            self.foreign += len(foreign)
            self._say(gateway.id, "foreign", f"未声明的点 undeclared points: {foreign[0][:80]}")
        if not at:
            return None
        return Batch(
            np.array(points, dtype=np.int32),
            np.array([decoded.values[i] for i in at], dtype=np.float64),
            np.array([decoded.qualities[i] for i in at], dtype=np.uint8),
            np.array([decoded.times[i] for i in at], dtype=np.int64),
            np.full(len(at), received, dtype=np.int64),
            origin,
            ack,
            "mqtt",
        )

    async def _status(self, gateway: Gateway, message: paho.MQTTMessage, *, retained: bool) -> None:
        """Retained may say offline; online counts only from a message that arrives live."""
        told = payload.status(bytes(message.payload))
        if told.state == "offline":
            await self._lost(gateway, "网关遗言 its last will says offline")
        elif not retained and self._online.get(gateway.id) is not True:
            self._online[gateway.id] = True
            self._say(gateway.id, "link_up", "网关在线 gateway online")
        self._ack(message)()

    async def _lost(self, gateway: Gateway, why: str) -> None:
        if self._online.get(gateway.id) is False:
            return
        self._online[gateway.id] = False
        self._say(gateway.id, "link_down", why)
        points: Sequence[int] = list(gateway.points.values())
        stamps = np.full(len(points), self._now(), dtype=np.int64)
        await self._sink.batch(
            Batch(
                np.array(points, dtype=np.int32),
                np.full(len(points), math.nan),
                np.full(len(points), BAD_COMMS, dtype=np.uint8),
                stamps,
                stamps,
                driver="mqtt",
            )
        )

    def _ack(self, message: paho.MQTTMessage) -> Callable[[], None]:
        if message.qos == 0:
            return nothing_to_tell
        client = self._client

        def ack() -> None:
            # A connection that is gone cannot be told; the broker sends the message again.
            if client is not None and client is self._client:
                client.ack(message.mid, message.qos)

        return ack

    def _say(self, source: str, kind: str, text: str) -> None:
        self._sink.event(DriverEvent(source, kind, text, self._now()))


def _settle(future: asyncio.Future[str], why: str) -> None:
    if not future.done():
        future.set_result(why)
