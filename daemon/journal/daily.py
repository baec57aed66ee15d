"""The daily signed file: head, anchored sequence and counts of a day, to leave the host.

One JSON document of canonical bytes, `YYYY-MM-DD.json`, signed with the site key. It is compared at
start and by `verify` like an anchor.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from parkwatch.daemon.journal.anchor import Anchor, read
from parkwatch.daemon.journal.archive import CURRENT, FOLDER, archived, before
from parkwatch.daemon.journal.chain import GENESIS, canonical, key_id
from parkwatch.daemon.store.database import open_reader
from parkwatch.daemon.store.switch import drop, put

NAME = "daily"
DAYS_MAX = 31
"""So many days are made up for after a stop."""
_FILE = re.compile(r"(\d{4}-\d{2}-\d{2})\.json")
_TAG = b"parkwatch/daily/1"
COMPLIANCE = "compliance"
"""The kind of the list that the ledger makes of a day; it is signed without a tag."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What a daily file says: the chain's head then, and what is wrong with the file itself.

    `forged`: its signature is not that of its content; `seq` is the record that it speaks of.
    """

    path: Path
    head: Anchor | None
    seq: int
    what: str = ""
    forged: bool = False


def sign(body: Mapping[str, Any], site_key: bytes, tag: bytes) -> str:
    """The HMAC-SHA-256 over a tag and the canonical body without its `hmac`, in hex."""
    bare = {name: value for name, value in body.items() if name != "hmac"}
    return hmac.digest(site_key, tag + canonical(bare), "sha256").hex()


def write_daily(
    data: Path, folders: Sequence[Path], day: date, zone: ZoneInfo, site_key: bytes
) -> list[str]:
    """Write the signed file of a day to the archive and to every folder that lacks it.

    What could not be written, one text a folder. sqlite3.Error where the journal cannot be read.
    """
    text = b""
    failed = []
    for folder in (data / FOLDER / NAME, *folders):
        path = folder / f"{day.isoformat()}.json"
        try:
            if path.exists():
                text = text or path.read_bytes()
                continue
            text = text or _document(data, day, zone, site_key)
            if folder.parent == data / FOLDER:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh = path.with_name(f".{path.name}.next")
            drop(fresh)
            fresh.write_bytes(text)
            put(fresh, path)
        except OSError as error:
            failed.append(f"{path}: {error.strerror}")
    return failed


def missing_days(data: Path, folders: Sequence[Path], today: date) -> list[date]:
    """Days before today whose file is not in every folder, oldest first: from the day after the
    last one in the archive on, at most `DAYS_MAX`, and at least yesterday."""
    last = max(_days(data / FOLDER / NAME), default=today - timedelta(days=2))
    since = max(last + timedelta(days=1), today - timedelta(days=DAYS_MAX))
    yesterday = today - timedelta(days=1)
    days = [since + timedelta(days=n) for n in range((today - since).days)]
    late = [folder for folder in folders if not (folder / f"{yesterday}.json").exists()]
    return days or ([yesterday] if late else [])


def _days(folder: Path) -> list[date]:
    names = (_FILE.fullmatch(path.name) for path in folder.glob("*.json"))
    return [date.fromisoformat(name[1]) for name in names if name]


def _document(data: Path, day: date, zone: ZoneInfo, site_key: bytes) -> bytes:
    start, end = (_ns(day + timedelta(days=n), zone) for n in (0, 1))
    last, first = before(data, end), before(data, start) + 1
    kinds, head = _counted(data, first, last)
    anchored = read(data / "journal.head")
    body: dict[str, Any] = {
        "v": 1,
        "day": day.isoformat(),
        "tz": zone.key,
        "first": first if last >= first else 0,
        "last": last if last >= first else 0,
        "count": max(0, last - first + 1),
        "kinds": kinds,
        "head": {"seq": head.seq, "hash": head.hash.hex(), "time": head.time},
        "anchored": anchored.seq if anchored is not None else 0,
        "who": "system",
        "key_id": key_id(site_key),
    }
    body["hmac"] = sign(body, site_key, _TAG)
    return canonical(body) + b"\n"


def _counted(data: Path, first: int, last: int) -> tuple[dict[str, int], Anchor]:
    """Records by kind between two sequences, and the head that `last` is."""
    kinds: dict[str, int] = {}
    head = Anchor(0, GENESIS, 0)
    for path in (*(p.path for p in archived(data) if p.last >= min(first, last)), data / CURRENT):
        with closing(open_reader(path)) as db:
            rows = db.execute(
                "SELECT kind, count(*) FROM record WHERE seq BETWEEN ? AND ? GROUP BY kind",
                (first, last),
            )
            for kind, count in rows:
                kinds[kind] = kinds.get(kind, 0) + count
            row = db.execute("SELECT seq, hash, time FROM record WHERE seq = ?", (last,)).fetchone()
            head = Anchor(*row) if row is not None else head
    return kinds, head


def _ns(day: date, zone: ZoneInfo) -> int:
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    return (midnight - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1) * 10**9


def signed_in(folder: Path, site_key: bytes, newest: int | None = None) -> list[Signed]:
    """The daily files of a folder, oldest first (the `newest` ones only); a folder that is not
    there, or cannot be read now, holds none."""
    try:
        names = sorted(name for name in folder.iterdir() if _FILE.fullmatch(name.name))
    except OSError:
        return []
    return [_read(path, site_key) for path in (names if newest is None else names[-newest:])]


def check_daily(path: Path, site_key: bytes) -> Signed:
    """One daily file or compliance list by its signature alone, for `verify --file`."""
    return _read(path, site_key)


def _read(path: Path, site_key: bytes) -> Signed:
    broken = f"日签文件被改动 the daily signed file was changed: {path.name}"
    try:
        body = json.loads(path.read_bytes())
        head = body["head"]
        anchor = Anchor(int(head["seq"]), bytes.fromhex(head["hash"]), int(head["time"]))
        named, mac = str(body["key_id"]), str(body["hmac"])
        right = sign(body, site_key, b"" if body.get("kind") == COMPLIANCE else _TAG)
    except OSError as error:
        return Signed(path, None, 0, f"日签文件不可读 unreadable: {path}: {error.strerror}")
    except (ValueError, KeyError, TypeError):
        return Signed(path, None, 0, broken, forged=True)
    held = anchor if anchor.seq else None
    if not site_key or named != key_id(site_key):
        lost = f"未核对日签,缺密钥 {named} not checked, lost site key {named}: {path.name}"
        return Signed(path, held, anchor.seq, lost)
    if not hmac.compare_digest(right, mac):
        return Signed(path, None, anchor.seq, broken, forged=True)
    return Signed(path, held, anchor.seq)


__all__ = [
    "COMPLIANCE",
    "Signed",
    "check_daily",
    "missing_days",
    "sign",
    "signed_in",
    "write_daily",
]
