"""What the tables of the configuration are made of: ids, names, durations, secrets."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from parkwatch.daemon.config.names import checked_name
from parkwatch.daemon.config.words import both
from parkwatch.rules.expression_text import FUNCTIONS, KEYWORDS, WORDS

_UNITS_NS = {"ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000, "h": 3_600_000_000_000}
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h)")
_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,15})?", re.ASCII)
_HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff"
_ALIAS = re.compile(f"[A-Za-z_{_HAN}][A-Za-z0-9_{_HAN}]{{0,31}}")
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
Delay = Annotated[str, _within(0, 24 * HOUR_NS, "0s-24h")]
Later = Annotated[str, _within(1, 24 * HOUR_NS, "1ms-24h")]
Window = Annotated[str, _within(MINUTE_NS, 24 * HOUR_NS, "1m-24h", "5m")]
Older = Annotated[str, _within(MINUTE_NS, 8784 * HOUR_NS, "1m-8784h", "24h")]
Scan = Annotated[str, _within(50_000_000, HOUR_NS, "50ms-1h")]
Every = Annotated[str, _within(50_000_000, 24 * HOUR_NS, "50ms-24h")]
Timeout = Annotated[str, _within(10_000_000, MINUTE_NS, "10ms-60s")]
Secret = Annotated[str, Field(pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,253}$")]
GradeName = Literal["red", "orange", "yellow", "blue"]


STRICT = ConfigDict(
    extra="forbid", frozen=True, strict=True, populate_by_name=True, allow_inf_nan=False
)
"""Unknown keys are refused, nothing is converted, nothing changes after reading."""
