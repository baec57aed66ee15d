"""A Modbus TCP server over big-endian register banks, with faults to plug in per unit.

Own, not pymodbus': the drivers keep pymodbus' client, so two independent codecs check each other,
and this one can play dead, late, torn and lying devices. It never changes a bank for a client:
write functions are refused and counted, which is how the demo proves that nobody writes.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

HEADER_BYTES = 7
PDU_BYTES_MAX = 253
BITS_MAX = 2000
WORDS_MAX = 125
WRITE_CODES = frozenset({5, 6, 15, 16, 22, 23})
CONNECTIONS_MAX = 1024
IDLE_S_MAX = 600.0
SEND_S_MAX = 10.0

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, TARGET_SILENT = 0x01, 0x02, 0x03, 0x0B
OVERSIZED_BYTES = 300
GARBAGE = bytes(range(0xA0, 0xC0))


class FaultKind(StrEnum):
    """What a unit does wrong. `value` of the plug: seconds (late), n (drop), code (exception).

    A checksum, and two units with one address, there are on a serial segment only (rtu_server).
    """

    NONE = "none"
    SILENT = "silent"
    LATE = "late"
    DROP = "drop"
    EXCEPTION = "exception"
    TRUNCATED = "truncated"
    WRONG_UNIT = "wrong-unit"
    WRONG_TRANSACTION = "wrong-transaction"
    GARBAGE = "garbage"
    CRC = "crc"
    OVERSIZED = "oversized"
    DUPLICATE = "duplicate"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Plug:
    """A fault plugged into a unit until it is replaced."""

    kind: FaultKind = FaultKind.NONE
    value: float = 0.0


@dataclass(slots=True)
class Unit:
    """One Modbus unit: its four tables, its plug, and how often it was asked.

    coils, discrete  (n,) uint8, 0 or 1
    holding, inputs  (n,) >u2: the bytes in memory are the bytes on the wire
    """

    coils: NDArray[np.uint8]
    discrete: NDArray[np.uint8]
    holding: NDArray[np.uint16]
    inputs: NDArray[np.uint16]
    plug: Plug = Plug()
    asked: int = 0

    @classmethod
    def sized(cls, coils: int = 0, discrete: int = 0, holding: int = 0, inputs: int = 0) -> Unit:
        """A unit of zeros with so many bits and words in each table."""
        words = np.dtype(">u2")
        return cls(
            np.zeros(coils, np.uint8),
            np.zeros(discrete, np.uint8),
            np.zeros(holding, words),
            np.zeros(inputs, words),
        )

    def answer(self, pdu: bytes) -> bytes:
        """The reply PDU to a request PDU, by the specification; pure."""
        function = pdu[0]
        if function not in (1, 2, 3, 4):
            return refusal(function, ILLEGAL_FUNCTION)
        if len(pdu) != 5:
            return refusal(function, ILLEGAL_VALUE)
        start, count = int.from_bytes(pdu[1:3]), int.from_bytes(pdu[3:5])
        if not 0 < count <= (BITS_MAX if function <= 2 else WORDS_MAX):
            return refusal(function, ILLEGAL_VALUE)
        table = (self.coils, self.discrete, self.holding, self.inputs)[function - 1]
        if start + count > len(table):
            return refusal(function, ILLEGAL_ADDRESS)
        part = table[start : start + count]
        data = np.packbits(part, bitorder="little").tobytes() if function <= 2 else part.tobytes()
        return bytes((function, len(data))) + data


@dataclass(slots=True)
class Counters:
    """What clients asked for; `writes` must stay 0 as long as only our daemon asks."""

    connections: int = 0
    requests: int = 0
    writes: int = 0
    functions: Counter[int] = field(default_factory=Counter)


class ModbusServer:
    """Many units on one TCP port; requests of a connection are answered in order, none is lost.

    `on_read` is told of every good read, before the reply leaves.
    """

    def __init__(self, units: dict[int, Unit], on_read: Callable[[], None] = lambda: None) -> None:
        self.units = units
        self.counters = Counters()
        self._on_read = on_read
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Listen (port 0: the system chooses) and return the port."""
        self._server = await asyncio.start_server(self._connected, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and end every connection."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._connections) >= CONNECTIONS_MAX:
            writer.close()
            return
        self._connections.add(task)
        self.counters.connections += 1
        try:
            # Cancelled by close(): the connection ends with it and nobody else waits for this task.
            with contextlib.suppress(
                asyncio.CancelledError, asyncio.IncompleteReadError, OSError, TimeoutError
            ):
                await self._serve(reader, writer)
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            async with asyncio.timeout(IDLE_S_MAX):
                frame = await read_frame(reader)
            if frame is None:
                return
            reply = await self._reply(frame, writer)
            if reply is None:
                return
            if reply:
                writer.write(reply)
                async with asyncio.timeout(SEND_S_MAX):
                    await writer.drain()

    async def _reply(self, frame: bytes, writer: asyncio.StreamWriter) -> bytes | None:
        """What to send: bytes, nothing (b""), or None to end the connection."""
        pdu = frame[HEADER_BYTES:]
        self.counters.requests += 1
        self.counters.functions[pdu[0]] += 1
        self.counters.writes += pdu[0] in WRITE_CODES
        unit = self.units.get(frame[6])
        if unit is None:
            return _framed(frame, refusal(pdu[0], TARGET_SILENT))
        unit.asked += 1
        answer = unit.answer(pdu)
        if answer[0] < 0x80:
            self._on_read()
        return await _plugged(unit, frame, answer, writer)


async def read_frame(reader: asyncio.StreamReader) -> bytes | None:
    """One whole MBAP frame (7 header bytes and PDU), or None where the header is not Modbus.

    Raises IncompleteReadError at the end of the stream.
    """
    header = await reader.readexactly(HEADER_BYTES)
    pdu_bytes = int.from_bytes(header[4:6]) - 1
    if header[2:4] != b"\0\0" or not 1 <= pdu_bytes <= PDU_BYTES_MAX:
        return None
    return header + await reader.readexactly(pdu_bytes)


def refusal(function: int, code: int) -> bytes:
    """An exception PDU."""
    return bytes((function | 0x80, code))


def _framed(request: bytes, pdu: bytes) -> bytes:
    """The reply frame: transaction, protocol and unit of the request, its own length."""
    return request[:4] + (len(pdu) + 1).to_bytes(2) + request[6:7] + pdu


async def _plugged(
    unit: Unit, request: bytes, pdu: bytes, writer: asyncio.StreamWriter
) -> bytes | None:
    """The reply after the unit's fault had its way with it: bytes, nothing, or None: hang up."""
    kind, value = unit.plug.kind, unit.plug.value
    if kind is FaultKind.SILENT or (kind is FaultKind.DROP and unit.asked % int(value) == 0):
        return b""
    if kind is FaultKind.RESET:
        # Without lingering the kernel sends RST, not FIN.
        peer = writer.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        return None
    if kind is FaultKind.LATE:
        await asyncio.sleep(value)
    if kind is FaultKind.EXCEPTION:
        pdu = refusal(request[HEADER_BYTES], int(value))
    return _damaged(kind, _framed(request, pdu))


def _damaged(kind: FaultKind, reply: bytes) -> bytes:
    """A good reply frame as a broken device would send it."""
    if kind is FaultKind.TRUNCATED:
        return reply[: HEADER_BYTES + max(1, (len(reply) - HEADER_BYTES) // 2)]
    if kind is FaultKind.WRONG_UNIT:
        return reply[:6] + bytes((reply[6] ^ 0x55,)) + reply[7:]
    if kind is FaultKind.WRONG_TRANSACTION:
        return bytes((reply[0] ^ 0xFF,)) + reply[1:]
    if kind is FaultKind.OVERSIZED:
        return reply[:4] + OVERSIZED_BYTES.to_bytes(2) + reply[6:7] + bytes(OVERSIZED_BYTES - 1)
    return GARBAGE if kind is FaultKind.GARBAGE else reply
