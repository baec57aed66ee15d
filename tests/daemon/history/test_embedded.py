"""The embedded store: what was drained can be read, once, in order, across compaction."""

import math
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from readings import END, NAMES, SECOND, START, rows, series

from parkwatch.daemon.history import embedded
from parkwatch.daemon.history.columns import StoreFault
from parkwatch.daemon.history.embedded import DAY_NS, WINDOW_NS, EmbeddedReader, EmbeddedStore
from parkwatch.rules.fault import Fault


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history" / "history.db"


@pytest.fixture
def store(path: Path) -> Iterator[EmbeddedStore]:
    made = EmbeddedStore(path)
    yield made
    made.close()


@pytest.mark.parametrize("compacted", [False, True], ids=["raw", "chunks"])
def test_what_was_written_is_read_with_its_quality(
    store: EmbeddedStore, path: Path, compacted: bool
) -> None:
    times = [START, START + SECOND, START + 2 * SECOND]
    store.write(rows([24.6, math.nan, 3.1], time=times, quality=[0, 0x83, 0x4B]))
    store.write(rows([7.0], point=1))
    if compacted:
        store.compact()
    (a, b, c) = series(EmbeddedReader(path))
    assert (a, c) == ((times[0], 24.6, 0), (times[2], 3.1, 0x4B))
    assert (b[0], math.isnan(b[1]), b[2]) == (times[1], True, 0x83)
    assert series(EmbeddedReader(path), NAMES[1]) == [(START, 7.0, 0)]
    assert series(EmbeddedReader(path), "huadong/panel-1/unknown") == []


def test_out_of_order_gaps_and_repeats_over_many_compactions(
    store: EmbeddedStore, path: Path
) -> None:
    late = START - 7 * WINDOW_NS
    for first in (START + 10 * SECOND, START, late, START + 10 * SECOND):
        store.write(rows([1.0, 2.0], time=[first, first + SECOND]))
        store.write(rows([1.0, 9.0], time=[first, first]))  # told again; and another value
        store.compact()
    store.write(rows([1.0], time=START))  # a repeat that is not sorted yet
    expected = [
        one
        for t in (late, START, START + 10 * SECOND)
        for one in ((t, 1.0, 0), (t, 9.0, 0), (t + SECOND, 2.0, 0))
    ]
    assert series(EmbeddedReader(path)) == expected
    store.compact()
    assert EmbeddedReader(path).stored() == len(expected)  # stored once, not only read once


def test_the_span_is_half_open_over_window_borders(store: EmbeddedStore, path: Path) -> None:
    border = START // WINDOW_NS * WINDOW_NS
    times = [border - 1, border, border + 1, border + WINDOW_NS]
    store.write(rows([1, 2, 3, 4], time=times))
    for _ in range(2):
        found = EmbeddedReader(path).query(NAMES[0], border, border + WINDOW_NS, 100)
        assert found.value.tolist() == [2, 3]
        store.compact()


def test_enough_rows_are_sorted_by_themselves(
    store: EmbeddedStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "GATHER_ROWS", 180)
    for i in range(4):
        store.write(rows([float(i)] * 100, time=[START + (100 * i + k) for k in range(100)]))
    with sqlite3.connect(path) as db:
        raw, chunks = (db.execute(f"SELECT sum(rows) FROM {t}").fetchone()[0] for t in _TABLES)
    db.close()
    assert (raw, chunks) == (None, 400)
    assert len(series(EmbeddedReader(path))) == 400


def test_a_clock_that_stands_still_does_not_make_one_endless_chunk(
    store: EmbeddedStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "CHUNK_ROWS_MAX", 50)
    for i in range(5):
        store.write(rows([float(40 * i + k) for k in range(40)]))
        store.compact()
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT max(rows) FROM chunk").fetchone()[0] <= 90
    db.close()
    assert len(series(EmbeddedReader(path))) == 200


def test_ids_keep_their_readings_when_indices_change(path: Path) -> None:
    first = EmbeddedStore(path)
    first.write(rows([1.0], point=0))
    first.close()
    second = EmbeddedStore(path)
    second.write(rows([2.0], names=(NAMES[2], NAMES[0]), point=1, time=START + 1))
    second.close()
    assert [v for _, v, _ in series(EmbeddedReader(path))] == [1.0, 2.0]


def test_what_is_past_its_time_goes(path: Path) -> None:
    store = EmbeddedStore(path, retention_days=30)
    store.write(rows([1.0], time=START - 40 * DAY_NS))
    store.write(rows([2.0], time=START))
    store.compact()
    store.close()
    assert [v for _, v, _ in series(EmbeddedReader(path))] == [2.0]


def test_a_file_of_another_schema_or_none_is_a_fault(path: Path) -> None:
    with pytest.raises(Fault) as no_file:
        EmbeddedReader(path).query(NAMES[0], 0, END, 10)
    assert no_file.value.code == "HIS-001"
    path.parent.mkdir()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 7")
    db.close()
    with pytest.raises(StoreFault, match="schema 7"):
        EmbeddedStore(path)
    path.write_bytes(b"not a database at all, but long enough to look like a file" * 20)
    with pytest.raises(StoreFault):
        EmbeddedStore(path)


_TABLES = ("raw", "chunk")
