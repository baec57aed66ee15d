"""The inspector's list of one day: what was not guarded as usual, who said so, why and until when;
what nobody saw; what was closed, and reset by two. Signed with the site key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from parkwatch.daemon.journal.archive import CURRENT, FOLDER
from parkwatch.daemon.journal.chain import GENESIS, canonical, key_id
from parkwatch.daemon.journal.daily import COMPLIANCE, NAME, sign
from parkwatch.daemon.journal.journal import Record
from parkwatch.daemon.journal.selection import TIME_MAX
from parkwatch.daemon.ledger.covers import Covers, Row
from parkwatch.daemon.ledger.days import midnight, written
from parkwatch.daemon.ledger.read import span, standing
from parkwatch.daemon.store.database import open_reader
from parkwatch.daemon.store.switch import drop, put

_SLOW = ("override", "config")
_DAY = ("transition", "override", "config", "disposition", "command", "bump")


def compliance(
    data: Path, day: date, zone: ZoneInfo, site_key: bytes, unarmed: Sequence[str] = ()
) -> dict[str, Any]:
    """The signed list of a local day; `unarmed` are points that the running configuration has
    unarmed. sqlite3.Error where the journal cannot be read.

    `hmac` is HMAC-SHA-256 over the canonical bytes of the whole without it. The day's end is not
    waited for: the list of a day that goes on says what is known, up to `head`.
    """
    since, until = midnight(day, zone), midnight(day + timedelta(days=1), zone)
    rows = sorted(
        (r for r in _rows(data, since, until, unarmed) if _within(r, since, until)),
        key=lambda r: (r.kind, r.since, r.about, r.seq),
    )
    body: dict[str, Any] = {
        "v": 1,
        "kind": COMPLIANCE,
        "day": day.isoformat(),
        "tz": zone.key,
        "rows": [_shown(row, zone) for row in rows],
        "head": _head(data),
        "who": "system",
        "key_id": key_id(site_key),
    }
    return {**body, "hmac": sign(body, site_key, b"")}


def write_compliance(
    data: Path, day: date, zone: ZoneInfo, site_key: bytes, unarmed: Sequence[str] = ()
) -> None:
    """The list of a day that is over, once, beside the daily signed file. OSError where it cannot
    be written, sqlite3.Error as `compliance`."""
    path = data / FOLDER / NAME / f"{COMPLIANCE}-{day.isoformat()}.json"
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    put_signed(path, compliance(data, day, zone, site_key, unarmed))


def put_signed(path: Path, signed: Mapping[str, Any]) -> None:
    """A signed document into a file, whole or not at all. OSError."""
    fresh = path.with_name(f".{path.name}.next")
    drop(fresh)
    fresh.write_bytes(canonical(signed) + b"\n")
    put(fresh, path)


def _rows(data: Path, since: int, until: int, unarmed: Sequence[str]) -> Iterator[Row]:
    covers = Covers()
    before = [*span(data, 0, since, _SLOW), *standing(data, since)]
    before += standing(data, since, "disposition")
    for record in sorted(before, key=lambda record: record.seq):
        yield from covers.take(record)
    for record in span(data, since, until, _DAY):
        yield from covers.take(record)
        yield from _events(record)
    told = list(covers.open())
    yield from told
    known = {row.about for row in told}
    yield from (Row("disarmed", p, 0, reason="arm") for p in unarmed if p not in known)
    # A gap is on record when it ends: maybe on a later day.
    yield from _gaps(span(data, since, TIME_MAX, ("gap",)))


def _events(record: Record) -> Iterator[Row]:
    """What is listed by itself: an alarm that was closed, a reset by two, a portable reading or
    bump test."""
    body = record.body
    if record.kind == "transition" and body["event"] == "close":
        cause = body["cause"]
        persons = [*cause.get("persons", ()), "", ""]
        reason = " ".join(filter(None, (cause.get("why", ""), cause.get("reason", ""))))
        person = persons[0] or "system"
        yield _event("close", body["alarm"], record, person, second=persons[1], reason=reason)
    elif record.kind == "command" and body["action"] == "reset" and body.get("second"):
        if body.get("ok"):
            said = (body.get("details") or {}).get("reading") or {}
            detail = " ".join(f"{name}={said[name]}" for name in sorted(said))
            yield _event(
                "reset_by_two", body["alarm"], record, body["person"],
                second=body["second"], reason=body.get("why", ""), detail=detail,
            )  # fmt: skip
    elif record.kind == "bump" and body.get("what") == "test":
        names = ("verdict", "bottle", "peak", "t90_s")
        detail = " ".join(f"{name}={body[name]}" for name in names)
        yield _event("bump", body["point"], record, body["who"], reason=body["why"], detail=detail)
    elif record.kind == "bump":
        detail = " ".join(str(body.get(name) or "") for name in ("value", "instrument", "at"))
        why = body.get("why", "")
        yield _event("bump", body["point"], record, body["who"], reason=why, detail=detail)


def _event(kind: str, about: str, record: Record, person: str, **said: Any) -> Row:
    """`said`: second, reason, detail."""
    return Row(kind, about, record.time, record.time, person, seq=record.seq, **said)


def _gaps(records: Iterable[Record]) -> Iterator[Row]:
    for record in records:
        body = record.body
        points, zones = body.get("points"), body.get("zones", ())
        if body.get("what") == "journal.db":  # A lost journal: from and to are sequences.
            told = f"records {body['from']}..{body['to']}"
            who, why = str(body["who"]), str(body["why"])
            yield _event("gap", "journal.db", record, who, reason=why, detail=told)
            continue
        if isinstance(points, list):
            points = f"{len(points)}: {' '.join(points)}"
        yield Row(
            "gap", " ".join(zones) or str(body["who"]), int(body["from"]), int(body["to"]),
            "system", "", str(body["why"]), 0, f"points {points}", record.seq,
        )  # fmt: skip


def _within(row: Row, since: int, until: int) -> bool:
    """Whether it ran on that day; what was planned to end has ended then."""
    ends = [end for end in (row.until, row.planned) if end]
    if row.until and row.since == row.until:
        return since <= row.since < until
    return row.since < until and (not ends or min(ends) > since)


def _shown(row: Row, zone: ZoneInfo) -> dict[str, Any]:
    """Times as people read them; an end that is still to come is `planned`."""
    return {
        "kind": row.kind,
        "about": row.about,
        "person": row.person,
        "second": row.second,
        "reason": row.reason,
        "from": written(row.since, zone) if row.since else "",
        "to": written(row.until, zone) if row.until else "",
        "planned": written(row.planned, zone) if 0 < row.planned < TIME_MAX else "",
        "detail": row.detail,
        "seq": row.seq,
    }


def _head(data: Path) -> dict[str, Any]:
    """The newest record: with it a list can be held against the chain."""
    with closing(open_reader(data / CURRENT)) as db:
        row = db.execute("SELECT seq, hash, time FROM record ORDER BY seq DESC LIMIT 1").fetchone()
    seq, hashed, time = row or (0, GENESIS, 0)
    return {"seq": seq, "hash": hashed.hex(), "time": time}
