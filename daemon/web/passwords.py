"""Passwords: argon2id hashes from the configuration, or set by their owner through a first link.

No default password exists. A hash set through a link counts until the configuration's changes.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from parkwatch.daemon.web.refusal import Refusal

LENGTH_MIN, LENGTH_MAX = 8, 256
AT_ONCE_MAX = 2  # each takes 64 MiB for some 50 ms: a flood of log-ins must not starve the page


class Passwords:
    """Checks and sets passwords; `path` is `secrets/passwords.json`, made with mode 0600."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._hasher = PasswordHasher()
        self._slots = asyncio.Semaphore(AT_ONCE_MAX)
        # Somebody unknown costs as long as somebody known.
        self._decoy = self._hasher.hash(secrets.token_urlsafe(16))

    async def check(self, person: Mapping[str, Any] | None, password: str) -> bool:
        """Whether this is the person's password; of nobody, it is not."""
        stored = "" if person is None else self.stored(person)
        async with self._slots:
            matches = await asyncio.to_thread(self._matches, stored or self._decoy, password)
        return matches and bool(stored)

    async def set(self, person: Mapping[str, Any], password: str) -> None:
        """Keep a new password; Refusal 422 where it is too short or too long."""
        if not LENGTH_MIN <= len(password) <= LENGTH_MAX:
            raise Refusal(
                422,
                "API-422-PASSWORD",
                f"密码须为 {LENGTH_MIN} 至 {LENGTH_MAX} 个字符 a password has {LENGTH_MIN} to "
                f"{LENGTH_MAX} characters",
                "换一个密码 choose another",
            )
        async with self._slots:
            await asyncio.to_thread(self._set, person, password)

    def stored(self, person: Mapping[str, Any]) -> str:
        """The person's hash, or empty where no password was ever set."""
        configured = person.get("password") or ""
        own = self._read().get(person["id"])
        if own is not None and own["over"] == _mark(configured):
            return str(own["hash"])
        return configured

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    def _read(self) -> dict[str, dict[str, str]]:
        try:
            return dict(json.loads(self._path.read_text(encoding="utf-8"))["people"])
        except FileNotFoundError:
            return {}

    def _set(self, person: Mapping[str, Any], password: str) -> None:
        entry = {"hash": self._hasher.hash(password), "over": _mark(person.get("password") or "")}
        people = {**self._read(), person["id"]: entry}
        write_owner_only(self._path, {"schema": 1, "people": people})


def write_owner_only(path: Path, content: Mapping[str, Any]) -> None:
    """Replace a JSON file at once, durable, mode 0600."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(path)


def _mark(configured: str) -> str:
    """Which configured hash was replaced, without repeating it."""
    return hashlib.sha256(configured.encode()).hexdigest() if configured else ""
