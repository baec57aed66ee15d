"""One connection to an MQTT broker: paho's thread on one side, the event loop on the other.

MQTT 3.1.1, persistent session, acknowledged by hand and in the order of arrival. While the inbox is
full paho's thread stands still, so the socket is not read and the broker keeps the rest.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from parkwatch.drivers.config import Broker
from parkwatch.drivers.inbox import Inbox

WAITING_MAX = 1_000
WAITING_BYTES_MAX = 32 * 1_048_576
FULL_S = 60.0
KEEPALIVE_S = 15
OPEN_S = 5.0
END_S = 5.0


@dataclass(slots=True)
class Receipt:
    """An arrived message's acknowledgement, not sent before every earlier one."""

    mid: int
    qos: int
    done: bool = False


class BrokerLink:
    """Made for one connection, in the event loop; `open`, take from `inbox`, `close`."""

    def __init__(self, broker: Broker, topics: Sequence[str]) -> None:
        self.inbox: Inbox[paho.MQTTMessage] = Inbox(WAITING_MAX, WAITING_BYTES_MAX)
        self.session_present = False
        self._broker = broker
        self._topics = topics
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[str] = self._loop.create_future()
        self._receipts: deque[Receipt] = deque()
        self._alive = True
        self._closing = threading.Event()
        self._starting = threading.Lock()
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=broker.client_id,
            clean_session=False,
            protocol=paho.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        self._client.connect_timeout = OPEN_S
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.on_disconnect = self._on_disconnect

    async def open(self) -> str:
        """Connect and subscribe; empty where that is done, else why it is not."""
        threading.Thread(target=self._dial, name=f"mqtt-{self._broker.id}", daemon=True).start()
        try:
            async with asyncio.timeout(OPEN_S):
                return await self._opened
        except TimeoutError:
            return "未及时应答 no answer in time"

    async def close(self) -> None:
        """End the connection, keep the session; what was not acknowledged comes again."""
        self._alive = False
        self._closing.set()
        self.inbox.close()
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

    def receipt(self, message: paho.MQTTMessage) -> Callable[[], None]:
        """The acknowledgement of a message just taken, to be called once, from the loop."""
        if message.qos == 0:
            return lambda: None
        receipt = Receipt(message.mid, message.qos)
        self._receipts.append(receipt)

        def acknowledge() -> None:
            receipt.done = True
            while self._receipts and self._receipts[0].done:
                first = self._receipts.popleft()
                # A connection that is gone cannot be told; the broker sends the message again.
                if self._alive:
                    self._client.ack(first.mid, first.qos)

        return acknowledge

    # In other threads -----------------------------------------------------------------------

    def _dial(self) -> None:
        broker, client = self._broker, self._client
        try:
            if broker.user:
                client.username_pw_set(broker.user, broker.password)
            if broker.tls:
                client.tls_set_context(ssl.create_default_context(cafile=broker.ca_file or None))
            client.connect(broker.host, broker.port, KEEPALIVE_S)
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
            self._settle(f"被拒绝 refused: {reason}")
            return
        self.session_present = bool(flags.session_present)
        self._client.subscribe([(topic, 1) for topic in self._topics])

    def _on_subscribe(self, _c: Any, _data: Any, _mid: int, reasons: Any, _props: Any) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        self._settle(f"订阅被拒绝 subscription refused: {refused[0]}" if refused else "")

    def _on_message(self, _c: Any, _data: Any, message: paho.MQTTMessage) -> None:
        size = len(message.payload)
        if not self.inbox.put(message, size, FULL_S) and not self._closing.is_set():
            # Never acknowledged; only a new connection makes the broker send it again.
            self.inbox.close()

    def _on_disconnect(self, *_: Any) -> None:
        self._settle("连接中断 connection lost")
        self.inbox.close()

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
