"""One connection or serial port as the loop gives it: bytes kept until somebody wants them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from pymodbus.transport.serialtransport import create_serial_connection

from parkwatch.drivers.config import Bus

HELD_BYTES_MAX = 4096
OPEN_S = 3.0


class Wire(asyncio.Protocol):
    """Bytes in, and the moment of the last of them."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.lost = ""
        """Why the connection ended, empty while it has not."""
        self._loop = asyncio.get_running_loop()
        self.heard_at = self._loop.time()
        self.opened: asyncio.Future[None] = self._loop.create_future()
        self._waiter: asyncio.Future[None] | None = None
        self._news = 0

    def connection_made(self, _: asyncio.BaseTransport) -> None:
        if not self.opened.done():
            self.opened.set_result(None)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        # Nothing of ours is so long: what floods the line keeps its newest bytes only.
        del self.buffer[:-HELD_BYTES_MAX]
        self.heard_at = self._loop.time()
        self._news += 1
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = str(exc) if exc else "closed by the other side"
        self._news += 1
        self._wake()

    async def more(self, until: float) -> bool:
        """Wait for bytes, or for the end of the connection; False where `until` came first."""
        if self._loop.time() >= until:
            return False
        before, waiter = self._news, self._loop.create_future()
        self._waiter = waiter
        timer = self._loop.call_at(until, self._wake)
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiter = None
        return self._news != before

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


Dial = Callable[[Bus, Wire], Awaitable[asyncio.Transport]]
"""Connects a wire to a bus; OSError where that does not work."""


async def dial(bus: Bus, wire: Wire) -> asyncio.Transport:
    """A real connection or serial port; OSError, TimeoutError."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(OPEN_S):
        if bus.transport != "rtu":
            transport, _ = await loop.create_connection(lambda: wire, bus.host, bus.port)
            return transport
        port, _ = await create_serial_connection(
            loop,
            lambda: wire,
            bus.serial,
            baudrate=bus.baud,
            bytesize=bus.data_bits,
            parity=bus.parity,
            stopbits=bus.stop_bits,
        )
        await wire.opened
        return port
