"""Where each key of a TOML text stands: tomllib keeps no positions, errors need file and line.

A second, smaller walk over text that tomllib has already accepted, so it refuses nothing.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping

Path = tuple[str | int, ...]
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SPACE = re.compile(r"[ \t]*")
_SCALAR = re.compile(r"[^,\]}#\r\n]*")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}(?!")|\'\'\'.*?\'{3,5}(?!\')|"(?:[^"\\]|\\.)*"|\'[^\']*\'',
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}


def positions(text: str) -> Mapping[Path, int]:
    """Path of every table, key and array element to its 1-based line.

    >>> positions("[[device]]\\nid = 'a'\\npoints = [\\n{ tag = 'b' },\\n]\\n")[
    ...     ("device", 0, "points", 0, "tag")]
    4
    """
    return _Walk(text).lines


def line_of(lines: Mapping[Path, int], path: Path) -> int:
    """The line of a path, or of the nearest thing around it that has one; 0 at worst."""
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return 0


class _Walk:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._breaks = [n for n, c in enumerate(text) if c == "\n"]
        self._counts: dict[Path, int] = {}
        self.lines: dict[Path, int] = {}
        here: Path = ()
        while self._blank():
            if self._peek("["):
                here = self._header()
            else:
                self._pair(here)

    def _peek(self, mark: str) -> bool:
        return self._text.startswith(mark, self._at)

    def _blank(self) -> bool:
        """Skip blanks and comments; whether anything is left."""
        self._skip(_BLANK)
        return self._at < len(self._text)

    def _skip(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        assert found is not None, f"not TOML at {self._at}"
        self._at = found.end()
        return found[0]

    def _mark(self, path: Path) -> None:
        self.lines.setdefault(path, bisect_right(self._breaks, self._at - 1) + 1)

    def _header(self) -> Path:
        start = self._at
        many = self._peek("[[")
        self._at += 2 if many else 1
        key = self._key()
        self._at, end = start, self._at  # The header's own line.
        path: Path = ()
        for part in key:
            path = (*path, part)
            self._mark(path)
            if path in self._counts and (not many or len(path) < self._depth(path, key)):
                path = (*path, self._counts[path])
        if many:
            self._counts[path] = self._counts.get(path, -1) + 1
            path = (*path, self._counts[path])
            self._mark(path)
        self._at = end
        self._skip(_SPACE)
        self._at += 2 if many else 1
        return path

    @staticmethod
    def _depth(path: Path, key: tuple[str, ...]) -> int:
        """How long the path is at the last part of the key, indices included."""
        return len(key) + sum(isinstance(part, int) for part in path)

    def _pair(self, base: Path) -> None:
        start = self._at
        path = base
        key = self._key()
        self._at, end = start, self._at
        for part in key:
            path = (*path, part)
            self._mark(path)
        self._at = end
        self._skip(_SPACE)
        self._at += 1  # The equals sign.
        self._skip(_SPACE)
        self._value(path)

    def _key(self) -> tuple[str, ...]:
        parts = []
        while True:
            self._skip(_SPACE)
            quoted = self._peek('"') or self._peek("'")
            parts.append(_plain(self._skip(_STRING)) if quoted else self._skip(_BARE))
            self._skip(_SPACE)
            if not self._peek("."):
                return tuple(parts)
            self._at += 1

    def _value(self, path: Path) -> None:
        if self._peek('"') or self._peek("'"):
            self._skip(_STRING)
        elif self._peek("["):
            self._array(path)
        elif self._peek("{"):
            self._inline(path)
        else:
            self._skip(_SCALAR)

    def _array(self, path: Path) -> None:
        self._at += 1
        number = 0
        while self._blank() and not self._peek("]"):
            self._mark((*path, number))
            self._value((*path, number))
            number += 1
            self._comma()
        self._at += 1

    def _inline(self, path: Path) -> None:
        self._at += 1
        while self._blank() and not self._peek("}"):
            self._pair(path)
            self._comma()
        self._at += 1

    def _comma(self) -> None:
        if self._blank() and self._peek(","):
            self._at += 1


def _plain(quoted: str) -> str:
    """The text of a quoted key."""
    inner = quoted[1:-1]
    if quoted[0] == "'":
        return inner
    return _ESCAPE.sub(
        lambda m: chr(int(m[1] or m[2], 16)) if m[3] is None else _ESCAPES[m[3]], inner
    )
