"""One poller a Modbus device: block reads on a steady schedule, and a quality for every failure.

A block that stays silent takes its own points with it; two in a row, or all of them, are the loss
of the device. What a scan has read before that is delivered first: it may be an alarm.
"""

from __future__ import annotations

import asyncio
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from parkwatch.drivers.config import ModbusDevice
from parkwatch.drivers.field import FieldReader, NoAnswer, Refused
from parkwatch.drivers.plan import Block, plan
from parkwatch.drivers.registers import decode
from parkwatch.drivers.source import DriverEvent, Now, Sink
from parkwatch.rules.batch import Batch
from parkwatch.rules.quality import BAD_COMMS, BAD_FAULT

PAUSE_S_MAX = 30.0
TRIES = 2
"""Silent units are asked twice before they are lost: one panel is deaf during its RAM test."""
SILENT_MAX = 2
"""So many silent blocks in a row are the device's silence: asking the rest would take too long."""
BUSY_CODES = frozenset({5, 6, 10, 11})
"""Acknowledge, busy, gateway without path, target silent: nothing was seen, nothing is broken."""


@dataclass(slots=True)
class Counters:
    """What one poller lived through, for `/metrics`."""

    scans: int = 0
    late_scans: int = 0
    retries: int = 0
    lost: int = 0
    refused: int = 0


async def run(device: ModbusDevice, sink: Sink, now: Now, counters: Counters | None = None) -> None:
    """Poll a device until cancelled; a lost device is reported and asked again, more slowly."""
    poller = _Poller(device, sink, now, counters or Counters())
    try:
        while True:
            try:
                await poller.poll()
            except NoAnswer as lost:
                await poller.down(str(lost))
            await asyncio.sleep(pause_s(device, poller.failures))
    finally:
        poller.hang_up()


class _Lost(NoAnswer):
    """A device that was open and went silent."""


@dataclass(slots=True)
class _Scan:
    """What one scan has read so far, row by row."""

    points: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    qualities: list[int] = field(default_factory=list)
    received: list[int] = field(default_factory=list)
    answered: int = 0

    def spoil(self, block: Block, quality: int, at: int) -> None:
        for register in block.registers:
            self._add(register.point, math.nan, quality, at)

    def take(self, block: Block, words: Sequence[int], at: int) -> None:
        for register in block.registers:
            value, quality = decode(register, block.words(register, words))
            self._add(register.point, value, quality, at)

    def _add(self, point: int, value: float, quality: int, at: int) -> None:
        self.points.append(point)
        self.values.append(value)
        self.qualities.append(quality)
        self.received.append(at)

    def batch(self) -> Batch:
        stamps = np.array(self.received, dtype=np.int64)
        return Batch(
            np.array(self.points, dtype=np.int32),
            np.array(self.values, dtype=np.float64),
            np.array(self.qualities, dtype=np.uint8),
            stamps,
            stamps,
            driver="modbus",
        )


class _Poller:
    """One device's connection, and what is known of its link (`up` None: nothing yet)."""

    def __init__(self, device: ModbusDevice, sink: Sink, now: Now, counters: Counters) -> None:
        self._device = device
        self._sink = sink
        self._now = now
        self._counters = counters
        self._blocks = plan(device.registers, device.block_words_max, device.gap_words_max)
        self._up: bool | None = None
        self._silent = 0
        self._reader: FieldReader | None = None
        self.failures = 0

    async def poll(self) -> None:
        """Scan until the device is lost (NoAnswer)."""
        loop = asyncio.get_running_loop()
        scan_s = self._device.scan_ns / 1e9
        due = loop.time()
        await self._open()
        self._silent = 0
        while True:
            await self._scan()
            # Beats that a slow scan has missed are left out: nothing is ever made up for.
            missed = max(0, math.floor((loop.time() - due) / scan_s))
            self._counters.late_scans += missed > 0
            due += scan_s * (missed + 1)
            await asyncio.sleep(due - loop.time())

    async def down(self, why: str) -> None:
        """The link's alarm first, so that it speaks for its points; then every point is lost."""
        self.hang_up()
        self.failures += 1
        if self._up is False:
            return
        self._up = False
        self._counters.lost += 1
        d = self._device
        text = f"设备无应答 no answer from {d.host}:{d.port}/{d.unit_id}: {why}"
        self._sink.event(DriverEvent(d.id, "link_down", text, self._now()))
        lost, at = _Scan(), self._now()
        for block in self._blocks:
            lost.spoil(block, BAD_COMMS, at)
        await self._sink.batch(lost.batch())

    def hang_up(self) -> None:
        """Drop the connection."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    async def _open(self) -> FieldReader:
        self.hang_up()
        d = self._device
        self._reader = FieldReader(d.host, d.port, d.unit_id, d.timeout_s)
        await self._reader.open()
        return self._reader

    async def _scan(self) -> None:
        """Read every block once and deliver what was read, also where the device is lost."""
        scan = _Scan()
        why = ""
        for block in self._blocks:
            try:
                await self._block(block, scan)
            except NoAnswer as lost:
                why = str(lost)
                break
        self._counters.scans += 1
        if scan.answered:
            if self._up is not True:
                self._up, self.failures = True, 0
                event = DriverEvent(
                    self._device.id, "link_up", "设备在线 device answers", self._now()
                )
                self._sink.event(event)
            await self._sink.batch(scan.batch())
        if why or not scan.answered:
            raise _Lost(why or "每块都无应答 no block is answered")

    async def _block(self, block: Block, scan: _Scan) -> None:
        """One block into the scan; NoAnswer where the device is gone, not only this block."""
        tries = TRIES if self._silent == 0 else 1
        for left in range(tries - 1, -1, -1):
            reader = self._reader if self._reader is not None else await self._open()
            try:
                words = await reader.read(block)
            except Refused as refusal:
                self._counters.refused += 1
                busy = refusal.code in BUSY_CODES
                if busy and left:
                    self._counters.retries += 1
                    continue
                self._silent = 0
                # A target behind a gateway that does not answer is not an answering device.
                scan.answered += refusal.code not in (10, 11)
                scan.spoil(block, BAD_COMMS if busy else BAD_FAULT, self._now())
                return
            except NoAnswer:
                self.hang_up()  # A late answer must not be taken for the next one's.
                if left:
                    self._counters.retries += 1
                    continue
                self._silent += 1
                if self._silent >= SILENT_MAX or len(self._blocks) == 1:
                    raise
                scan.spoil(block, BAD_COMMS, self._now())
                return
            self._silent = 0
            scan.answered += 1
            scan.take(block, words, self._now())
            return


def pause_s(device: ModbusDevice, failures: int) -> float:
    """Doubling from one scan to half a minute, spread by the device's name: no thundering herd."""
    pause = device.scan_ns / 1e9 * float(2 ** min(max(failures - 1, 0), 6))
    spread = 0.75 + zlib.crc32(device.id.encode()) % 256 / 512
    return min(PAUSE_S_MAX, max(0.1, pause) * spread)
