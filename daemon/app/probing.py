"""One-off reads of a technician through the buses that run: a line has one master."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from parkwatch.daemon.config.words import both
from parkwatch.drivers.config import Span
from parkwatch.drivers.modbus.failures import Failure
from parkwatch.drivers.modbus.runner import BusRunner
from parkwatch.rules.fault import Fault

SPANS_MAX = 64


async def read(
    buses: Callable[[], Sequence[BusRunner]], request: Mapping[str, Any]
) -> dict[str, Any]:
    """Spans of one unit of a bus, each with its words and when, or why there are none.

    Fault PRB-404 where no such bus runs, PRB-422 where the request asks for what cannot be read.
    """
    runner = next((each for each in buses() if each.bus.id == request.get("bus")), None)
    if runner is None:
        raise Fault(
            "PRB-404",
            both(f"没有此总线 {request.get('bus')}", f"no such bus runs: {request.get('bus')}"),
            "parkwatch status",
        )
    unit, spans = _asked(request)
    return {"answers": [await _one(runner, unit, span) for span in spans]}


async def _one(runner: BusRunner, unit: int, span: Span) -> dict[str, Any]:
    try:
        answer = await runner.ask(unit, span)
    except Failure as failure:
        return {"failure": failure.kind.key, "text": str(failure)}
    return {"words": list(answer.words or ()), "at": str(answer.at)}


def _asked(request: Mapping[str, Any]) -> tuple[int, list[Span]]:
    try:
        unit = int(request["unit"])
        spans = [Span(int(f), int(address), int(n)) for f, address, n in request["spans"]]
    except (KeyError, TypeError, ValueError) as error:
        raise _odd(str(error)) from error
    most = {1: 2000, 2: 2000, 3: 125, 4: 125}
    sound = 0 <= unit <= 255 and all(
        0 < s.count <= most.get(s.function, 0) and 0 <= s.address <= 65_536 - s.count for s in spans
    )
    if not sound or len(spans) > SPANS_MAX:
        raise _odd(f"{unit} {request['spans']}")
    return unit, spans


def _odd(what: str) -> Fault:
    return Fault(
        "PRB-422",
        both(f"无法如此读取: {what}", f"this cannot be read: {what}"),
        both("功能码 1-4,一次至多 125 字或 2000 位", "functions 1 to 4, 125 words or 2000 bits"),
    )
