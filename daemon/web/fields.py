"""Fields of requests, read strictly: what is not of its form is a Refusal 400 that names it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from parkwatch.daemon.web.refusal import bad_request

INT64_MAX = 2**63 - 1
_DECIMAL = re.compile(r"[0-9]{1,19}")


def text(body: Mapping[str, Any], key: str, most: int) -> str:
    """Text of at most so many characters, empty where there is none."""
    value = body.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > most:
        raise bad_request(
            f"{key} 须为不超过 {most} 字的文本 {key} must be text of at most {most} characters",
            "缩短文本 shorten it",
        )
    return value


def number(body: Mapping[str, Any], key: str) -> float | None:
    """A finite number, None where there is none."""
    value = body.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise bad_request(f"{key} 须为数字 {key} must be a number", f"给出数字 give {key} as one")
    return value


def int64(value: Any, key: str, remedy: str) -> str:
    """A decimal string of an int64. A JSON number is refused: a browser may have rounded it."""
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value) or int(value) > INT64_MAX:
        raise bad_request(f"{key} 须为十进制字符串 {key} must be a decimal string", remedy)
    return value


def whole(asked: Mapping[str, str], key: str, default: int) -> int:
    """A whole number of a query, 0 to the largest int64."""
    said = asked.get(key)
    if said is None:
        return default
    if not (said.isascii() and said.isdigit()) or len(said) > 19 or int(said) > INT64_MAX:
        raise bad_request(f"{key} 须为整数 {key} must be a whole number", "纳秒 UTC ns UTC")
    return int(said)
