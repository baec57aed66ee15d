"""Days and times of the configuration as engine time: what is written is local time of the park."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from parkwatch.rules.site import SECOND_NS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def until_ns(moment: date, zone: str) -> int:
    """When something ends that is good until then, ns UTC: a day counts to its end; no offset means
    the park's time.

    >>> until_ns(date(2026, 12, 31), "Asia/Shanghai") == until_ns(
    ...     datetime(2026, 12, 31, 16, tzinfo=UTC), "")
    True
    """
    if isinstance(moment, datetime):
        at = moment if moment.tzinfo is not None else moment.replace(tzinfo=_zone(zone))
    elif moment < date.max:
        at = datetime.combine(moment + timedelta(days=1), time(), _zone(zone))
    else:
        at = datetime.combine(moment, time(), UTC)
    passed = at - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * SECOND_NS + passed.microseconds * 1_000


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")  # Of a file that is wrong there: it is reported by itself.
