"""A point's past for the chart: read from the history store, thinned with its extremes kept."""

from __future__ import annotations

import asyncio
import math
import sqlite3
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from parkwatch.daemon.web import fields
from parkwatch.daemon.web.refusal import Refusal, bad_request
from parkwatch.rules.fault import Fault
from parkwatch.rules.quality import BAD, STATUS_MASK, status_name

SPAN_NS = 15 * 60 * 1_000_000_000
SPAN_NS_MAX = 366 * 86_400 * 1_000_000_000
N_DEFAULT, N_MAX = 600, 5_000
DEADLINE_S = 10.0
AT_ONCE_MAX = 2


class Reader(Protocol):
    """The history store, opened read-only."""

    def query(self, point_id: str, start_ns: int, end_ns: int, n: int) -> Any:
        """Columns `time`, `value`, `quality` of a span, at most about n rows."""


class Trends:
    """Answers spans in threads, a few at a time; the store is opened when first asked for."""

    def __init__(self, open_reader: Callable[[], Reader]) -> None:
        self._open = open_reader
        self._reader: Reader | None = None
        self._slots = asyncio.Semaphore(AT_ONCE_MAX)

    async def query(self, point: str, asked: Mapping[str, str]) -> dict[str, Any]:
        """`{"time": [str], "value": [float|null], "quality": [name]}`; Refusal 400, 503."""
        start, end, n = span(asked)
        try:
            async with asyncio.timeout(DEADLINE_S), self._slots:
                return await asyncio.to_thread(self._query, point, start, end, n)
        except (OSError, TimeoutError, sqlite3.Error, Fault) as error:
            raise Refusal(
                503,
                "API-503-HISTORY",
                f"历史库暂不可用 the history store does not answer: {error or 'timeout'}",
                "报警不受影响;稍后重试 alarms go on; retry later",
            ) from error

    def _query(self, point: str, start: int, end: int, n: int) -> dict[str, Any]:
        if self._reader is None:
            self._reader = self._open()
        columns = self._reader.query(point, start, end, n)
        qualities = [int(quality) for quality in columns.quality]
        return {
            "time": [str(int(stamp)) for stamp in columns.time],
            "value": [
                _shown(float(value), quality)
                for value, quality in zip(columns.value, qualities, strict=True)
            ],
            "quality": [status_name(quality) for quality in qualities],
        }


def span(asked: Mapping[str, str]) -> tuple[int, int, int]:
    """`from`, `to` (ns) and `n` of a request; the last 15 min where nothing is asked."""
    end = fields.whole(asked, "to", time.time_ns())
    start = fields.whole(asked, "from", max(0, end - SPAN_NS))
    n = fields.whole(asked, "n", N_DEFAULT)
    if not start < end or end - start > SPAN_NS_MAX:
        raise bad_request(
            "时间段不正确 from must lie before to, by at most 366 days",
            "from、to 为纳秒 UTC from and to are ns UTC",
        )
    return start, end, min(max(n, 2), N_MAX)


def _shown(value: float, quality: int) -> float | None:
    return None if quality & STATUS_MASK == BAD or not math.isfinite(value) else value
