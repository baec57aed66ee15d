"""Registers as makers print them, and as the wire counts them."""

from __future__ import annotations

_FUNCTIONS = {0: 1, 1: 2, 3: 4, 4: 3}
_NUMBER_MAX = 65_536


def wire_address(printed: int) -> tuple[int, int]:
    """Function code and 0-based address, with 5 or 6 digits; ValueError where it is none.

    >>> wire_address(40017), wire_address(30001), wire_address(10001), wire_address(400017)
    ((3, 16), (4, 0), (2, 0), (3, 16))
    """
    table, number = divmod(printed, 100_000 if printed > 99_999 else 10_000)
    if table not in _FUNCTIONS or not 1 <= number <= _NUMBER_MAX:
        raise ValueError(printed)
    return _FUNCTIONS[table], number - 1
