"""One unit of a bus: its blocks, its link, and a quality for whatever is not answered.

A block that stays silent takes its own points with it; two in a row, or all of them, are the loss
of the unit. What a scan has read before that is delivered first: it may be an alarm.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from parkwatch.drivers.config import ModbusUnit, Span
from parkwatch.drivers.modbus.airtime import bounds
from parkwatch.drivers.modbus.failures import Failure
from parkwatch.drivers.modbus.frames import Read
from parkwatch.drivers.modbus.line import Line
from parkwatch.drivers.modbus.schedule import Schedule
from parkwatch.drivers.plan import Block, plan
from parkwatch.drivers.source import DriverEvent, Now, Sink
from parkwatch.drivers.unit import Answer, Rows, UnitDesk
from parkwatch.rules.quality import BAD_COMMS

TRIES = 2
"""Silent units are asked twice before they are lost: one panel is deaf during its RAM test."""
SILENT_MAX = 2
"""So many silent blocks in a row are the unit's silence: asking the rest would take too long."""
TOO_MUCH = frozenset({"exception-2", "exception-3"})
"""What a device says that bears no gaps in a read."""
BUS_WIDE = frozenset({"no-connection", "foreign"})
"""What is no fault of the unit: the bus deals with it."""
PLANS_MAX = 8


@dataclass(slots=True)
class _Scan:
    """What one scan has found so far. `there`: something of the unit was heard; `over`: the bus
    itself is gone."""

    line: Line
    probe: bool
    answers: dict[Span, Answer] = field(default_factory=dict)
    there: bool = False
    silent: int = 0
    failure: Failure | None = None
    over: bool = False

    @property
    def tries(self) -> int:
        return 1 if self.silent or (self.probe and not self.there) else TRIES

    @property
    def hopeless(self) -> bool:
        return (
            self.over
            or self.silent >= SILENT_MAX
            or (self.silent > 0 and self.probe and not self.there)
        )


class Poll:
    """A unit's scans. `up`: whether it answers, None before anything is known; `took_s`: how long
    its last whole scan was."""

    def __init__(
        self, unit: ModbusUnit, sink: Sink, now: Now, schedule: Schedule, *, rtu: bool
    ) -> None:
        self.unit = unit
        self.up: bool | None = None
        self.took_s = 0.0
        self.counts: Counter[str] = Counter()
        self._sink, self._now, self._schedule, self._rtu = sink, now, schedule, rtu
        self.desk = UnitDesk(unit, self.tell)
        self._bounds = bounds(unit)
        self._plans: dict[tuple[Span, ...], list[Block]] = {}
        self._loop = asyncio.get_running_loop()

    async def scan(self, line: Line, timeout_s: float, *, probe: bool) -> None:
        """Read every block once and deliver; Failure where the unit is lost.

        `probe`: asked once, and the rest of it only if that is answered.
        """
        begun = self._loop.time()
        scan = _Scan(line, probe)
        for block in self._blocks(tuple(self.desk.spans(self._now()))):
            await self._take(scan, block, timeout_s)
            if scan.hopeless:
                break
        self.counts["scans"] += 1
        if scan.there:
            await self._deliver(scan)
        if scan.failure is not None and (scan.hopeless or not scan.there):
            raise scan.failure
        self.took_s = self._loop.time() - begun

    async def down(self, why: str) -> None:
        """The link's alarm first, so that it speaks for its points; then every point is lost."""
        if self.up is False:
            return
        self.up = False
        self.counts["lost"] += 1
        self.tell("link_down", f"设备无应答 no answer from unit {self.unit.unit_id}: {why}")
        await self._hand_on(self.desk.lost(BAD_COMMS, self._now()))

    def tell(self, kind: str, text: str) -> None:
        """An event of the device."""
        self._sink.event(DriverEvent(self.unit.id, kind, text, self._now()))

    async def _take(self, scan: _Scan, block: Block, timeout_s: float) -> None:
        """One block into the scan; one that is refused for its gaps is read again without them."""
        found = await self._read(scan, block, timeout_s)
        if isinstance(found, Failure) and found.kind.key in TOO_MUCH and block.padded:
            self._bounds = replace(self._bounds, gap_max=0)
            self._plans.clear()
            for part in plan(block.spans, self._bounds, distinct=self._rtu):
                self._keep(scan, part, await self._read(scan, part, timeout_s))
                if scan.hopeless:
                    break
            return
        self._keep(scan, block, found)

    def _keep(self, scan: _Scan, block: Block, found: Sequence[int] | Failure) -> None:
        at = self._now()
        if not isinstance(found, Failure):
            scan.there, scan.silent = True, 0
            for span in block.spans:
                scan.answers[span] = Answer(at, block.words(span, found))
            return
        if found.kind.key in BUS_WIDE:
            scan.failure, scan.over = found, True
            return
        if found.kind.key == "held":
            scan.failure = scan.failure or found
        else:
            scan.failure = found
            scan.there |= found.kind.there
            scan.silent = 0 if found.kind.there else scan.silent + 1
        for span in block.spans:
            scan.answers[span] = Answer(at, quality=found.kind.quality)

    async def _read(self, scan: _Scan, block: Block, timeout_s: float) -> Sequence[int] | Failure:
        """The words of a block, or why there are none."""
        read = Read(self.unit.unit_id, block.function, block.address, block.count)
        for left in range(scan.tries - 1, -1, -1):
            begun = self._loop.time()
            try:
                return await scan.line.exchange(read, timeout_s)
            except Failure as failure:
                self.counts[failure.kind.key] += 1
                if failure.kind.key in BUS_WIDE:
                    return failure
                now = self._loop.time()
                if not failure.kind.there:
                    self._schedule.waste(now - begun)
                if not (left and failure.kind.again and self._schedule.may_retry(now)):
                    return failure
                self.counts["retries"] += 1
        raise AssertionError("the last try returns")

    async def _deliver(self, scan: _Scan) -> None:
        if self.up is not True:
            self.up = True
            self.desk.opened(self._now())
            self.tell("link_up", "设备在线 device answers")
        await self._hand_on(self.desk.scanned(scan.answers))

    async def _hand_on(self, rows: Rows) -> None:
        """In the order of arrival, which is that of the blocks and not of the points."""
        if not rows.points:
            return
        batch = rows.batch()
        order = np.argsort(batch.received, kind="stable")
        columns = ("point", "value", "quality", "time", "received")
        await self._sink.batch(
            replace(batch, **{name: getattr(batch, name)[order] for name in columns})
        )

    def _blocks(self, spans: tuple[Span, ...]) -> list[Block]:
        found = self._plans.get(spans)
        if found is None:
            if len(self._plans) >= PLANS_MAX:
                self._plans.clear()
            found = plan(spans, self._bounds, distinct=self._rtu)
            self._plans[spans] = found
        return found
