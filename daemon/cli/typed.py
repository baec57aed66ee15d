"""What a word on the command line may be; what it is not is an ArgumentTypeError."""

from __future__ import annotations

import argparse
import math
import re

INT64_MAX, ROWS_MAX = 2**63 - 1, 1_000_000


def int64(text: str) -> int:
    """A time in ns, an occurrence or a version."""
    return _whole(text, 0, INT64_MAX)


def finite(text: str) -> float:
    """A number, and no infinity."""
    value = float(text)  # ValueError: argparse says that it is none.
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"'{text}' 不是有限的数 is no finite number")
    return value


def rows(text: str) -> int:
    """How many rows."""
    return _whole(text, 1, ROWS_MAX)


def minutes(text: str) -> int:
    """How long a bump test may last."""
    return _whole(text, 1, 30)


def percent(text: str) -> int:
    """0 to 100."""
    return _whole(text, 0, 100)


def _whole(text: str, least: int, most: int) -> int:
    if not re.fullmatch("[0-9]{1,19}", text) or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"'{text}' 不是 is not {least} … {most}")
    return int(text)


def seconds(text: str) -> float:
    """`60s` or `60`."""
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?s?", text):
        raise argparse.ArgumentTypeError(f"'{text}' 应如 should be like 60s")
    return float(text.removesuffix("s"))


def number(text: str) -> str:
    """A number as the panel shows it, with its decimals."""
    if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text):
        raise argparse.ArgumentTypeError(f"'{text}' 不是数 is no number")
    return text
