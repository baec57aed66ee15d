"""The first log-in: a one-time link, because no default password exists.

The daemon keeps only the token's hash; the link itself lies beside it for the folder's owner to
read, and both go when it is used.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from parkwatch.daemon.web.passwords import write_owner_only

VALID_NS = 24 * 3600 * 1_000_000_000
RANK = ("admin", "engineer", "shift-lead", "safety", "operator", "on-call")
"""Whose link is made: the first of these roles that a person of the park has."""


class FirstLink:
    """`first.json` and `first.url` in the folder `secrets`."""

    def __init__(self, folder: Path) -> None:
        self._hash = folder / "first.json"
        self.url = folder / "first.url"

    def make(self, person: str, now_ns: int) -> str:
        """A new token for a person, valid for a day; an earlier one is void."""
        token = secrets.token_urlsafe(24)
        hashed = hashlib.sha256(token.encode()).hexdigest()
        write_owner_only(
            self._hash,
            {"schema": 1, "person": person, "hash": hashed, "expires": now_ns + VALID_NS},
        )
        return token

    def offer(self, people: Iterable[Mapping[str, Any]], http: str, now_ns: int) -> bool:
        """Write the link of who may log in first; False where the park has no such person.

        `people` are those of the configuration when none of them has a password.
        """
        ours = [person for person in people if not person.get("enterprise")]
        able = [p for role in RANK for p in ours if p["role"] == role]
        if not able:
            return False
        kept = self.read()
        if kept is None or int(kept["expires"]) <= now_ns or not self.url.exists():
            token = self.make(str(able[0]["id"]), now_ns)
        else:
            # The port may be another one than at the last start; the token stays.
            token = str(json.loads(self.url.read_text(encoding="utf-8"))["link"]).rpartition("/")[2]
        write_owner_only(self.url, {"schema": 1, "link": f"http://{http}/first/{token}"})
        return True

    def read(self) -> dict[str, Any] | None:
        """Person, hash and expiry; None where there is no link, or not a whole one."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            return dict(json.loads(self._hash.read_text(encoding="utf-8")))
        return None

    def use(self) -> None:
        """Use it up; FileNotFoundError where somebody else was quicker."""
        self._hash.unlink()
        self.url.unlink(missing_ok=True)
