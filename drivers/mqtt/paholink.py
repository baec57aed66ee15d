"""One connection to an MQTT broker: paho's thread on one side, the event loop on the other.

MQTT 3.1.1 or 5. While the inbox is full paho's thread stands still, so the socket is not read and
the broker keeps the rest.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from parkwatch.drivers.config import Broker
from parkwatch.drivers.mqtt.inbox import Inbox
from parkwatch.drivers.mqtt.link import (
    END_S,
    KEEPALIVE_S,
    OPEN_S,
    RECEIVE_MAX,
    SESSION_S,
    WAITING_BYTES_MAX,
    Receipts,
    tls_context,
)
from parkwatch.drivers.mqtt.wire import PACKET_MAX, UNSPOKEN, Arrived

FULL_S = 60.0
TAKE_MAX = 256


class _TlsSocket(ssl.SSLSocket):
    """paho forgets the socket of a handshake that failed."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - ssl's own
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


class PahoLink:
    """See Link. `version` is 5 or 3.1.1."""

    def __init__(
        self,
        broker: Broker,
        topics: Sequence[str],
        version: str,
        bytes_max: int = WAITING_BYTES_MAX,
    ) -> None:
        self._inbox: Inbox[paho.MQTTMessage] = Inbox(RECEIVE_MAX, bytes_max)
        self.session_present = self.unspoken = False
        self.why = ""
        self._broker = broker
        self._topics = topics
        self._five = version == "5"
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[str] = self._loop.create_future()
        self._receipts = Receipts()
        self._alive = True
        self._closing = threading.Event()
        self._starting = threading.Lock()
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=broker.client_id,
            clean_session=None if self._five else False,
            protocol=MQTTProtocolVersion.MQTTv5 if self._five else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        self._client.connect_timeout = OPEN_S
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.on_disconnect = self._on_disconnect

    @property
    def waiting(self) -> int:
        return len(self._inbox)

    async def open(self) -> str:
        threading.Thread(target=self._dial, name=f"mqtt-{self._broker.id}", daemon=True).start()
        try:
            async with asyncio.timeout(OPEN_S):
                return await self._opened
        except TimeoutError:
            return "未及时应答 no answer in time"

    async def take(self, deadline_s: float) -> Sequence[Arrived]:
        return [self._taken(each) for each in await self._inbox.take(TAKE_MAX, deadline_s)]

    def _taken(self, message: paho.MQTTMessage) -> Arrived:
        name = self._receipts.arrived(message.mid) if message.qos else 0
        try:
            topic = message.topic.encode()
        except UnicodeDecodeError:
            topic = b""
        return topic, bytes(message.payload), bool(message.retain), name

    def acknowledge(self, names: Iterable[int]) -> None:
        for mid in self._receipts.safe(names):
            # A connection that is gone cannot be told; the broker sends the message again.
            if self._alive:
                self._client.ack(mid, 1)

    async def close(self) -> None:
        self._alive = False
        self._closing.set()
        self._inbox.close()
        ended = asyncio.Event()

        def end() -> None:
            with self._starting:
                self._client.disconnect()
            self._client.loop_stop()
            self._tell(ended.set)

        threading.Thread(target=end, name=f"mqtt-{self._broker.id}-end", daemon=True).start()
        try:
            async with asyncio.timeout(END_S):
                await ended.wait()
        except TimeoutError:
            return  # Its threads wait for a name server; they end with that, and find it closed.

    # In other threads -----------------------------------------------------------------------

    def _dial(self) -> None:
        broker, client = self._broker, self._client
        more: dict[str, Any] = {}
        if self._five:
            told = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            told.SessionExpiryInterval = SESSION_S
            told.ReceiveMaximum = RECEIVE_MAX
            told.MaximumPacketSize = PACKET_MAX
            more = {"clean_start": False, "properties": told}
        try:
            if broker.user:
                client.username_pw_set(broker.user, broker.password)
            if broker.tls:
                context = tls_context(broker)
                context.sslsocket_class = _TlsSocket
                client.tls_set_context(context)
            client.connect(broker.host, broker.port, KEEPALIVE_S, **more)
        except (OSError, ValueError) as error:
            self._settle(f"无法连接 cannot connect: {error}")
            return
        with self._starting:
            if self._closing.is_set():
                client.disconnect()
            else:
                client.loop_start()

    def _on_connect(self, _c: Any, _data: Any, flags: Any, reason: Any, _props: Any) -> None:
        if reason.is_failure:
            self.unspoken = reason.value == UNSPOKEN
            self._settle(f"被拒绝 refused: {reason}")
            return
        self.session_present = bool(flags.session_present)
        if self._five:
            options = SubscribeOptions(qos=1)
            self._client.subscribe([(topic, options) for topic in self._topics])
        else:
            self._client.subscribe([(topic, 1) for topic in self._topics])

    def _on_subscribe(self, _c: Any, _data: Any, _mid: int, reasons: Any, _props: Any) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        self._settle(f"订阅被拒绝 subscription refused: {refused[0]}" if refused else "")

    def _on_message(self, _c: Any, _data: Any, message: paho.MQTTMessage) -> None:
        size = len(message.payload)
        if not self._inbox.put(message, size, FULL_S) and not self._closing.is_set():
            # Never acknowledged; only a new connection makes the broker send it again.
            self._inbox.close()

    def _on_disconnect(self, _c: Any, _data: Any, _flags: Any, reason: Any, _props: Any) -> None:
        self.why = f"连接中断 connection lost: {reason}"
        self._settle(self.why)
        self._inbox.close()

    def _settle(self, why: str) -> None:
        def settle() -> None:
            if not self._opened.done():
                self._opened.set_result(why)

        self._tell(settle)

    def _tell(self, what: Callable[[], object]) -> None:
        try:
            self._loop.call_soon_threadsafe(what)
        except RuntimeError:
            return  # The loop is closed: nobody waits any more.
