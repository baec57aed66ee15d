"""Days and moments of a park: its own midnights, and times as people read them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def midnight(day: date, zone: ZoneInfo) -> int:
    """The beginning of a local day, ns UTC."""
    local = datetime(day.year, day.month, day.day, tzinfo=zone)
    return (local - _EPOCH) // _MICROSECOND * 1000


def midnights(since: int, until: int, zone: ZoneInfo) -> list[int]:
    """The local midnights strictly between two moments, ns UTC."""
    day = _local(since, zone).date()
    found = []
    while (at := midnight(day := day + timedelta(days=1), zone)) < until:
        found.append(at)
    return found


def written(moment: int, zone: ZoneInfo) -> str:
    """A moment (ns UTC) in the park's time, to the millisecond, with its offset."""
    return _local(moment, zone).isoformat(timespec="milliseconds")


def _local(moment: int, zone: ZoneInfo) -> datetime:
    return (_EPOCH + moment // 1000 * _MICROSECOND).astimezone(zone)
