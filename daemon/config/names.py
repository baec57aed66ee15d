"""Names as people write them, and the parts of ids made from them (contracts.md, Configuration)."""

from __future__ import annotations

import re
import unicodedata

from pydantic_core import PydanticCustomError

from parkwatch.daemon.config.words import both

LENGTH_MAX = 64
MARKS_MAX = 2
PART = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def fault_of(name: str) -> str:
    """What is wrong with a name, empty where it may be shown anywhere.

    A control or bidirectional character lets one name look like another, a pile of combining marks
    covers the row above it.
    """
    if not name.strip():
        return both("名称为空", "the name is empty")
    if len(name) > LENGTH_MAX:
        return both(f"名称长 {len(name)} 字符", f"the name has {len(name)} characters")
    if hidden := next((c for c in name if unicodedata.category(c) in _HIDDEN), ""):
        return both(
            f"名称含不可见字符 U+{ord(hidden):04X}", f"hidden character U+{ord(hidden):04X}"
        )
    if unicodedata.normalize("NFC", name) != name:
        return both("名称不是 NFC 形式", "the name is not in NFC form")
    marks = 0
    for character in name:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks > MARKS_MAX:
            return both("组合符号过多", "too many combining marks")
    return ""


def checked_name(name: str) -> str:
    """A validator for names."""
    fault = fault_of(name)
    if fault:
        raise PydanticCustomError("name_rule", "{fault}", {"fault": fault})
    return name


def plain(text: str) -> str:
    """NFKC, so that `Ｈ２Ｓ`, `％LEL` and `㎎/m³` mean what they show.

    >>> plain("㎎/m³")
    'mg/m3'
    """
    return unicodedata.normalize("NFKC", text).strip()


def part_of(tag: str) -> str:
    """The part of an id that a tag gives by itself; legal only where `PART` matches it whole."""
    return plain(tag).lower()
