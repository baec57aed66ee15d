"""What stays up while daemons die: the panels, the phone, and the launcher."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from notifying import Provider
from storming import park_text

from parkwatch.daemon.journal.archive import archived
from parkwatch.daemon.pipeline.link import LinkFault, call_once
from parkwatch.daemon.store.database import open_reader
from parkwatch.simulator.modbus_server import ModbusServer, Unit

HERE = Path(__file__).resolve().parent
WAIT_S = 20.0
STEP_S = 0.002
END_S = 60.0
"""A journal that fails leaves the daemon 20 s of announcing what it cannot record."""
HIGH, LOW = 60, 10


def wait_for(condition: Callable[[], Any], what: str, deadline_s: float = WAIT_S) -> Any:
    """What the condition gives once it is not empty."""
    end = time.monotonic() + deadline_s
    while not (found := condition()):
        assert time.monotonic() < end, f"not within {deadline_s:g} s: {what}"
        time.sleep(STEP_S)
    return found


def let_pass(seconds: float) -> None:
    """An instant of a random length: what is tested is that none is special."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, STEP_S))


class Panels:
    """Modbus panels in a thread; point i of the park is on panel i % panels."""

    def __init__(self, points: int, panels: int) -> None:
        self.points, self.panels = points, panels
        self.units = {n: Unit.sized(holding=125) for n in range(1, panels + 1)}
        for unit in self.units.values():
            unit.holding[:] = LOW
        self.reads = 0
        self._loop = asyncio.new_event_loop()
        self._server = ModbusServer(self.units, self._read)
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port = self._await(self._server.start("127.0.0.1", 0))

    def _read(self) -> None:
        self.reads += 1

    def _await(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT_S)

    def set(self, point: int, value: int) -> None:
        self.units[point % self.panels + 1].holding[point // self.panels] = value

    def scanned(self, scans: int, alive: Callable[[], bool] = lambda: True) -> None:
        """Wait until each panel was read so many times more, or the daemon is dead."""
        asked = {n: unit.asked for n, unit in self.units.items()}

        def done() -> bool:
            return all(u.asked - asked[n] >= scans for n, u in self.units.items()) or not alive()

        wait_for(done, f"{scans} scans of {self.panels} panels")

    def close(self) -> None:
        self._await(self._server.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WAIT_S)
        self._loop.close()


@dataclass(slots=True)
class Run:
    """A running daemon."""

    pid: int
    ended: Callable[[], int | None]
    """Its exit code (negative: the signal), None while it runs."""

    def alive(self) -> bool:
        return self.ended() is None

    def kill(self) -> None:
        """kill -9, or find it dead."""
        if self.alive():
            os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        if self.alive():
            os.kill(self.pid, signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        wait_for(lambda: not self.alive(), "the daemon ended", END_S)
        code = self.ended()
        assert code is not None
        return code


class Launcher:
    """The process that has loaded the daemon; one daemon at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", sys.executable, str(HERE / "launch.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parent)},
        )  # fmt: skip
        self._line()

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        # Its end is the end of its daemon.
        return dict(json.loads(line)) if line else {"status": -signal.SIGKILL}

    def start(
        self, words: Sequence[str], log: Path, point: str, nth: int, *, newer: bool = False
    ) -> Run:
        """Start a command; with `point` it dies when that is reached for the n-th time."""
        start = {"words": words, "log": str(log), "point": point, "nth": nth, "newer": newer}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(start) + "\n")
        self._process.stdin.flush()
        pid = int(self._line()["pid"])
        codes: list[int] = []
        waiting = threading.Thread(target=lambda: codes.append(self._line()["status"]), daemon=True)
        waiting.start()
        return Run(pid, lambda: codes[0] if codes else None)

    def close(self) -> None:
        """A daemon that still runs dies with it."""
        self._process.kill()
        self._process.communicate(timeout=WAIT_S)


class Station:
    """A park on a folder with its panels, its phone and its launcher."""

    def __init__(
        self, folder: Path, points: int, panels: int, launcher: Launcher, **park: Any
    ) -> None:
        self.folder, self.data = folder, folder / "data"
        self.panels = Panels(points, panels)
        self.phone = Provider()
        self.launcher = launcher
        self.config = folder / "park.toml"
        text = park_text(
            points, panels=panels, port=self.panels.port, phone=self.phone.server.server_port,
            **park,
        )  # fmt: skip
        self.config.write_text(text, encoding="utf-8")

    def start(self, point: str = "", nth: int = 1) -> Run:
        """A daemon by the launcher; from its second start on it runs what was applied."""
        words = ["run", "--data", str(self.data)]
        if not (self.data / "config/applied/park.json").exists():
            words += ["-c", str(self.config)]
        return self.launched(words, point, nth)

    def launched(
        self, words: Sequence[str], point: str = "", nth: int = 1, *, newer: bool = False
    ) -> Run:
        """Any command by the launcher."""
        log = self.data.with_suffix(".log")
        return self.launcher.start([*words], log, point, nth, newer=newer)

    def run(self, *before: str) -> Run:
        """`parkwatch run` as people start it, its web process included."""
        with self.data.with_suffix(".log").open("ab") as log:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *before, sys.executable, "-m",
                 "parkwatch.daemon.cli", "run", "-c", str(self.config), "--data", str(self.data)],
                stdout=log, stderr=log,
            )  # fmt: skip
        return Run(process.pid, process.poll)

    def ask(self, op: str, **fields: Any) -> Any:
        """A question to the running daemon; LinkFault where it does not answer."""
        return call_once(self.data / "run" / "live.sock", op, deadline_s=5.0, **fields)

    def answers(self) -> bool:
        """Whether it does."""
        try:
            return bool(self.ask("health"))
        except LinkFault:
            return False

    def rows(self, query: str, *args: Any) -> list[tuple[Any, ...]]:
        """Rows of the journal's files, the archived ones first; none while there is none."""
        found = []
        try:
            for path in (*(p.path for p in archived(self.data)), self.data / "journal.db"):
                with closing(open_reader(path)) as db:
                    found += db.execute(query, args).fetchall()
        except sqlite3.OperationalError:
            return []
        return found

    def transitions(self) -> list[dict[str, Any]]:
        """Bodies of all transitions, in order."""
        rows = self.rows("SELECT body FROM record WHERE kind = 'transition' ORDER BY seq")
        return [json.loads(body) for (body,) in rows]

    def texts(self) -> list[str]:
        """What the phone was told, in order."""
        return [f"{body['title']}\n{body['message']}" for _, body in self.phone.bodies]

    def close(self) -> None:
        self.phone.close()
        self.panels.close()


@contextmanager
def station(folder: Path, points: int, panels: int = 1, **park: Any) -> Iterator[Station]:
    """A station with a launcher of its own, from its start to its end."""
    launcher = Launcher()
    made = Station(folder, points, panels, launcher, **park)
    try:
        yield made
    finally:
        launcher.close()
        made.close()


def found(station: Station, alarm: str, events: Sequence[str]) -> list[dict[str, Any]]:
    """The transitions of an alarm that are one of these events."""
    return [t for t in station.transitions() if t["alarm"] == alarm and t["event"] in events]
