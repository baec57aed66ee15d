"""Whole paths over real sockets: the simulated plant, the daemon, and the command line."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from parkwatch.daemon.cli.main import main

T = TypeVar("T")
STOP_S = 15.0


def wait_for(get: Callable[[], T | None], deadline_s: float, what: str) -> T:
    """Ask until there is an answer that is not empty, or fail by name."""
    end = time.monotonic() + deadline_s
    while not (found := get()):
        assert time.monotonic() < end, f"not within {deadline_s} s: {what}"
        time.sleep(0.05)
    return found


class Plant:
    """The simulator's `plant-all`: Modbus behind the recording proxy, broker, gateway, phone."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "parkwatch.simulator", "plant-all"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.ready: dict[str, Any] = json.loads(self._process.stdout.readline())

    def config(self, folder: Path) -> Path:
        """The demo's configuration for this plant, with its secrets."""
        command = [
            sys.executable, "-m", "parkwatch.simulator", "config", "--folder", str(folder),
            "--modbus-port", str(self.ready["port"]), "--mqtt-port", str(self.ready["mqtt"]),
            "--phone-url", f"json://127.0.0.1:{self.ready['phone']}/", "--bind", "127.0.0.1:0",
        ]  # fmt: skip
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return folder / "park.toml"

    def end(self) -> dict[str, Any]:
        """Its counters: function codes seen, violations, writes."""
        self._process.send_signal(signal.SIGTERM)
        out, _ = self._process.communicate(timeout=STOP_S)
        return dict(json.loads(out.splitlines()[-1]))


class Daemon:
    """`parkwatch run` on a folder, and the command line that talks to it."""

    def __init__(self, config: Path, data: Path, *more: str) -> None:
        self.data = data
        self._log = data.with_suffix(".log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "parkwatch.daemon.cli", "run", "-c", str(config),
             "--data", str(data), *more],
            stdout=self._log,
            stderr=self._log,
        )  # fmt: skip

    def cli(self, *arguments: str) -> tuple[int, Any]:
        """Exit code and the `--json` document of a command."""
        done = subprocess.run(
            [sys.executable, "-m", "parkwatch.daemon.cli", "--json", "--data", str(self.data),
             *arguments],
            capture_output=True, text=True, check=False, env={**os.environ, "NO_COLOR": "1"},
        )  # fmt: skip
        return done.returncode, json.loads(done.stdout) if done.stdout else {}

    def alarms(self) -> dict[str, dict[str, Any]]:
        """Alarms that are not normal, by id; empty while the daemon does not answer."""
        code, document = self.cli("alarms", "list")
        return {} if code else {item["id"]: item for item in document["data"]["items"]}

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(STOP_S)
        self._log.close()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(STOP_S)
        self._log.close()
        return code


class Folder:
    """A park whose devices do not answer, and its daemon."""

    def __init__(self, folder: Path) -> None:
        assert main(["init", str(folder / "conf")]) == 0
        self.config = folder / "conf/park.toml"
        self.data = folder / "data"
        self.daemon: Daemon | None = None

    def start(self) -> Daemon:
        listen = self.data / "run/listen.json"
        listen.unlink(missing_ok=True)  # Of one that was killed.
        self.daemon = Daemon(self.config, self.data)
        wait_for(listen.exists, 30, "the daemon listens")
        return self.daemon

    def stop(self) -> None:
        assert self.daemon is not None
        assert self.daemon.stop() == 0
        self.daemon = None

    def tamper(self, statement: str) -> None:
        """What somebody with the file and no daemon can do."""
        db = sqlite3.connect(self.data / "journal.db")
        db.execute("DROP TRIGGER record_is_never_changed")
        db.execute("DROP TRIGGER record_is_never_deleted")
        db.execute(statement)
        db.commit()
        db.close()

    def alarm(self, name: str) -> dict[str, Any]:
        daemon = self.daemon
        assert daemon is not None
        return wait_for(lambda: daemon.alarms().get(name), 20, name)
