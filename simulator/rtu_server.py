"""A serial segment: many units that hear every request, on a pty or behind an RTU-over-TCP port.

The same units and plugs as on TCP. A late reply is sent late, whatever is asked meanwhile: RTU has
no transaction id, and a master that is not careful puts it on the wrong point.
"""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import Iterable, Iterator
from typing import Protocol

from parkwatch.simulator.modbus_server import (
    GARBAGE,
    OVERSIZED_BYTES,
    WRITE_CODES,
    Counters,
    FaultKind,
    Unit,
    refusal,
)

ASK_BYTES = 8
ASK_BYTES_MAX = 256
READ_BYTES = 4096
Reply = tuple[float, bytes]


def crc16(data: bytes) -> bytes:
    """The two bytes that end a frame, low byte first.

    >>> crc16(bytes.fromhex("01 03 00 00 00 0a")).hex()
    'c5cd'
    """
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc.to_bytes(2, "little")


def _shifted(crc: int) -> int:
    for _ in range(8):
        crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


_TABLE = tuple(map(_shifted, range(256)))


def framed(unit: int, pdu: bytes) -> bytes:
    """A frame as it is on the line."""
    body = bytes((unit,)) + pdu
    return body + crc16(body)


class Segment:
    """Units on one pair of wires, without any I/O: bytes in, replies with their delays out."""

    def __init__(self, units: dict[int, Unit]) -> None:
        self.units = units
        self.counters = Counters()
        self._heard = bytearray()

    def hear(self, data: bytes) -> Iterator[Reply]:
        """What the units say to these bytes, each with so many seconds of delay."""
        self._heard += data
        while len(self._heard) >= ASK_BYTES:
            size = self._ask_bytes()
            if len(self._heard) < size:
                return
            frame = bytes(self._heard[:size])
            if crc16(frame[:-2]) != frame[-2:]:
                del self._heard[0]  # Nothing that anybody understands; look one byte further.
                continue
            del self._heard[:size]
            yield from self._answered(frame)

    def _ask_bytes(self) -> int:
        long = self._heard[1] in (15, 16)
        return min(9 + self._heard[6], ASK_BYTES_MAX) if long else ASK_BYTES

    def _answered(self, frame: bytes) -> Iterator[Reply]:
        address, pdu = frame[0], frame[1:-2]
        self.counters.requests += 1
        self.counters.functions[pdu[0]] += 1
        self.counters.writes += pdu[0] in WRITE_CODES
        unit = self.units.get(address)
        if unit is None:
            return  # On a serial line nobody answers for whom nobody is.
        unit.asked += 1
        yield from plugged(unit, address, pdu)


def plugged(unit: Unit, address: int, pdu: bytes) -> Iterator[Reply]:
    """A unit's reply after its fault had its way with it."""
    kind, value = unit.plug.kind, unit.plug.value
    if kind is FaultKind.SILENT or (kind is FaultKind.DROP and unit.asked % int(value) == 0):
        return
    answer = refusal(pdu[0], int(value)) if kind is FaultKind.EXCEPTION else unit.answer(pdu)
    reply = framed(address, answer)
    if kind is FaultKind.CRC:
        reply = reply[:-1] + bytes((reply[-1] ^ 0xFF,))
    elif kind is FaultKind.TRUNCATED:
        reply = reply[: max(1, len(reply) // 2)]
    elif kind is FaultKind.OVERSIZED:
        reply += bytes(OVERSIZED_BYTES - len(reply))
    elif kind is FaultKind.WRONG_UNIT:
        reply = framed(address ^ 0x55, answer)
    elif kind is FaultKind.GARBAGE:
        reply = GARBAGE
    elif kind is FaultKind.DUPLICATE:
        reply += reply
    yield value if kind is FaultKind.LATE else 0.0, reply


class Heard(Protocol):
    """What hears a line and answers on it."""

    counters: Counters

    def hear(self, data: bytes) -> Iterable[Reply]:
        """Replies to these bytes, each with its delay in seconds."""


class RtuServer:
    """A segment on real lines: a converter's TCP connections, or one pty."""

    def __init__(self, segment: Heard) -> None:
        self.segment = segment
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._pty: tuple[int, int] | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen as a serial converter (port 0: the system chooses) and return the port."""
        self._server = await asyncio.start_server(self._connected, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    def open_pty(self) -> str:
        """Make a serial line and return the path of its other end."""
        ours, theirs = self._pty = os.openpty()
        tty.setraw(theirs)
        os.set_blocking(ours, False)
        loop = asyncio.get_running_loop()
        loop.add_reader(ours, lambda: self._hear(os.read(ours, READ_BYTES)))
        return os.ttyname(theirs)

    async def close(self) -> None:
        """End every line."""
        if self._pty is not None:
            asyncio.get_running_loop().remove_reader(self._pty[0])
            for end in self._pty:
                os.close(end)
            self._pty = None
        for writer in self._writers:
            writer.close()
        if self._server is not None:
            self._server.close()

    def say(self, data: bytes) -> None:
        """Put bytes on the line: whoever is connected hears them, also what is late."""
        for writer in self._writers:
            writer.write(data)
        if self._pty is not None:
            os.write(self._pty[0], data)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.segment.counters.connections += 1
        self._writers.add(writer)
        try:
            while data := await reader.read(READ_BYTES):
                self._hear(data)
        except OSError:
            return  # Cut off: the next connection hears the same units.
        finally:
            self._writers.discard(writer)
            writer.close()

    def _hear(self, data: bytes) -> None:
        for delay_s, reply in self.segment.hear(data):
            if delay_s:
                asyncio.get_running_loop().call_later(delay_s, self.say, reply)
            else:
                self.say(reply)
