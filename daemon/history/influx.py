"""InfluxDB 2 as the store: written as line protocol, read back with Flux.

The same (point, time) written again is one row there, so what is not known to be kept is simply
written again; two different values of one point at one time are one row too, the later. What the
server refuses for what it says (400, 413, 422) is halved until the bad lines stand alone; they go
to the dead letters. Everything else is the server's state: back off, the spool holds.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import urllib3
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException
from numpy.typing import NDArray

from parkwatch.daemon.config.history import HistoryConfig
from parkwatch.daemon.history.columns import Columns, Rows, StoreFault, joined, thin
from parkwatch.daemon.history.lines import MEASUREMENT, DeadLetters, LineEncoder
from parkwatch.rules.fault import Fault
from parkwatch.rules.quality import BAD_FAULT
from parkwatch.rules.site import SECOND_NS

TIMEOUT_MS = 10_000
QUERY_TIMEOUT_MS = 9_000
LINES_MAX = 5_000
POISON = frozenset({400, 413, 422})
TRIES_MAX = 200
"""Requests that one refused write may cost; what is left then goes to the dead letters whole."""
RAW_ROWS_MAX = 20_000
SCAN_ROWS = (50_000, 200_000)
SCAN_NS = (60 * SECOND_NS, 6 * 3600 * SECOND_NS)
"""A scan's pieces grow and shrink between these, so that they hold about so many rows."""
INT64_MAX = 2**63 - 1
_PIVOT = 'pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")'


def connect(config: HistoryConfig, timeout_ms: int = TIMEOUT_MS) -> InfluxDBClient:
    """A client that follows no redirect and tries nothing twice."""
    return InfluxDBClient(
        url=config.url,
        token=config.token,
        org=config.org,
        timeout=timeout_ms,
        enable_gzip=True,
        retries=False,
    )


class InfluxStore:
    """The writing side (see Store)."""

    def __init__(self, config: HistoryConfig, dead: Path) -> None:
        self._config = config
        self._client = connect(config)
        self._api = self._client.write_api(write_options=SYNCHRONOUS)
        self._encoder = LineEncoder()
        self._dead = DeadLetters(dead)

    def write(self, rows: Rows) -> None:
        """Write all rows, in requests of at most LINES_MAX lines."""
        lines = self._encoder.encode(rows)
        for first in range(0, len(lines), LINES_MAX):
            self._write(lines[first : first + LINES_MAX])

    def close(self) -> None:
        """Close connections."""
        self._api.close()  # type: ignore[no-untyped-call]
        self._client.close()  # type: ignore[no-untyped-call]

    def _write(self, lines: Sequence[str]) -> None:
        """Halve what is refused for what it says; StoreFault where the server is not able."""
        waiting, tries = [lines], 0
        while waiting:
            part = waiting.pop()
            tries += 1
            refused = self._post(part)
            if refused and (len(part) == 1 or tries >= TRIES_MAX):
                self._bury(part, refused)
            elif refused:
                half = len(part) // 2
                waiting += [part[half:], part[:half]]

    def _bury(self, lines: Sequence[str], why: str) -> None:
        try:
            self._dead.add(lines, why)
        except OSError as error:
            raise StoreFault(f"死信无法写入 dead letters cannot be written: {error}") from error

    def _post(self, lines: Sequence[str]) -> str:
        """Why the lines were refused for what they say, or empty; StoreFault for all else."""
        try:
            self._api.write(self._config.bucket, self._config.org, "\n".join(lines).encode())
        except ApiException as error:
            if error.status in POISON:
                return f"{error.status} {_said(error)}"
            what = f"InfluxDB {error.status} {_said(error)}"
            raise StoreFault(what, _retry_after_s(error)) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise StoreFault(f"InfluxDB 无应答 does not answer: {error}") from error
        return ""


