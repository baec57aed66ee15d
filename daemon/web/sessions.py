"""Sessions: random ids, kept only as hashes, in a file that only the owner can read.

A copy of the file opens no session: SHA-256 of 256 random bits cannot be turned round.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SCHEMA_VERSION = 1
LIFE_NS = 14 * 3600 * 1_000_000_000  # a 12-hour shift with its handover at both ends
SESSIONS_MAX = 10_000

_SCHEMA = """
CREATE TABLE session(
    hash TEXT PRIMARY KEY, person TEXT NOT NULL,
    created INTEGER NOT NULL, expires INTEGER NOT NULL) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Session:
    """One open session; times are UTC ns."""

    hash: str
    person: str
    created: int
    expires: int


class Sessions:
    """Looked up in memory, kept on disk so that a restart of the web part logs nobody out."""

    def __init__(self, path: Path, now: Callable[[], int]) -> None:
        self._now = now
        self._db = _open(path)
        self._writing = threading.Lock()
        rows = self._db.execute("SELECT hash, person, created, expires FROM session").fetchall()
        self._open = {row[0]: Session(*row) for row in rows}

    async def begin(self, person: str) -> tuple[str, Session]:
        """A new session: the token, which is kept nowhere, and what is kept."""
        token = secrets.token_urlsafe(32)
        now = self._now()
        session = Session(digest(token), person, now, now + LIFE_NS)
        self._open[session.hash] = session
        gone = [s.hash for s in self._open.values() if s.expires <= now]
        if len(self._open) - len(gone) > SESSIONS_MAX:
            gone.append(min(self._open.values(), key=lambda s: s.created).hash)
        for key in gone:
            del self._open[key]
        await asyncio.to_thread(self._write, session, gone)
        return token, session

    def find(self, token: str) -> Session | None:
        """The session of a token, or None where there is none or it has expired."""
        return self.get(digest(token))

    def get(self, key: str) -> Session | None:
        """The session of a stored hash, while it lasts."""
        session = self._open.get(key)
        return session if session is not None and session.expires > self._now() else None

    async def end(self, key: str) -> None:
        """Close one session."""
        if self._open.pop(key, None) is not None:
            await asyncio.to_thread(self._write, None, [key])

    async def end_all(self, person: str) -> None:
        """Close every session of a person (the password changed)."""
        gone = [s.hash for s in self._open.values() if s.person == person]
        for key in gone:
            del self._open[key]
        await asyncio.to_thread(self._write, None, gone)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _write(self, new: Session | None, gone: list[str]) -> None:
        with self._writing, self._db:
            self._db.executemany("DELETE FROM session WHERE hash = ?", [(key,) for key in gone])
            if new is not None:
                row = (new.hash, new.person, new.created, new.expires)
                self._db.execute("INSERT INTO session VALUES (?, ?, ?, ?)", row)


def digest(token: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    path.chmod(0o600)
    db = sqlite3.connect(path, timeout=5, check_same_thread=False)
    if db.execute("PRAGMA user_version").fetchone()[0] != SCHEMA_VERSION:
        # Sessions are worth a log-in each: another schema's are not migrated.
        db.execute("DROP TABLE IF EXISTS session")
        db.executescript(f"{_SCHEMA} PRAGMA user_version={SCHEMA_VERSION};")
    return db
