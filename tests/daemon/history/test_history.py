"""History: what is acknowledged is there after kill -9, gaps and NaN included."""

import math
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from parkwatch.daemon.history.embedded import Columns, EmbeddedReader, EmbeddedStore, thin
from parkwatch.daemon.history.service import History
from parkwatch.rules.batch import Batch

NAMES = ["hd/p/a", "hd/p/b"]


def batch(rows: list[tuple[int, int, float, int]]) -> Batch:
    """Rows of (point, time, value, quality)."""
    times = np.array([r[1] for r in rows], dtype=np.int64)
    return Batch(
        np.array([r[0] for r in rows], dtype=np.int32), np.array([r[2] for r in rows], dtype=float),
        np.array([r[3] for r in rows], dtype=np.uint8), times, times,
    )  # fmt: skip


def test_out_of_order_nan_and_repeats(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "history.db", NAMES)
    store.append([batch([(0, 30, 3.0, 0), (1, 10, 9.0, 0)]), batch([(0, 10, 1.0, 0)])])
    store.append([batch([(0, 10, 1.0, 0), (0, 20, math.nan, 0x81), (7, 1, 1.0, 0)])])
    store.close()
    reader = EmbeddedReader(tmp_path / "history.db")
    found = reader.query("hd/p/a", 0, 100, 50)
    assert found.time.tolist() == [10, 20, 30]
    assert found.quality.tolist() == [0, 0x81, 0]
    assert math.isnan(found.value[1])
    assert reader.query("hd/p/a", 20, 30, 50).time.tolist() == [20]
    assert reader.query("nobody", 0, 100, 50).time.tolist() == []
    reader.close()


def test_indices_may_change_over_a_restart(tmp_path: Path) -> None:
    first = EmbeddedStore(tmp_path / "history.db", NAMES)
    first.append([batch([(0, 1, 1.0, 0)])])
    first.close()
    second = EmbeddedStore(tmp_path / "history.db", ["new/x/y", *NAMES])
    second.append([batch([(1, 2, 2.0, 0)])])
    second.close()
    reader = EmbeddedReader(tmp_path / "history.db")
    assert reader.query("hd/p/a", 0, 9, 9).value.tolist() == [1.0, 2.0]
    reader.close()


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400), st.integers(8, 100))
def test_thinning_keeps_the_extremes(values: list[float], n: int) -> None:
    column = np.array(values)
    whole = Columns(np.arange(len(values)), column, np.zeros(len(values), dtype=np.uint8))
    few = thin(whole, n)
    assert few.value.max() == column.max()
    assert few.value.min() == column.min()
    assert len(few.time) <= max(n, 8) + 6


async def test_a_dying_store_delays_nothing_and_says_so(tmp_path: Path) -> None:
    told: list[str] = []
    history = History(tmp_path, NAMES, told.append)
    history.start()
    await history.append(batch([(0, 1, 1.0, 0)]))
    history._store._db.execute("PRAGMA query_only=ON")
    await history.append(batch([(0, 2, 2.0, 0)]))
    history._store._db.execute("PRAGMA query_only=OFF")
    await history.append(batch([(0, 3, 3.0, 0)]))
    await history.close()
    assert (history.stored, history.lost) == (2, 1)
    assert "readonly" in told[0]
    assert told[1] == ""


_VICTIM = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_history import batch, EmbeddedStore, NAMES
store = EmbeddedStore(Path(sys.argv[1]), NAMES)
for n in range(1, 10**9):
    store.append([batch([(0, n, float(n), 0)])])
    print(n, flush=True)
"""


def test_kill_9_loses_no_acknowledged_reading(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    victim = subprocess.Popen(
        [sys.executable, "-c", _VICTIM, str(path), str(Path(__file__).parent)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    timer = threading.Timer(2.0, victim.send_signal, [signal.SIGKILL])
    timer.start()
    assert victim.stdout is not None
    told = [int(line) for line in victim.stdout if line.endswith("\n")]
    victim.wait()
    timer.join()
    victim.stdout.close()
    reader = EmbeddedReader(path)
    assert len(told) > 10
    assert reader.stored() >= told[-1]
    reader.close()
