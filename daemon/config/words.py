"""One text in both languages: Chinese first, English after an em space, so that either can be shown
alone (`--lang`) and both stay readable where nobody chooses (log, alarm text)."""

from __future__ import annotations

GAP = "\u2003"
SHOWN_MAX = 600
"""Characters of one text that are shown: what somebody wrote by mistake may be a whole file."""


def both(zh: str, en: str) -> str:
    """One text that holds both.

    >>> spoken(both("缺少", "missing"), "en")
    'missing'
    """
    return f"{zh}{GAP}{en}"


def spoken(text: str, language: str = "") -> str:
    """The text in `zh` or `en`; in both where no language is chosen or only one was written."""
    zh, gap, en = text.partition(GAP)
    if not gap:
        return text
    return {"zh": zh, "en": en}.get(language, f"{zh} {en}")


def shortened(text: str) -> str:
    """The text, without the middle of it where it is too long to be read.

    >>> len(shortened("x" * 40_000)) == SHOWN_MAX
    True
    """
    if len(text) <= SHOWN_MAX:
        return text
    half = (SHOWN_MAX - 3) // 2
    return f"{text[: SHOWN_MAX - 3 - half]} … {text[-half:]}"
