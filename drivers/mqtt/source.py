"""MQTT in: acknowledged to the broker only when its readings are in spool and journal.

What waits is taken together and merged into few batches; a full pipeline fills the way to it, and
the broker keeps the rest: nothing is dropped, and nothing is acknowledged early.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from parkwatch.drivers.config import Broker
from parkwatch.drivers.mqtt.gateway import GatewayDesk, Say
from parkwatch.drivers.mqtt.line import MqttLine
from parkwatch.drivers.mqtt.link import WAITING_BYTES_MAX
from parkwatch.drivers.source import DriverEvent, Now, Sink

TICK_S = 1.0
LINE_BYTES_MIN = 2 * 1_048_576
QUIET_NS = 10_000_000_000
CLOCK_QUIET_NS = 600_000_000_000
QUIET_KINDS = {
    "refused": QUIET_NS,
    "foreign": QUIET_NS,
    "replay": QUIET_NS,
    "mac": QUIET_NS,
    "gap": QUIET_NS,
    "clock": CLOCK_QUIET_NS,
}
"""What a stranger can cause as often as he likes is told at once, then at most so often."""
OVER_NS = 300_000_000_000
OVER_KINDS = frozenset({"refused", "foreign", "replay", "mac", "clock"})


class MqttSource:
    """One broker and its gateways."""

    def __init__(self, broker: Broker, sink: Sink, now: Now) -> None:
        self.name = broker.id
        self._broker = broker
        self._sink = sink
        self._now = now
        self._desks = [GatewayDesk(g, self._teller(g.id)) for g in broker.gateways]
        self._quiet: dict[tuple[str, str], tuple[int, int]] = {}
        self._seen: dict[tuple[str, str], int] = {}
        owned: dict[str, list[GatewayDesk]] = {}
        for desk in self._desks:
            owned.setdefault(desk.gateway.enterprise if broker.per_enterprise else "", []).append(
                desk
            )
        share = max(LINE_BYTES_MIN, WAITING_BYTES_MAX // max(1, len(owned)))
        self._lines = {name: self._line(name, desks, share) for name, desks in owned.items()}
        self._down: dict[str, str] = {}
        self._never_up = set(self._lines)

    # For the health page and /metrics -----------------------------------------------------------

    @property
    def refused(self) -> int:
        """Payloads refused so far."""
        return sum(desk.refused for desk in self._desks)

    @property
    def foreign(self) -> int:
        """Readings of undeclared points dropped so far."""
        return sum(desk.foreign for desk in self._desks)

    @property
    def duplicates(self) -> int:
        """Batches dropped because their sequence had been seen."""
        return sum(desk.tracker.duplicates for desk in self._desks)

    @property
    def waiting(self) -> int:
        """Messages that have come and were not taken."""
        return sum(line.waiting for line in self._lines.values())

    @property
    def unrouted(self) -> int:
        """Messages of gateways that nobody declared."""
        return sum(line.unrouted for line in self._lines.values())

    # What outlives a restart --------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Boots and sequences that are settled, by gateway, as plain JSON."""
        return {desk.gateway.id: desk.tracker.snapshot() for desk in self._desks}

    def restore(self, state: Mapping[str, Any]) -> None:
        """The reverse of `snapshot`; gateways that are gone are forgotten."""
        for desk in self._desks:
            if desk.gateway.id in state:
                desk.tracker.restore(state[desk.gateway.id])

    # The loop -----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled."""
        for owner in (desk.gateway.id for desk in self._desks):
            # What an earlier life told of may be over too.
            self._seen |= dict.fromkeys(((owner, kind) for kind in OVER_KINDS), self._now())
        async with asyncio.TaskGroup() as group:
            for name, line in self._lines.items():
                group.create_task(line.run(), name=f"mqtt.{self.name}.{name}")
            while True:
                await asyncio.sleep(TICK_S)
                self._tell_of_ends(self._now())

    def _line(self, name: str, desks: list[GatewayDesk], bytes_max: int) -> MqttLine:
        broker = self._broker
        if name:
            broker = replace(broker, client_id=f"{broker.client_id}.{name}")
        return MqttLine(broker, desks, self._sink, self._now, partial(self._told, name), bytes_max)

    def _told(self, name: str, why: str) -> None:
        """A line went up or down: the broker is down while any of them is."""
        if not why:
            self._down.pop(name, None)
            self._never_up.discard(name)
            if not self._down and not self._never_up:
                self._say(self.name, "broker_up", "已连接 connected")
        elif name not in self._down:
            self._down[name] = why
            self._say(self.name, "broker_down", f"{name}: {why}" if name else why)

    # Telling ------------------------------------------------------------------------------------

    def _teller(self, source: str) -> Say:
        def say(kind: str, text: str) -> None:
            self._say(source, kind, text)

        return say

    def _tell_of_ends(self, now: int) -> None:
        """What has not been seen again for OVER_NS is over: nothing else says so."""
        for (source, kind), seen in list(self._seen.items()):
            if now - seen >= OVER_NS:
                del self._seen[source, kind]
                self._say(source, f"{kind}_over", "已不再出现 not seen again")

    def _say(self, source: str, kind: str, text: str) -> None:
        now = self._now()
        if kind in OVER_KINDS:
            self._seen[source, kind] = now
        detail: dict[str, Any] = {}
        if kind in QUIET_KINDS:
            until, unsaid = self._quiet.get((source, kind), (0, 0))
            if now < until:
                self._quiet[source, kind] = (until, unsaid + 1)
                return
            self._quiet[source, kind] = (now + QUIET_KINDS[kind], 0)
            detail = {"unsaid": unsaid} if unsaid else {}
        self._sink.event(DriverEvent(source, kind, text, now, detail))
