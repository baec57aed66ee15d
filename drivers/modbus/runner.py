"""A bus at work: its units in turn over its connections, for ever, and one-off reads in between."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from parkwatch.drivers.config import Bus, Span
from parkwatch.drivers.modbus.airtime import bounds, round_s
from parkwatch.drivers.modbus.failures import Failure
from parkwatch.drivers.modbus.frames import Read
from parkwatch.drivers.modbus.late import Late, SecondMaster
from parkwatch.drivers.modbus.line import Line
from parkwatch.drivers.modbus.poll import Poll
from parkwatch.drivers.modbus.schedule import IDLE_S_MAX, Schedule, pause_s
from parkwatch.drivers.modbus.wire import Dial, dial
from parkwatch.drivers.source import Now, Sink
from parkwatch.drivers.unit import Answer

ASKS_MAX = 16
ASK_S = 1.0
"""A one-off read that has waited for so long goes before the next scan."""


@dataclass(slots=True)
class _Ask:
    read: Read
    overdue: float
    answer: asyncio.Future[Answer]


class Lines:
    """The connections of one endpoint and what is known of it, whoever schedules them."""

    def __init__(self, connect: Dial = dial) -> None:
        self.counts: Counter[str] = Counter()
        self.other = SecondMaster()
        self.open: list[Line] = []
        self._late = Late()
        self._connect = connect

    def serve(self, bus: Bus) -> None:
        """As many as a bus may have; those that are there stay open."""
        for line in self.open[bus.connections :]:
            line.close()
        del self.open[bus.connections :]
        for line in self.open:
            line.bus = bus
        self.open += [
            Line(bus, self._late, self.other, self.counts, self._connect)
            for _ in range(bus.connections - len(self.open))
        ]

    def close(self) -> None:
        """Drop them all."""
        for line in self.open:
            line.close()


class BusRunner:
    """One bus. `run` until cancelled; made in the event loop. `lines`: those of a runner of the
    same endpoint under another configuration, which is retired."""

    def __init__(
        self, bus: Bus, sink: Sink, now: Now, connect: Dial = dial, lines: Lines | None = None
    ) -> None:
        self.bus = bus
        self.lines = Lines(connect) if lines is None else lines
        self.lines.serve(bus)
        self._now = now
        self._loop = asyncio.get_running_loop()
        self._schedule = Schedule(bus.units, bus.timeout_s, bus.connections, self._loop.time())
        self.polls = [Poll(u, sink, now, self._schedule, rtu=bus.rtu) for u in bus.units]
        self._other_told = False
        self._retiring = False
        self._retired = asyncio.Event()
        self._asks: deque[_Ask] = deque()
        self._wake = asyncio.Event()
        self._closed_until = 0.0
        self._unreachable = 0
        self._round_s = round_s(bus)

    async def run(self) -> None:
        """Poll until cancelled or retired; a slip of ours ends it."""
        tasks = [
            asyncio.create_task(self._work(line), name=self.bus.id) for line in self.lines.open
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            whole = self._retiring and all(task.done() for task in tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if whole:
                self._retired.set()
            else:
                self.lines.close()

    def snapshot(self) -> dict[str, Any]:
        """What units said of themselves when they were first read, by id, as plain JSON."""
        found = {poll.unit.id: poll.desk.settings.snapshot() for poll in self.polls}
        return {unit: seen for unit, seen in found.items() if seen}

    def restore(self, state: Mapping[str, Any]) -> None:
        """The reverse of `snapshot`; units that are gone are forgotten."""
        for poll in self.polls:
            poll.desk.settings.restore(state.get(poll.unit.id, {}))

    async def retire(self) -> None:
        """End between two requests and leave the connections open, for a successor."""
        self._retiring = True
        self._wake.set()
        await self._retired.wait()

    @property
    def counts(self) -> Counter[str]:
        """Failures by kind, and what else happened on the line."""
        return self.lines.counts

    async def ask(self, unit_id: int, span: Span, deadline_s: float = 5.0) -> Answer:
        """Read once, between the scans. Failure; `deadline` where its turn did not come."""
        if any(
            u.unit_id == unit_id
            and bounds(u).touches(span.function, span.address, span.address + span.count)
            for u in self.bus.units
        ):
            raise Failure("blocked")
        if len(self._asks) >= ASKS_MAX:
            raise Failure("deadline", f"{ASKS_MAX} are waiting")
        read = Read(unit_id, span.function, span.address, span.count)
        ask = _Ask(read, self._loop.time() + ASK_S, self._loop.create_future())
        self._asks.append(ask)
        self._wake.set()
        try:
            async with asyncio.timeout(deadline_s):
                return await ask.answer
        except TimeoutError as late:
            raise Failure("deadline") from late

    def health(self) -> dict[str, Any]:
        """What `status` and the health page show of the bus; seconds, None where unknown."""
        return {
            "id": self.bus.id,
            "open": any(line.is_open for line in self.lines.open),
            "round_s": round(self._round_s, 3) or None,
            "measured_s": round(sum(poll.took_s for poll in self.polls), 3),
            "late_scans": self._schedule.late_scans,
            "foreign": sorted(self.lines.other.units),
            "counts": dict(self.counts),
            "units": [
                {"id": poll.unit.id, "up": poll.up, "counts": dict(poll.counts)}
                for poll in self.polls
            ],
        }

    # One connection -------------------------------------------------------------------------

    async def _work(self, line: Line) -> None:
        shut_until, shut = 0.0, 0
        while not self._retiring:
            now = self._loop.time()
            if await self._gives_way(line, now):
                continue
            closed = max(shut_until, self._closed_until)
            if now < closed:
                await self._idle(min(closed, now + IDLE_S_MAX))
                continue
            n = self._schedule.take(now)
            if self._asks and (n is None or self._asks[0].overdue <= now):
                await self._answer(line, self._asks.popleft())
            if n is None:
                if not self._asks:
                    await self._idle(self._schedule.next_due(self._loop.time()))
                continue
            if await self._scan(line, n):
                shut = 0
            else:
                shut += 1
                shut_until = self._loop.time() + pause_s(1.0, self.bus.id, shut)

    async def _scan(self, line: Line, n: int) -> bool:
        """One unit; False where this connection cannot be had although another is."""
        poll, dead = self.polls[n], self.counts["half-open"]
        try:
            await poll.scan(line, self.bus.timeout_s, probe=self._schedule.probes(n))
        except Failure as failure:
            if failure.kind.key == "foreign":
                self._schedule.back(n)
            elif failure.kind.key != "no-connection":
                self._unreachable = 0
                self._schedule.lost(n, self._loop.time())
                if self._schedule.dark:
                    line.mistrust()
                await poll.down(str(failure))
            elif any(other.is_open for other in self.lines.open):
                self._schedule.back(n)
                return False
            else:
                self._schedule.back(n)
                await self._no_connection(failure)
            return True
        self._unreachable = 0
        if self.counts["half-open"] > dead:
            self._schedule.forgive()
        self._schedule.answered(n, self._loop.time())
        return True

    async def _no_connection(self, failure: Failure) -> None:
        """Nobody behind it can be heard; the endpoint is tried again, more and more slowly."""
        self._unreachable += 1
        scan_s = min(unit.scan_ns for unit in self.bus.units) / 1e9
        self._closed_until = self._loop.time() + pause_s(scan_s, self.bus.id, self._unreachable)
        for poll in self.polls:
            await poll.down(str(failure))

    async def _gives_way(self, line: Line, now: float) -> bool:
        """Whether a second master is on the bus: it is told, listened to and never fought."""
        if self.lines.other.gone(now):
            self._other_told = False
            for poll in self.polls:
                poll.tell("second_master_over", "总线上再无别的主站 no other master is heard")
        if now >= self.lines.other.until:
            return False
        if not self._other_told:
            self._other_told = True
            units = " ".join(map(str, sorted(self.lines.other.units)))
            text = f"总线 {self.bus.id} 上有第二个主站 a second master on the bus, units: {units}"
            for poll in self.polls:
                poll.tell("second_master", text)
                await poll.down(text)
        await line.listen(min(self.lines.other.until, now + IDLE_S_MAX))
        return True

    async def _answer(self, line: Line, ask: _Ask) -> None:
        if ask.answer.done():
            return
        begun = self._loop.time()
        try:
            words = await line.exchange(ask.read, self.bus.timeout_s)
        except Failure as failure:
            self._schedule.waste(self._loop.time() - begun)
            if not ask.answer.done():
                ask.answer.set_exception(failure)
            return
        if not ask.answer.done():
            ask.answer.set_result(Answer(self._now(), words))

    async def _idle(self, until: float) -> None:
        """Wait for the next turn, or for somebody who asks."""
        self._wake.clear()
        try:
            async with asyncio.timeout_at(until):
                await self._wake.wait()
        except TimeoutError:
            return
