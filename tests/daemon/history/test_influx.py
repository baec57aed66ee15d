"""InfluxDB 2: every reading arrives once, whatever the server answers; nothing retries for ever."""

import asyncio
import gzip
import json
import math
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from readings import END, NAMES, SECOND, START, Ears, Wait, batch, dead_lines, rows, series

from parkwatch.daemon.config.history import HistoryConfig
from parkwatch.daemon.history import influx, service
from parkwatch.daemon.history.columns import StoreFault
from parkwatch.daemon.history.influx import InfluxStore
from parkwatch.daemon.history.lines import DeadLetters, LineEncoder
from parkwatch.daemon.history.reader import open_reader
from parkwatch.daemon.history.service import History
from parkwatch.rules.fault import Fault

Answer = tuple[int, dict[str, str], str]
TAKEN: Answer = (204, {}, "")


class StubServer:
    """An /api/v2/write that takes lines, or answers what `answer(lines)` says."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.requests = 0
        self.paths: set[str] = set()
        self.tokens: set[str | None] = set()
        self.answer: Callable[[list[str]], Answer] = lambda lines: TAKEN
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                lines = body.decode().splitlines()
                stub.requests += 1
                stub.paths.add(self.path)
                stub.tokens.add(self.headers["Authorization"])
                status, headers, text = stub.answer(lines)
                if status == 204:
                    stub.lines += lines
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_request(self, *args: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.config = HistoryConfig(
            "influx", f"http://127.0.0.1:{self.server.server_port}", "park", "readings", "secret"
        )


@pytest.fixture
def stub() -> Iterator[StubServer]:
    made = StubServer()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join(5)


@pytest.fixture
def store(stub: StubServer, tmp_path: Path) -> Iterator[InfluxStore]:
    made = InfluxStore(stub.config, tmp_path / "history" / "dead")
    yield made
    made.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "DRAIN_S", 0.02)
    monkeypatch.setattr(service, "BACK_OFF_S", (0.02, 0.1))


@pytest.fixture
async def history(stub: StubServer, tmp_path: Path, quick: None) -> AsyncIterator[History]:
    made = History(stub.config, tmp_path, NAMES, Ears())
    made.start()
    yield made
    await made.close()


def test_lines_are_exactly_these() -> None:
    encoder = LineEncoder()
    hostile = ("huadong/panel-1/h2s-0103", "a b/d,e/f=g\nreading evil=1")
    found = encoder.encode(
        rows([24.6, math.nan, math.inf, 1e300, -0.0], names=hostile, point=[0, 0, 0, 1, 7],
             quality=[0, 0x83, 0x47, 0x40, 0], time=[1, 2, 3, -4, 5])
    )  # fmt: skip
    p = "reading,enterprise=huadong,point=huadong/panel-1/h2s-0103 "
    q = "reading,enterprise=a\\ b,point=a\\ b/d\\,e/f\\=g_reading\\ evil\\=1 "
    assert found == [
        f"{p}value=24.6,quality=0i 1",
        f"{p}quality=131i 2",
        f"{p}quality=71i 3",
        f"{q}value=1e+300,quality=64i -4",
    ]


def test_a_request_names_bucket_organisation_and_token(
    stub: StubServer, store: InfluxStore
) -> None:
    store.write(rows([float(n) for n in range(influx.LINES_MAX + 1)]))
    assert (len(stub.lines), stub.requests) == (influx.LINES_MAX + 1, 2)
    assert stub.paths == {"/api/v2/write?org=park&bucket=readings&precision=ns"}
    assert stub.tokens == {"Token secret"}


def test_what_it_will_never_take_goes_to_the_dead_letters(
    stub: StubServer, store: InfluxStore, tmp_path: Path
) -> None:
    def choosy(lines: list[str]) -> Answer:
        bad = sum("value=66" in line for line in lines)
        text = json.dumps({"code": "unprocessable entity", "message": f"dropped={bad}\n# no"})
        return (422, {}, text) if bad else TAKEN

    stub.answer = choosy
    values = [float(n) for n in range(60, 70)]
    store.write(rows(values, time=[START + n for n in range(10)]))
    assert sorted(line.split("value=")[1][:2] for line in stub.lines) == [
        str(n) for n in range(60, 70) if n != 66
    ]
    (dead,) = dead_lines(tmp_path)
    assert "value=66.0" in dead
    assert stub.requests < 12  # halved, not one by one


def test_a_server_that_refuses_all_ends_in_dead_letters_not_in_a_loop(
    stub: StubServer, store: InfluxStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(influx, "TRIES_MAX", 20)
    stub.answer = lambda lines: (400, {}, "unable to parse")
    store.write(rows([1.0] * 500, time=list(range(500))))
    assert len(dead_lines(tmp_path)) == 500
    assert stub.requests < 40


@pytest.mark.parametrize("status", [401, 404, 429, 500, 503])
def test_the_servers_own_state_is_a_fault_and_buries_nothing(
    stub: StubServer, store: InfluxStore, tmp_path: Path, status: int
) -> None:
    stub.answer = lambda lines: (status, {"Retry-After": "7"}, '{"message":"later"}')
    with pytest.raises(StoreFault, match=f"{status}.*later") as fault:
        store.write(rows([1.0]))
    assert fault.value.retry_after_s == 7
    assert stub.requests == 1
    assert dead_lines(tmp_path) == []


def test_a_redirect_is_no_success(stub: StubServer, store: InfluxStore) -> None:
    stub.answer = lambda lines: (307, {"Location": stub.config.url + "/elsewhere"}, "")
    with pytest.raises(StoreFault, match="307"):
        store.write(rows([1.0]))
    assert stub.requests == 1


def test_nobody_there_is_a_fault(tmp_path: Path, free_port: int) -> None:
    store = InfluxStore(HistoryConfig("influx", f"http://127.0.0.1:{free_port}"), tmp_path)
    with pytest.raises(StoreFault, match="does not answer"):
        store.write(rows([1.0]))
    store.close()
    with pytest.raises(Fault) as fault:
        series(open_reader(HistoryConfig("influx", f"http://127.0.0.1:{free_port}"), tmp_path))
    assert fault.value.code == "HIS-002"


async def test_503_and_429_are_waited_out(
    stub: StubServer, history: History, wait_until_async: Wait
) -> None:
    answers: list[Answer] = [(503, {}, "busy"), (429, {}, "slow down"), (500, {}, "")] * 2
    stub.answer = lambda lines: answers.pop() if answers else TAKEN
    for n in range(50):
        await history.append(batch([float(n)], time=START + n))
    await wait_until_async(lambda: history.stored == 50, "all were stored")
    times = {line.rsplit(" ", 1)[1] for line in stub.lines}
    assert times == {str(START + n) for n in range(50)}
    assert history.lost == 0


def test_dead_letters_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parkwatch.daemon.history.lines.DEAD_BYTES_MAX", 200)
    monkeypatch.setattr("parkwatch.daemon.history.lines.DEAD_FILES_MAX", 3)
    dead = DeadLetters(tmp_path)
    for n in range(40):
        dead.add([f"reading,point=p value={n} {n}"], "422\nbecause\r\nof # this")
    files = sorted(tmp_path.glob("*.lp"))
    assert len(files) <= 4
    assert all(f.read_text().startswith("# parkwatch dead letters 1\n") for f in files)
    assert files[-1].read_text().endswith("value=39 39\n")
    assert dead.lines == 40


# --- a real server --------------------------------------------------------------------------------


def config_of(server: Any) -> HistoryConfig:
    return HistoryConfig("influx", server.url, server.org, server.bucket, server.token)


@pytest.mark.influx
async def test_all_rows_come_back_over_a_stop_and_a_restart(
    influxd: Any, tmp_path: Path, quick: None, wait_until_async: Wait
) -> None:
    ears = Ears()
    history = History(config_of(influxd), tmp_path, NAMES, ears)
    history.start()

    async def append(first: int) -> None:
        for n in range(first, first + 300):
            quality = 0x83 if n % 10 == 9 else 0
            value = math.nan if quality else n / 10
            at = START + n * SECOND + 1  # ends in 001: nanoseconds survive
            await history.append(
                batch([value, float(n)], point=[0, 2], time=at, quality=[quality, 0x40])
            )

    await append(0)
    await wait_until_async(lambda: history.stored == 600, "stored")
    await asyncio.to_thread(influxd.kill)
    await append(300)
    await wait_until_async(lambda: ears.says("system/history:down", active=True), "told")
    await asyncio.to_thread(influxd.start)
    await wait_until_async(lambda: history.stored == 1200, "the rest came after", 20)
    await history.close()

    reader = open_reader(config_of(influxd), tmp_path)
    found = await asyncio.to_thread(series, reader)
    assert [t for t, _, _ in found] == [START + n * SECOND + 1 for n in range(600)]
    assert [q for _, _, q in found] == [0x83 if n % 10 == 9 else 0 for n in range(600)]
    assert all(math.isnan(v) if n % 10 == 9 else v == n / 10 for n, (_, v, _) in enumerate(found))
    other = await asyncio.to_thread(series, reader, NAMES[2])
    assert [(v, q) for _, v, q in other] == [(float(n), 0x40) for n in range(600)]
    assert await asyncio.to_thread(series, reader, NAMES[1]) == []
    reader.close()
    assert dead_lines(tmp_path) == []


@pytest.mark.influx
def test_a_real_type_conflict_is_buried_and_the_rest_is_kept(influxd: Any, tmp_path: Path) -> None:
    config = config_of(influxd)
    store = InfluxStore(config, tmp_path / "history" / "dead")
    line = f"reading,enterprise=huadong,point={NAMES[1]} value=1i {START}"
    store._api.write(config.bucket, config.org, line.encode())
    # The type of a field is one for a measurement and a week: only the second line is refused.
    later = START + 30 * 86_400 * SECOND
    store.write(rows([1.0, 2.0, 3.0], time=[later, START + 1, later + 1]))
    store.close()
    reader = open_reader(config, tmp_path)
    # From that week on: over both types at once InfluxDB itself shows no value.
    assert reader.query(NAMES[0], later, END, 10).value.tolist() == [1.0, 3.0]
    reader.close()
    (dead,) = dead_lines(tmp_path)
    assert "value=2.0" in dead


@pytest.mark.influx
def test_a_long_span_is_thinned_by_the_server_with_its_extremes(
    influxd: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(influx, "RAW_ROWS_MAX", 100)
    store = InfluxStore(config_of(influxd), tmp_path)
    values = [float(n % 7) for n in range(3000)]
    quality = [0] * 3000
    values[1234], values[2345], values[500] = 99.0, -5.0, math.nan
    quality[500] = 0x83
    store.write(rows(values, time=[START + n * SECOND for n in range(3000)], quality=quality))
    store.close()
    reader = open_reader(config_of(influxd), tmp_path)
    found = series(reader, n=60)
    reader.close()
    assert len(found) <= 60
    assert (START + 1234 * SECOND, 99.0, 0) in found
    assert (START + 2345 * SECOND, -5.0, 0) in found
    assert max(q for _, _, q in found) == 0x83
    assert found[0][0] == START
