"""A disk that breaks at a commit, and the power that fails; what is not committed is gone."""

from __future__ import annotations

import sqlite3
from typing import Any

from sim.chance import Chance

CODES = {
    "io_error": (sqlite3.SQLITE_IOERR_FSYNC, "disk I/O error"),
    "full": (sqlite3.SQLITE_FULL, "database or disk is full"),
    "busy": (sqlite3.SQLITE_BUSY, "database is locked"),
}
SHARE = {"io_error": 0.001, "full": 0.001, "busy": 0.02}


class PowerCut(BaseException):
    """The process is gone, here and now."""


class Disk(sqlite3.Connection):
    """SQLite in memory; the world says which commits break. `spoilt`: an I/O error was told on
    this handle, nothing may be committed on it any more. `begun` counts transactions."""

    chance: Chance
    spoilt: str
    wrong: list[str]

    def start(self, chance: Chance) -> None:
        """Before the first transaction of a world."""
        self.chance, self.spoilt, self.wrong = chance, "", []
        self._stream = chance.stream("disk")

    def mend(self) -> None:
        """A new process: a new handle on what is durable."""
        self.spoilt = ""
        if self.in_transaction:
            super().execute("ROLLBACK")

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        if sql == "COMMIT" and not self.wrong:
            return self._commit()
        return super().execute(sql, *args)

    def _commit(self) -> sqlite3.Cursor:
        hits, stream = self.chance.hits, self._stream
        if self.spoilt:
            self.wrong.append(f"a commit on a handle that had said: {self.spoilt}")
        if hits("crash_before_commit", stream, 0.002):
            raise PowerCut("before commit")
        for fault, (code, what) in CODES.items():
            if hits(fault, stream, SHARE[fault]):
                if fault != "busy":
                    self.spoilt = what
                error = sqlite3.OperationalError(what)
                error.sqlite_errorcode = code
                raise error
        done = super().execute("COMMIT")
        if hits("crash_after_commit", stream, 0.002):
            raise PowerCut("after commit")
        return done


def memory(chance: Chance) -> Disk:
    """An empty disk."""
    db = sqlite3.connect(":memory:", isolation_level=None, factory=Disk)
    db.start(chance)
    return db
