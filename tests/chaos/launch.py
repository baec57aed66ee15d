"""The real daemon, started in a moment and on a disk that kills: by fork from a process that has
loaded it.

Reads a line of JSON a start (`words` of the command line, `log`, `point` and `nth` where it shall
die, `newer` for a version with one migration more) and answers with the daemon's pid, then with how
it ended. The product knows nothing of it: the disk is
a subclass of sqlite3's connection and the os functions that its modules call.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from storming import newer_schema

from parkwatch.daemon.app import main as app_main
from parkwatch.daemon.app import webchild
from parkwatch.daemon.cli import files, main
from parkwatch.daemon.config import applied
from parkwatch.daemon.history import service, spool
from parkwatch.daemon.journal import anchor
from parkwatch.daemon.notify import ways
from parkwatch.daemon.store import switch

PR_SET_PDEATHSIG = 1
LOADED = (app_main, files, service)
_STATE = 4
"""Where the outbox's update has the new state."""


class Fuse:
    """Kills the process when a point is reached for the n-th time."""

    point = ""
    left = 0

    def reach(self, point: str) -> None:
        if point == self.point:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


FUSE = Fuse()


class Disk(sqlite3.Connection):
    """A connection that knows what each of its transactions holds."""

    holds: set[str]

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        if sql.startswith("BEGIN"):
            self.holds = set()
        if sql != "COMMIT":
            return super().execute(sql, *args)
        for what in sorted(self.holds):
            FUSE.reach(f"{what}.before")
        done = super().execute(sql, *args)
        for what in sorted(self.holds):
            FUSE.reach(f"{what}.after")
        return done

    def executescript(self, script: str) -> sqlite3.Cursor:
        FUSE.reach("schema.before")
        done = super().executescript(script)
        FUSE.reach("schema.after")
        return done

    def executemany(self, sql: str, rows: Iterable[Any]) -> sqlite3.Cursor:
        rows = list(rows)
        if sql.startswith("INSERT INTO record"):
            self.holds |= {str(row[2]) for row in rows}
        elif sql.startswith("UPDATE outbox SET attempt"):
            self.holds |= {str(row[_STATE]) for row in rows}
        done = super().executemany(sql, rows)
        if rows and "snapshot" in sql:
            self.holds.add("snapshot")
            FUSE.reach("snapshot.in")
        return done


class Files:
    """The os module as one module of the daemon sees it: its writes and syncs are points."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def write(self, descriptor: int, data: bytes) -> int:
        done = os.write(descriptor, data)
        FUSE.reach(f"{self._name}.written")
        return done

    def fsync(self, descriptor: int) -> None:
        FUSE.reach(f"{self._name}.fsync")
        os.fsync(descriptor)
        FUSE.reach(f"{self._name}.synced")

    def fdatasync(self, descriptor: int) -> None:
        self.fsync(descriptor)


async def _no_web(self: webchild.WebChild) -> None:
    """A start is cheap without the web process; the starts by `parkwatch run` have it."""
    await asyncio.Event().wait()


def _around(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def called(path: Path, other: Path) -> Any:
        FUSE.reach(f"{name}.{other.name}.before")
        done = call(path, other)
        FUSE.reach(f"{name}.{other.name}.after")
        return done

    return called


def _inject(point: str, nth: int) -> None:
    FUSE.point, FUSE.left = point, nth
    connect = sqlite3.connect
    sqlite3.connect = lambda *args, **more: connect(*args, **{"factory": Disk, **more})
    for module in (applied, anchor, spool, switch):
        module.os = Files(module.__name__.rpartition(".")[2])
    for name in ("replace", "hardlink_to"):
        setattr(Path, name, _around(name, getattr(Path, name)))
    webchild.WebChild.run = _no_web


def _daemon(start: dict[str, Any]) -> int:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    log = os.open(start["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    _inject(start["point"], start["nth"])
    with newer_schema() if start["newer"] else nullcontext():
        return main.main(start["words"])


def _say(**facts: int) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def serve() -> None:
    """One daemon after another, until the input ends."""
    ways.warm_up()
    _say(ready=os.getpid())
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            code = 99
            try:
                code = _daemon(json.loads(line))
            finally:
                sys.stderr.flush()
                os._exit(code)
        _say(pid=pid)
        _say(status=os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


if __name__ == "__main__":
    assert Path(sys.argv[0]).name == "launch.py"
    serve()
