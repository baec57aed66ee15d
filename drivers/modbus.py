"""One poller a Modbus device: block reads on a steady schedule, and a quality for every failure."""

from __future__ import annotations

import asyncio
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from parkwatch.drivers.config import ModbusDevice, Register
from parkwatch.drivers.field import FieldReader, NoAnswer, Refused
from parkwatch.drivers.plan import Block, plan
from parkwatch.drivers.registers import decode
from parkwatch.drivers.source import DriverEvent, Now, Sink
from parkwatch.rules.batch import Batch
from parkwatch.rules.quality import BAD_COMMS, BAD_FAULT

BACK_OFF_S_MAX = 30.0
TRIES = 2
"""Silent units are asked twice before they are lost: one panel is deaf during its RAM test."""
GATEWAY_CODES = (10, 11)
"""The gateway path is unavailable, or its target does not answer: a matter of the link."""


@dataclass(slots=True)
class _Link:
    up: bool | None = None
    failures: int = 0
    refused: int = 0


async def run(device: ModbusDevice, sink: Sink, now: Now) -> None:
    """Poll a device until cancelled; a lost device is reported and asked again, more slowly."""
    blocks = plan(device.registers, device.block_words_max, device.gap_words_max)
    link = _Link()
    while True:
        reader = FieldReader(device.host, device.port, device.unit_id, device.timeout_s)
        try:
            await reader.open()
            await _poll(device, reader, blocks, link, sink, now)
        except NoAnswer as lost:
            await _down(device, link, str(lost), sink, now)
        finally:
            reader.close()
        await asyncio.sleep(_pause_s(device, link.failures))


async def _poll(
    device: ModbusDevice,
    reader: FieldReader,
    blocks: Sequence[Block],
    link: _Link,
    sink: Sink,
    now: Now,
) -> None:
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        rows = [row for block in blocks for row in await _block(reader, block, link)]
        if link.up is not True:
            link.up, link.failures = True, 0
            sink.event(DriverEvent(device.id, "link_up", "设备在线 device answers", now()))
        await sink.batch(_batch(rows, now()))
        # A scan that took too long is not made up for: the next one starts on the next beat.
        scan_s = device.scan_ns / 1e9
        due = max(due + scan_s, loop.time() - scan_s)
        await asyncio.sleep(max(0.0, due - loop.time()))


async def _block(
    reader: FieldReader, block: Block, link: _Link
) -> list[tuple[Register, float, int]]:
    for attempt in range(1, TRIES + 1):
        try:
            words = await reader.read(block)
        except Refused as refusal:
            link.refused += 1
            if refusal.code in GATEWAY_CODES:
                raise NoAnswer(f"gateway: {refusal}") from refusal
            return [(register, math.nan, BAD_FAULT) for register in block.registers]
        except NoAnswer:
            if attempt == TRIES:
                raise
            reader.close()  # A late answer must not be taken for the next one's.
            await reader.open()
        else:
            return [
                (register, *decode(register, _words(register, block, words)))
                for register in block.registers
            ]
    raise AssertionError("the loop returns or raises")


def _words(register: Register, block: Block, words: Sequence[int]) -> Sequence[int]:
    at = register.address - block.address
    return words[at : at + register.words]


async def _down(device: ModbusDevice, link: _Link, why: str, sink: Sink, now: Now) -> None:
    """The link's alarm first, so that it speaks for its points; then every point is lost."""
    link.failures += 1
    if link.up is not False:
        link.up = False
        text = f"设备无应答 no answer from {device.host}:{device.port}/{device.unit_id}: {why}"
        sink.event(DriverEvent(device.id, "link_down", text, now()))
        rows = [(register, math.nan, BAD_COMMS) for register in device.registers]
        await sink.batch(_batch(rows, now()))


def _batch(rows: Sequence[tuple[Register, float, int]], at: int) -> Batch:
    stamps = np.full(len(rows), at, dtype=np.int64)
    return Batch(
        np.array([register.point for register, _, _ in rows], dtype=np.int32),
        np.array([value for _, value, _ in rows], dtype=np.float64),
        np.array([quality for _, _, quality in rows], dtype=np.uint8),
        stamps,
        stamps,
        driver="modbus",
    )


def _pause_s(device: ModbusDevice, failures: int) -> float:
    """Doubling from one scan to half a minute, spread by the device's name."""
    pause = min(BACK_OFF_S_MAX, device.scan_ns / 1e9 * 2 ** min(failures, 6) / 2)
    spread = 0.75 + zlib.crc32(device.id.encode()) % 256 / 512
    return float(pause * spread)
