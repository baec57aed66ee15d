"""Bytes to answers and back, without a socket: pymodbus' codec behind a stricter door.

pymodbus takes answers without id, of other lengths, and throws away whatever follows a frame. Here
a frame is cut out exactly, checked by its codec, and held against the request before it counts.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadDiscreteInputsRequest
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest

from parkwatch.drivers.modbus.failures import Failure, refused

# Every failure here becomes a quality and an event; a line for each of 200 dead devices hides both.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)
READS: dict[int, type[ModbusPDU]] = {
    1: ReadCoilsRequest,
    2: ReadDiscreteInputsRequest,
    3: ReadHoldingRegistersRequest,
    4: ReadInputRegistersRequest,
}
"""The only requests that exist here."""
HEADER_BYTES, PDU_BYTES_MAX = 7, 253
RTU_BYTES_MIN, RTU_BYTES_MAX, RTU_ASK_BYTES = 5, 256, 8
FRAMES_MAX = 65_536
"""Requests kept as bytes: a park asks the same ones again and again."""
_ANSWERS = DecodePDU(is_server=False)
_MBAP, _RTU = FramerSocket(_ANSWERS), FramerRTU(_ANSWERS)


@dataclass(frozen=True, slots=True)
class Read:
    """One request: unit 0 to 255, function 1 to 4, 0-based address, count."""

    unit: int
    function: int
    address: int
    count: int

    @property
    def reply_bytes(self) -> int:
        return -(-self.count // 8) if self.function <= 2 else 2 * self.count

    def like(self, other: Read) -> bool:
        """Whether an answer to one could pass for an answer to the other, and would be wrong."""
        return (
            self.unit == other.unit
            and self.function == other.function
            and self.reply_bytes == other.reply_bytes
            and self.address != other.address
        )


@dataclass(frozen=True, slots=True)
class Heard:
    """A whole frame: unit, function and data; `tid` of a TCP frame. `asks`: it is a request."""

    unit: int
    pdu: bytes
    tid: int = 0
    asks: bool = False

    @property
    def function(self) -> int:
        return self.pdu[0] & 0x7F

    @property
    def excepts(self) -> bool:
        return self.pdu[0] >= 0x80

    def answers(self, read: Read) -> bool:
        """Whether by unit, function and length it could be the answer to a request."""
        if self.asks or (self.unit, self.function) != (read.unit, read.function):
            return False
        return self.excepts or len(self.pdu) == 2 + read.reply_bytes == 2 + self.pdu[1]


def request(read: Read, *, tid: int = 0, rtu: bool) -> bytes:
    """The frame that asks."""
    frame = _asks(read, rtu)
    return frame if rtu else tid.to_bytes(2) + frame[2:]


@lru_cache(FRAMES_MAX)
def _asks(read: Read, rtu: bool) -> bytes:  # noqa: FBT001 - a key of the cache
    pdu = READS[read.function](dev_id=read.unit, address=read.address, count=read.count)
    return (_RTU if rtu else _MBAP).buildFrame(pdu)


def values(read: Read, heard: Heard) -> Sequence[int]:
    """The words, or bits as 0 and 1, exactly as many as asked; Failure for anything else."""
    if heard.unit != read.unit:
        raise Failure("wrong-unit", f"{heard.unit}, asked was {read.unit}")
    if heard.function != read.function or heard.asks:
        raise Failure("wrong-function", f"{heard.function}, asked was {read.function}")
    if heard.excepts:
        if len(heard.pdu) != 2:
            raise Failure("wrong-length", f"exception of {len(heard.pdu)} bytes")
        raise refused(heard.pdu[1])
    if not heard.answers(read):
        raise Failure("wrong-length", f"{len(heard.pdu) - 2} bytes, {read.reply_bytes} are due")
    answer = _ANSWERS.decode(heard.pdu)
    if answer is None:
        raise Failure("garbage")
    if read.function <= 2:
        return [int(bit) for bit in answer.bits[: read.count]]
    return answer.registers


def cut_tcp(buffer: bytearray) -> Heard | None:
    """The first whole frame, taken out of the buffer; None while there is none.

    Failure where what is there can be no frame: the connection is of no more use.
    """
    if len(buffer) < HEADER_BYTES:
        return None
    protocol, length = int.from_bytes(buffer[2:4]), int.from_bytes(buffer[4:6])
    if protocol:
        raise Failure("garbage", f"protocol {protocol}")
    if length > PDU_BYTES_MAX + 1:
        raise Failure("oversized", f"{length} bytes")
    if length < 3:
        raise Failure("short", f"{length} bytes")
    if len(buffer) < 6 + length:
        return None
    frame = bytes(buffer[: 6 + length])
    del buffer[: 6 + length]
    _, unit, tid, pdu = _MBAP.decode(frame)
    return Heard(unit, pdu, tid)


def cut_rtu(buffer: bytearray) -> Heard | None:
    """The first whole answer frame, taken out of the buffer; None while there is none.

    Failure where it is whole by its own length and its checksum is wrong.
    """
    size = _answer_bytes(buffer)
    if not size or len(buffer) < size:
        return None
    heard = _checked(buffer[:size])
    if heard is None:
        raise Failure("crc")
    del buffer[:size]
    return heard


def overheard(data: bytes) -> list[Heard]:
    """Every frame with a right checksum in what nobody asked for, requests of others too."""
    found: list[Heard] = []
    at = 0
    while len(data) - at >= RTU_BYTES_MIN:
        rest = data[at:]
        size = _answer_bytes(rest)
        heard = _checked(rest[:size]) if size and len(rest) >= size else None
        # Requests of one value or a range are 8 bytes; longer ones are recognised by their answers.
        if heard is None and 1 <= rest[1] <= 6 and _good(rest[:RTU_ASK_BYTES], RTU_ASK_BYTES):
            size, heard = RTU_ASK_BYTES, Heard(rest[0], bytes(rest[1:6]), asks=True)
        if heard is not None:
            found.append(heard)
        at += size if heard is not None else 1
    return found


def _answer_bytes(data: bytes | bytearray) -> int:
    """How long the answer frame that begins here says it is; 0 where that cannot be told."""
    if len(data) < 3 or data[1] & 0x7F not in READS:
        return 0
    return RTU_BYTES_MIN if data[1] >= 0x80 else data[2] + RTU_BYTES_MIN


def _good(frame: bytes | bytearray, size: int) -> bool:
    if len(frame) != size:
        return False
    return FramerRTU.check_CRC(bytes(frame[:-2]), int.from_bytes(frame[-2:]))


def _checked(frame: bytes | bytearray) -> Heard | None:
    """A frame that the codec takes as one of exactly this length."""
    used, unit, _, pdu = _RTU.decode(bytes(frame))
    return Heard(unit, pdu) if used == len(frame) == len(pdu) + 3 else None
