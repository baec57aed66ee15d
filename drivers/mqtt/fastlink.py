"""One connection to a broker that speaks MQTT 5: everything of one read at once, no thread, no
queue a message.

Receive Maximum is the back-pressure: the broker sends no more than so many that we have not
acknowledged. Where that does not bound (QoS 0, large payloads) the socket is not read.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Sequence
from typing import cast

from parkwatch.drivers.config import Broker
from parkwatch.drivers.mqtt import wire
from parkwatch.drivers.mqtt.inbox import Closed
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
from parkwatch.drivers.mqtt.wire import Arrived, Broken, Packet

SUBSCRIBE_ID = 1


class FastLink(asyncio.Protocol):
    """See Link."""

    def __init__(
        self, broker: Broker, topics: Sequence[str], bytes_max: int = WAITING_BYTES_MAX
    ) -> None:
        self.session_present = self.unspoken = False
        self.why = ""
        self._broker = broker
        self._topics = topics
        self._bytes_max = bytes_max
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[str] = self._loop.create_future()
        self._ended = asyncio.Event()
        self._reader = wire.Reader()
        self._receipts = Receipts()
        self._transport: asyncio.Transport | None = None
        self._arrived: list[Arrived] = []
        self._bytes = 0
        self._came = asyncio.Event()
        self._paused = self._hello = False
        self._pinged = False
        self._pinger: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        return len(self._arrived)

    async def open(self) -> str:
        broker = self._broker
        try:
            async with asyncio.timeout(OPEN_S):
                # Reads the files of certificates: not in the loop's time.
                tls = await asyncio.to_thread(tls_context, broker) if broker.tls else None
                await self._loop.create_connection(
                    lambda: self, broker.host, broker.port, ssl=tls,
                    server_hostname=broker.host if tls else None,
                )  # fmt: skip
                return await self._opened
        except TimeoutError:
            self.unspoken = self._transport is not None and not self._hello
            return "未及时应答 no answer in time"
        except (OSError, ValueError) as error:
            why = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else error
            return f"无法连接 cannot connect: {why}"

    async def take(self, deadline_s: float) -> Sequence[Arrived]:
        if not self._arrived and not self._ended.is_set():
            self._came.clear()
            try:
                async with asyncio.timeout(deadline_s):
                    await self._came.wait()
            except TimeoutError:
                return []
        if self._ended.is_set():
            raise Closed
        taken, self._arrived, self._bytes = self._arrived, [], 0
        if self._paused:
            self._paused = False
            self._pinged = False
            assert self._transport is not None
            self._transport.resume_reading()
        arrived = self._receipts.arrived
        return [
            (topic, payload, retained, arrived(packet_id) if packet_id else 0)
            for topic, payload, retained, packet_id in taken
        ]

    def acknowledge(self, names: Iterable[int]) -> None:
        safe = self._receipts.safe(names)
        # A connection that is gone cannot be told; the broker sends the message again.
        if safe and self._transport is not None and not self._transport.is_closing():
            self._transport.write(wire.acknowledgements(safe))

    async def close(self) -> None:
        transport = self._transport
        if transport is None:
            return
        if not transport.is_closing():
            transport.write(wire.BYE)
            transport.close()
        try:
            async with asyncio.timeout(END_S):
                await self._ended.wait()
        except TimeoutError:
            transport.abort()  # It does not read what we still had to say.

    # What the transport tells -------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none by inheritance.
        self._transport = made = cast(asyncio.Transport, transport)
        hello = wire.Hello(
            self._broker.client_id, self._broker.user, self._broker.password, KEEPALIVE_S,
            SESSION_S, RECEIVE_MAX,
        )  # fmt: skip
        made.write(wire.connect(hello))

    def data_received(self, data: bytes) -> None:
        self._pinged = False
        before = len(self._arrived)
        try:
            for packet in self._reader.feed(data, self._arrived):
                self._packet(packet)
        except Broken as broken:
            self.unspoken = not self._hello
            self._end(f"代理报文有误 the broker sent what is no MQTT 5: {broken}")
            return
        if len(self._arrived) == before:
            return
        if not self._hello:
            self._end("未连接就有消息 the broker sent a message before its CONNACK")
            return
        self._bytes += len(data)
        if (
            len(self._arrived) >= RECEIVE_MAX or self._bytes >= self._bytes_max
        ) and not self._paused:
            self._paused = True
            assert self._transport is not None
            self._transport.pause_reading()
        self._came.set()

    def connection_lost(self, exc: Exception | None) -> None:
        # A broker that knows only 3.1.1 may hang up without a word.
        self.unspoken = self.unspoken or not (self._hello or self._opened.done())
        self._settle("连接中断 connection lost" + (f": {exc}" if exc else ""))
        if self._pinger is not None:
            self._pinger.cancel()
        self._arrived.clear()
        self._ended.set()
        self._came.set()

    # The protocol -------------------------------------------------------------------------------

    def _packet(self, packet: Packet) -> None:
        if not self._hello:
            self._welcome(wire.connected(packet))
        elif packet.kind == wire.SUBACK:
            refused = [code for code in wire.subscribed(packet) if code >= 0x80]
            reasons = ", ".join(wire.reason(code) for code in dict.fromkeys(refused))
            self._settle(f"订阅被拒绝 subscription refused: {reasons}" if refused else "")
        elif packet.kind == wire.DISCONNECT:
            code = packet.body[0] if packet.body else 0
            self._end(f"代理断开 the broker says goodbye: {wire.reason(code)}")
        elif packet.kind != wire.PINGRESP:
            raise Broken(f"意外的报文 packet {packet.kind} was not asked for")

    def _welcome(self, answer: wire.Connected) -> None:
        if answer.reason:
            self.unspoken = answer.reason == wire.UNSPOKEN
            self._hello = True
            self._end(f"被拒绝 refused: {wire.reason(answer.reason)}")
            return
        self._hello = True
        self.session_present = answer.session_present
        assert self._transport is not None
        self._transport.write(wire.subscribe(SUBSCRIBE_ID, self._topics))
        self._ping(min(KEEPALIVE_S, answer.keep_alive or KEEPALIVE_S) / 2)

    def _ping(self, every_s: float) -> None:
        """A broker that says nothing to a ping until the next one is gone, whatever TCP thinks."""
        assert self._transport is not None
        if self._transport.is_closing():
            return
        if self._pinged and not self._paused:
            self._end("代理无应答 the broker answers no more")
            self._transport.abort()
            return
        self._transport.write(wire.PING)
        self._pinged = True
        self._pinger = self._loop.call_later(every_s, self._ping, every_s)

    def _end(self, why: str) -> None:
        self._settle(why)
        assert self._transport is not None
        self._transport.close()

    def _settle(self, why: str) -> None:
        self.why = self.why or why
        if not self._opened.done():
            self._opened.set_result(why)
