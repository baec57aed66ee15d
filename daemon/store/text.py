"""Text that any store can hold: UTF-8 has no lone surrogates, Python's strings may."""

from __future__ import annotations

import re

_SURROGATE = re.compile("[\ud800-\udfff]")


def whole(text: str) -> str:
    r"""The text with every surrogate made U+FFFD (contracts.md, Journal).

    >>> whole("罐区\ud800A")
    '罐区�A'
    """
    return _SURROGATE.sub("�", text)
