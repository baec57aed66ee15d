"""Times as people write them on the command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from parkwatch.rules.fault import Fault

TIME_MAX = 2**62
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time_ns(text: str, zone: ZoneInfo, default: int) -> int:
    """ns as such; a day or a time in the park's zone. Fault CLI-002 for anything else."""
    if not text:
        return default
    if re.fullmatch("[0-9]{10,19}", text):
        return min(int(text), TIME_MAX)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        what = f"不是时刻 is no time: {text}"
        raise Fault("CLI-002", what, "2026-11-01 | 2026-11-01T08:00 | ns") from error
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
    return max(0, (moment - _EPOCH) // timedelta(microseconds=1) * 1000)
