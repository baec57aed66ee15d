"""The only door to the field: one request and its answer at a time, reads only, on every transport.

Whatever is not certainly the answer to the request that is open is a Failure. Without transaction
ids (RTU) an answer counts only if silence follows it, and after a request that was given up the
line is drained to silence, or dropped where a converter stands between.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from parkwatch.drivers.config import Bus
from parkwatch.drivers.modbus.airtime import char_s, gap_s
from parkwatch.drivers.modbus.failures import Failure
from parkwatch.drivers.modbus.frames import (
    HEADER_BYTES,
    READS,
    RTU_BYTES_MAX,
    RTU_BYTES_MIN,
    Heard,
    Read,
    cut_rtu,
    cut_tcp,
    overheard,
    request,
    values,
)
from parkwatch.drivers.modbus.late import Late, SecondMaster
from parkwatch.drivers.modbus.wire import Dial, Wire, dial

QUIET_S_MAX = 1.0
"""A line that does not fall silent for so long is noise."""
DRAIN_S = 0.02
"""Silence that ends a drain, at least: adapters hand bytes over in lumps of up to 16 ms."""
TWIN_S = 0.4
"""Silence between neighbours of equal length, where the plan could not avoid them."""
SILENT_MAX, SILENT_BESIDE_MAX = 4, 2
"""So many silences in a row end a connection to several units (the loss of one unit takes three),
or one that has others beside it: those carry the traffic that would show that it is alive. Two
units that are silent in a row end any."""
TIDS = 65_535


class Line:
    """One connection of a bus, opened when it is needed. `counts`: failures by kind, and `late`,
    `repeated` and `foreign` answers, and `echo` of an adapter that hears itself."""

    def __init__(
        self,
        bus: Bus,
        late: Late,
        other: SecondMaster,
        counts: Counter[str],
        connect: Dial = dial,
    ) -> None:
        self.bus, self._late, self._other, self._counts = bus, late, other, counts
        self._connect = connect
        self._loop = asyncio.get_running_loop()
        self._wire: Wire | None = None
        self._transport: asyncio.Transport | None = None
        self._gap_s = max(gap_s(bus), bus.pause_s)
        self._tid = 0
        self._given_up: set[int] = set()
        self._silent: list[int] = []
        """The units that were silent in a row."""
        self._suspect = False
        """Whether the last connection went silent: it was half-open if a new one is answered."""
        self._sent_at = 0.0
        self._last: dict[tuple[int, int], Read] = {}

    @property
    def is_open(self) -> bool:
        return self._wire is not None and not self._wire.lost

    async def open(self) -> None:
        """Connect; Failure `no-connection`."""
        self.close()
        wire = Wire()
        try:
            self._transport = await self._connect(self.bus, wire)
        except (OSError, TimeoutError) as error:
            self._counts["no-connection"] += 1
            raise Failure("no-connection", str(error)) from error
        self._wire = wire
        self._silent.clear()
        self._given_up.clear()

    def close(self) -> None:
        """Drop the connection; a late answer has nowhere to arrive."""
        if self._transport is not None:
            self._transport.abort()
        self._wire = self._transport = None

    def mistrust(self) -> None:
        """Nobody behind it answers: a TCP connection may be dead, and nobody tells."""
        if not self.bus.rtu and self.is_open:
            self._suspect = True
            self.close()

    async def exchange(self, read: Read, timeout_s: float) -> Sequence[int]:
        """The words of a read (bits as 0 and 1), exactly as many; Failure."""
        now = self._loop.time()
        if now < self._other.until:
            raise Failure("foreign")
        if self.bus.rtu and self._late.bars(read, now):
            self._counts["held"] += 1
            raise Failure("held")
        if not self.is_open:
            await self.open()
        wire = self._wire
        assert wire is not None
        try:
            found = await (self._rtu if self.bus.rtu else self._tcp)(wire, read, timeout_s)
        except Failure as failure:
            self._counts[failure.kind.key] += 1
            await self._recover(wire, read, failure)
            raise
        except asyncio.CancelledError:
            self.close()
            raise
        if self._suspect:
            self._counts["half-open"] += 1
        self._suspect = False
        self._silent.clear()
        return found

    async def listen(self, until: float) -> None:
        """Hear what others say while nothing is asked, until then or until something was said."""
        wire = self._wire
        if wire is None or wire.lost:
            await asyncio.sleep(max(0.0, until - self._loop.time()))
        elif await wire.more(until) and not wire.lost:
            try:
                await self._silence(wire, DRAIN_S)
            except Failure as noise:
                self._counts[noise.kind.key] += 1

    # TCP ------------------------------------------------------------------------------------

    async def _tcp(self, wire: Wire, read: Read, timeout_s: float) -> Sequence[int]:
        await self._pause(wire)
        tid = self._tid = self._tid % TIDS + 1
        self._send(wire, request(read, tid=tid, rtu=False))
        until = self._sent_at + timeout_s
        while True:
            while (heard := cut_tcp(wire.buffer)) is not None:
                if heard.tid == tid:
                    return values(read, heard)
                if heard.tid not in self._given_up:
                    raise Failure("transaction", f"{heard.tid}, asked was {tid}")
                self._given_up.discard(heard.tid)
                self._counts["late"] += 1
            await self._more(wire, until)

    async def _pause(self, wire: Wire) -> None:
        """The silence that the device wants between two requests."""
        due = max(self._sent_at, wire.heard_at) + self._gap_s
        if self._gap_s and due > self._loop.time():
            await asyncio.sleep(due - self._loop.time())

    # RTU ------------------------------------------------------------------------------------

    async def _rtu(self, wire: Wire, read: Read, timeout_s: float) -> Sequence[int]:
        key = (read.unit, read.function)
        last = self._last.get(key)
        await self._silence(wire, TWIN_S if last is not None and last.like(read) else self._gap_s)
        self._last[key] = read
        frame = request(read, rtu=True)
        self._send(wire, frame)
        self._late.asked(read, self._sent_at)
        chars = len(frame) + RTU_BYTES_MIN + read.reply_bytes
        until = self._sent_at + timeout_s + chars * char_s(self.bus) * bool(self.bus.serial)
        echo, other = True, None
        while True:
            if echo and wire.buffer[: len(frame)] == frame:
                del wire.buffer[: len(frame)]
                self._counts["echo"] += 1
                echo = False
            if not echo or not frame.startswith(bytes(wire.buffer)):
                while (heard := cut_rtu(wire.buffer)) is not None:
                    if not self._is_late(heard, read):
                        return await self._followed_by_silence(wire, read, heard)
                    self._counts["late"] += 1
                    other = heard
            if len(wire.buffer) > RTU_BYTES_MAX:
                raise Failure("oversized", f"{len(wire.buffer)} bytes")
            try:
                await self._more(wire, until)
            except Failure as failure:
                if other is None or failure.kind.key != "silence":
                    raise
                values(read, other)  # It says more than silence: who else answered, or how.
                raise

    def _is_late(self, heard: Heard, read: Read) -> bool:
        """Whether a frame belongs to what was asked before, and not to what is asked now."""
        now = self._loop.time()
        if self._late.takes(heard, read, now):
            return True
        return not heard.answers(read) and self._late.repeats(heard, now)

    async def _followed_by_silence(self, wire: Wire, read: Read, heard: Heard) -> Sequence[int]:
        """Take an answer, unless something is said right behind it."""
        if not heard.answers(read):
            return values(read, heard)
        if not wire.buffer and self._gap_s:
            await wire.more(wire.heard_at + self._gap_s)
        if wire.buffer:
            size, known = len(wire.buffer), 0
            for each in overheard(bytes(wire.buffer)):
                known += len(each.pdu) + 3
                if self._late.takes(each, None, self._loop.time()):
                    self._counts["late"] += 1
                elif each.answers(read):
                    raise Failure("duplicate", str(read.unit))
                else:
                    self._stray(each)
            if known < size:
                raise Failure("oversized", f"{size} bytes more")
            wire.buffer.clear()
        return values(read, heard)

    async def _silence(self, wire: Wire, gap: float) -> None:
        """Wait until nothing was said for so long; what was said meanwhile is only told apart."""
        end = self._loop.time() + gap + QUIET_S_MAX
        said = bytearray()
        while True:
            said += wire.buffer
            wire.buffer.clear()
            if wire.lost:
                raise Failure("reset", wire.lost)
            due = max(wire.heard_at, self._sent_at) + gap
            if due <= self._loop.time():
                break
            if self._loop.time() >= end:
                raise Failure("garbage", f"the line does not fall silent: {len(said)} bytes")
            await wire.more(min(due, end))
        for heard in overheard(bytes(said)):
            self._stray(heard)

    def _stray(self, heard: Heard) -> None:
        """A frame that is no answer to what is asked: a late one, a second one, or a stranger's."""
        now = self._loop.time()
        if self._late.takes(heard, None, now):
            self._counts["late"] += 1
            return
        if self._late.repeats(heard, now):
            self._counts["repeated"] += 1
            return
        self._counts["foreign"] += 1
        self._other.hear(heard, now)

    # Both -----------------------------------------------------------------------------------

    def _send(self, wire: Wire, frame: bytes) -> None:
        """The one place where bytes leave: what is no read is a slip of ours and ends the task."""
        code = frame[1] if self.bus.rtu else frame[HEADER_BYTES]
        if code not in READS:
            raise AssertionError(f"function {code} does not read")
        assert self._transport is not None
        if wire.lost:
            raise Failure("reset", wire.lost)
        self._transport.write(frame)
        self._sent_at = self._loop.time()

    async def _more(self, wire: Wire, until: float) -> None:
        """Wait for more bytes; Failure where they do not come."""
        heard = await wire.more(until)
        if wire.lost:
            raise Failure("reset", wire.lost)
        if not heard:
            if not wire.buffer:
                raise Failure("silence")
            size = len(wire.buffer)
            known = size < 3 or not self.bus.rtu or wire.buffer[1] & 0x7F in READS
            raise Failure("short" if known else "garbage", f"{size} bytes")

    async def _recover(self, wire: Wire, read: Read, failure: Failure) -> None:
        """Make sure that what is still under way cannot be taken for anything else."""
        if failure.kind.key.startswith("exception"):
            return
        self._late.add(read, self._loop.time())
        if self.bus.transport == "rtu" and not wire.lost:
            try:
                await self._silence(wire, max(self._gap_s, DRAIN_S))
            except Failure as noise:
                self._counts[noise.kind.key] += 1
            return
        silent = failure.kind.key == "silence"
        if silent and self._bears_silence(read.unit):
            self._given_up.add(self._tid)
            return
        self._suspect = silent and not self.bus.rtu
        self.close()

    def _bears_silence(self, unit: int) -> bool:
        """One silent unit is not the silence of all that are behind a connection."""
        self._silent.append(unit)
        most = SILENT_MAX if self.bus.connections == 1 else SILENT_BESIDE_MAX
        several = not self.bus.rtu and len(self.bus.units) > 1
        return several and len(set(self._silent)) == 1 and len(self._silent) < most
