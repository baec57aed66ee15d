"""What the tables of the configuration are made of: ids, names, durations, secrets."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date, datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from parkwatch.daemon.config.names import checked_name
from parkwatch.daemon.config.words import both
from parkwatch.rules.expression.text import FUNCTIONS, KEYWORDS, WORDS

_UNITS_NS = {"ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000, "h": 3_600_000_000_000}
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h)")
_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,15})?", re.ASCII)
_HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff"
_ALIAS = re.compile(f"[A-Za-z_{_HAN}][A-Za-z0-9_{_HAN}]{{0,31}}")
_FIGURE = re.compile(r"[a-z][a-z0-9_]{0,31}(-[a-z0-9][a-z0-9._-]{0,63})?")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
DAY_YEARS = 1990, 2199
"""Years of days on a card; what lies outside is a slip."""
REASON_MAX = 200
MINUTE_NS, HOUR_NS = _UNITS_NS["m"], _UNITS_NS["h"]


def duration_ns(text: str) -> int:
    """Nanoseconds of a duration as written; ValueError for anything else.

    >>> duration_ns("1.5s")
    1500000000
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return round(float(found[1]) * _UNITS_NS[found[2]])


def _within(least_ns: int, most_ns: int, span: str, such: str = "3s") -> Any:
    def check(text: str) -> str:
        try:
            good = least_ns <= duration_ns(text) <= most_ns
        except ValueError:
            good = False
        if not good:
            fault = both(
                f'须为 {span} 的时长,如 "{such}"', f'must be a duration of {span}, as "{such}"'
            )
            raise PydanticCustomError("duration", "{fault}", {"fault": fault})
        return text

    return AfterValidator(check)


def zone_name(name: str) -> str:
    """A validator for time zones."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        fault = both("不是已知时区", "is no known time zone")
        raise PydanticCustomError("zone_name", "{fault}", {"fault": fault}) from error
    return name


def _number(text: str) -> str:
    if _NUMBER.fullmatch(text) is None:
        fault = both('键须为数,如 "6553.5"', 'the key must be a number, as "6553.5"')
        raise PydanticCustomError("number_key", "{fault}", {"fault": fault})
    return text


def _moment(value: Any) -> date:
    """A date or a date with a time, as TOML knows them (a datetime is a date too)."""
    if not isinstance(value, date):
        fault = both("须为日期,如 2026-12-31", "must be a date, as 2026-12-31, without quotes")
        raise PydanticCustomError("moment", "{fault}", {"fault": fault})
    return value


def _day(value: Any) -> date:
    """A date of TOML, or as text (`2027-03-01`), in which lists write it."""
    if isinstance(value, str) and _DAY.fullmatch(value):
        with suppress(ValueError):
            value = date.fromisoformat(value)
    good = isinstance(value, date) and not isinstance(value, datetime)
    if not good or not DAY_YEARS[0] <= value.year <= DAY_YEARS[1]:
        fault = both("须为日期,如 2027-03-01", "must be a day, as 2027-03-01")
        raise PydanticCustomError("day", "{fault}", {"fault": fault})
    return value  # type: ignore[no-any-return]


def _figure(key: str) -> str:
    if _FIGURE.fullmatch(key) is None:
        fault = both("不是铭牌参数名", "is no name of a figure")
        raise PydanticCustomError("figure", "{fault}", {"fault": fault})
    return key


def _reason(text: str) -> str:
    if not text.strip() or len(text) > REASON_MAX or not text.isprintable():
        zh = f"须为 1 至 {REASON_MAX} 个可见字符的一行"
        fault = both(zh, f"must be one line of 1 to {REASON_MAX} visible characters")
        raise PydanticCustomError("reason", "{fault}", {"fault": fault})
    return text


def _alias(text: str) -> str:
    reserved = text.lower() in KEYWORDS or text in FUNCTIONS or text in WORDS
    if reserved or _ALIAS.fullmatch(text) is None:
        fault = both("不能作表达式中的名称", "is no name for an expression")
        raise PydanticCustomError("alias", "{fault}", {"fault": fault})
    return text


Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Name = Annotated[str, AfterValidator(checked_name)]
NumberKey = Annotated[str, AfterValidator(_number)]
"""A number as the key of a table, which TOML knows as text only."""
Alias = Annotated[str, AfterValidator(_alias)]
"""What an expression calls a point: letters, digits, _ and Chinese, none of its own words."""
Moment = Annotated[
    date, PlainValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})
]
"""A date (its whole day counts) or a datetime; without an offset it is the park's time."""
Day = Annotated[date, BeforeValidator(_day)]
"""A day: a date of TOML, or its text."""
Figure = Annotated[str, AfterValidator(_figure)]
"""A figure of a nameplate: `p_work`, or `travel_s-xv1` for one unit of a repeated role."""
Value = Annotated[float, Field(ge=-1e9, le=1e9)]
"""A set point or figure; what no instrument shows is a slip, and overflows where it is rounded."""
Reason = Annotated[str, AfterValidator(_reason)]
Delay = Annotated[str, _within(0, 24 * HOUR_NS, "0s-24h")]
Later = Annotated[str, _within(1, 24 * HOUR_NS, "1ms-24h")]
Window = Annotated[str, _within(MINUTE_NS, 24 * HOUR_NS, "1m-24h", "5m")]
Older = Annotated[str, _within(MINUTE_NS, 8784 * HOUR_NS, "1m-8784h", "24h")]
Scan = Annotated[str, _within(50_000_000, HOUR_NS, "50ms-1h")]
Every = Annotated[str, _within(50_000_000, 24 * HOUR_NS, "50ms-24h")]
Timeout = Annotated[str, _within(10_000_000, MINUTE_NS, "10ms-60s")]
Secret = Annotated[str, Field(pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$")]
Pause = Annotated[str, _within(0, 5_000_000_000, "0ms-5s", "50ms")]
"""Between two requests, or before an answer."""
Port = Annotated[int, Field(ge=1, le=65535)]
Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,253}$")]
GradeName = Literal["red", "orange", "yellow", "blue"]


STRICT = ConfigDict(
    extra="forbid", frozen=True, strict=True, populate_by_name=True, allow_inf_nan=False
)
"""Unknown keys are refused, nothing is converted, nothing changes after reading."""