class InfluxReader:
    """The reading side (see Reader)."""

    def __init__(self, config: HistoryConfig) -> None:
        self._bucket = config.bucket
        self._client = connect(config, QUERY_TIMEOUT_MS)

    def query(self, point_id: str, start_ns: int, end_ns: int, n: int) -> Columns:
        """See Reader; a long span is thinned by the server. Fault HIS-002 where it is away."""
        start, end = max(start_ns, -INT64_MAX + 1), min(end_ns, INT64_MAX)
        if end <= start:
            return joined([])
        with _answering():
            return self._query(point_id, start, end, n)

    def scan(self, start_ns: int, end_ns: int) -> Iterator[Rows]:
        """See Reader; received is the source time: the server keeps no other."""
        end, span = min(end_ns, INT64_MAX), SCAN_NS[0]
        at = self._first(max(start_ns, -INT64_MAX + 1), end)
        while at is not None and at < end:
            until = min(at + span, end)
            with _answering():
                rows = _rows_of(list(self._rows(f"{self._all(at, until)} |> {_PIVOT}")))
            if len(rows):
                yield rows
            if len(rows) < SCAN_ROWS[0]:
                span = min(2 * span, SCAN_NS[1])
            elif len(rows) > SCAN_ROWS[1]:
                span = max(span // 2, SCAN_NS[0])
            at = until if len(rows) else self._first(until, end)

    def _first(self, start: int, end: int) -> int | None:
        """The time of the first reading, None where there is none."""
        if end <= start:
            return None
        one = f'{self._all(start, end)} |> filter(fn: (r) => r._field == "quality")'
        with _answering():
            found = _times([row["_time"] for row in self._rows(f"{one} |> first()")])
        return int(found.min()) if len(found) else None

    def _all(self, start: int, end: int) -> str:
        """Flux for the readings of all points in a span."""
        return (
            f"from(bucket: {_text(self._bucket)})"
            f" |> range(start: time(v: {start}), stop: time(v: {end}))"
            f" |> filter(fn: (r) => r._measurement == {_text(MEASUREMENT)})"
        )

    def close(self) -> None:
        """Close connections."""
        self._client.close()  # type: ignore[no-untyped-call]

    def _query(self, point_id: str, start: int, end: int, n: int) -> Columns:
        data = f"{self._all(start, end)} |> filter(fn: (r) => r.point == {_text(point_id)})"
        both = f"{data} |> {_PIVOT}"
        one = f'{data} |> filter(fn: (r) => r._field == "quality")'
        count = sum(int(row["_value"]) for row in self._rows(f"{one} |> count()"))
        if count <= max(n, RAW_ROWS_MAX):
            return thin(_columns(list(self._rows(both))), n)
        ends = [row for end in ("first", "last") for row in self._rows(f"{one} |> {end}()")]
        times = _times([row["_time"] for row in ends])
        every = max(1, int(times.max() - times.min()) // max(1, n // 4))
        found: list[dict[str, str]] = []
        for pick in (
            'filter(fn: (r) => exists r.value) |> WINDOW |> min(column: "value")',
            'filter(fn: (r) => exists r.value) |> WINDOW |> max(column: "value")',
            'WINDOW |> max(column: "quality")',
            'WINDOW |> first(column: "quality")',
        ):
            window = f"window(every: {every}ns)"
            found += self._rows(f"{both} |> {pick.replace('WINDOW', window)}")
        return thin(_columns(found), n)

    def _rows(self, flux: str) -> Iterator[dict[str, str]]:
        """Rows of an annotated CSV answer; tables may differ in columns."""
        answer = self._client.query_api().query_raw(flux)
        with io.TextIOWrapper(answer, encoding="utf-8", newline="") as text:
            head: list[str] | None = None
            for row in csv.reader(text):
                if not row or row[0].startswith("#"):
                    head = None
                elif head is None:
                    head = row
                else:
                    yield dict(zip(head, row, strict=False))


@contextmanager
def _answering() -> Iterator[None]:
    """A server that does not answer a query is Fault HIS-002."""
    try:
        yield
    except (ApiException, urllib3.exceptions.HTTPError, OSError) as error:
        text = _said(error) if isinstance(error, ApiException) else str(error)
        raise Fault(
            "HIS-002",
            f"InfluxDB 无法读取 cannot be read: {text}",
            "报警不受影响;检查历史库 alarms go on; check the server",
        ) from error


def _rows_of(found: Sequence[dict[str, str]]) -> Rows:
    """Pivoted rows of many points, in order of time and point."""
    names = tuple(sorted({row["point"] for row in found}))
    number = {name: n for n, name in enumerate(names)}
    point = np.array([number[row["point"]] for row in found], dtype=np.int32)
    time, value, quality = _arrays(found)
    order = np.lexsort((point, time))
    time = time[order]
    origin = np.zeros(len(order), dtype=np.int32)
    return Rows(names, ("live",), point[order], value[order], quality[order], time, time, origin)


def _columns(rows: Sequence[dict[str, str]]) -> Columns:
    return joined([Columns(*_arrays(rows))])


def _arrays(
    rows: Sequence[dict[str, str]],
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.uint8]]:
    """Time, value and quality of pivoted rows."""
    time = _times([row["_time"] for row in rows])
    value = np.array([float(row.get("value") or "nan") for row in rows], dtype=np.float64)
    quality = np.array([int(row.get("quality") or BAD_FAULT) for row in rows], dtype=np.uint8)
    return time, value, quality


def _times(stamps: Sequence[str]) -> NDArray[np.int64]:
    """RFC 3339 in UTC with up to nine decimals as ns."""
    return np.array([stamp.rstrip("Z") for stamp in stamps], dtype="M8[ns]").astype(np.int64)


def _text(text: str) -> str:
    """A Flux string literal."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${") + '"'


def _said(error: ApiException) -> str:
    body = error.body or error.reason or ""
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body)
    return " ".join(text.split())[:300]


def _retry_after_s(error: ApiException) -> float:
    """What `Retry-After` asks for in seconds; a date counts as nothing."""
    headers: Mapping[str, str] = error.headers or {}
    asked = headers.get("Retry-After", "")
    return float(asked) if asked.isascii() and asked.isdigit() else 0.0
