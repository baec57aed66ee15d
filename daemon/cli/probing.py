"""Reading a device for a technician: through the daemon that polls its line, else directly."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from parkwatch.daemon.pipeline.link import LinkFault, call_once
from parkwatch.drivers.config import Bus, ModbusUnit, Span
from parkwatch.drivers.modbus.airtime import bounds
from parkwatch.drivers.modbus.failures import Failure
from parkwatch.drivers.modbus.once import Once
from parkwatch.drivers.plan import plan
from parkwatch.drivers.unit import Answer

DEADLINE_S = 60.0


class Reader(Protocol):
    """Somebody who reads spans of one line."""

    way: str

    async def read(self, unit_id: int, span: Span) -> Answer:
        """The words of a span; Failure."""

    def close(self) -> None:
        """It is not needed any more."""


class Direct:
    """Over a connection of our own."""

    way = "direct"

    def __init__(self, bus: Bus) -> None:
        self._once = Once(bus)

    async def read(self, unit_id: int, span: Span) -> Answer:
        """The words of a span; Failure."""
        return await self._once.read(unit_id, span)

    def close(self) -> None:
        """Drop the connection."""
        self._once.close()


class Through:
    """Between the scans of the daemon that polls the line."""

    way = "daemon"

    def __init__(self, data: Path, bus: str) -> None:
        self._socket, self._bus = data / "run" / "live.sock", bus

    async def read(self, unit_id: int, span: Span) -> Answer:
        """The words of a span; Failure, LinkFault."""
        asked = [[span.function, span.address, span.count]]
        told = await asyncio.to_thread(
            call_once, self._socket, "read", deadline_s=DEADLINE_S, bus=self._bus, unit=unit_id,
            spans=asked,
        )  # fmt: skip
        (answer,) = told["answers"]
        if "failure" in answer:
            raise Failure(answer["failure"])
        return Answer(int(answer["at"]), answer["words"])

    def close(self) -> None:
        """Nothing of ours is open."""


def reader(data: Path, bus: Bus) -> Reader:
    """Who reads a line: the daemon of the data folder where it polls that endpoint. A second
    connection beside it is never opened: many panels take one, and a serial line has one master."""
    for polled in _polled(data):
        if _endpoint(polled) == _endpoint(bus.id):
            return Through(data, polled)
    return Direct(bus)


def _polled(data: Path) -> Sequence[str]:
    """The lines of the daemon that runs on a data folder; none where none runs."""
    try:
        health: Mapping[str, Any] = call_once(data / "run" / "live.sock", "health")
    except LinkFault as fault:
        if fault.code != "SYS-101":
            raise
        return ()
    return [bus["id"] for bus in health["buses"]]


def _endpoint(bus: str) -> tuple[str, ...]:
    """What two names of one endpoint have in common."""
    transport, _, rest = bus.partition(":")
    if transport == "rtu":
        return ("serial", str(Path(rest).resolve()))
    host, _, port = rest.rpartition(":")
    try:
        found = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    except OSError:
        return (host, port)
    return (str(found[0][4][0]), port)


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a unit: what each span brought, and why a read failed."""

    answers: Mapping[Span, Answer]
    failures: Mapping[Span, Failure]


async def look(by: Reader, bus: Bus, unit: ModbusUnit, spans: Sequence[Span]) -> Look:
    """Read spans in as few requests as the daemon itself would."""
    answers: dict[Span, Answer] = {}
    failures: dict[Span, Failure] = {}
    for block in plan(spans, bounds(unit), distinct=bus.rtu):
        whole = Span(block.function, block.address, block.count)
        try:
            found = await by.read(unit.unit_id, whole)
        except Failure as failure:
            failures |= dict.fromkeys(block.spans, failure)
            answers |= {s: Answer(0, quality=failure.kind.quality) for s in block.spans}
            continue
        assert found.words is not None
        for span in block.spans:
            answers[span] = Answer(found.at, block.words(span, found.words))
    return Look(answers, failures)


async def around(by: Reader, unit_id: int, function: int, address: int) -> Mapping[int, int]:
    """The words from one before an address to two behind it, as far as the device has them."""
    first = max(0, address - 1)
    wanted = range(first, min(65_536, address + 3))
    try:
        found = await by.read(unit_id, Span(function, first, len(wanted)))
        return dict(zip(wanted, found.words or (), strict=True))
    except Failure as failure:
        if not failure.kind.there:
            raise
    words: dict[int, int] = {}
    for each in wanted:
        try:
            one = await by.read(unit_id, Span(function, each, 1))
        except Failure as failure:
            if not failure.kind.there:
                raise
            continue  # The device has no such register.
        words[each] = (one.words or (0,))[0]
    return words


def hexed(words: Sequence[int]) -> str:
    """Words as a technician compares them with the maker's list."""
    return str(words[0]) if len(words) == 1 else " ".join(f"{w:04X}" for w in words)
