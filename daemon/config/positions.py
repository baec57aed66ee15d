"""Where each key of a TOML text stands: tomllib keeps no positions, errors need file and line."""

from __future__ import annotations

import re
from collections.abc import Mapping

Path = tuple[str | int, ...]
_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]")
_KEY = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*")(?:\s*\.\s*[A-Za-z0-9_-]+)*)\s*=""")
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'')


def positions(text: str) -> Mapping[Path, int]:
    """Path of a key or of an array's element to its 1-based line."""
    lines: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    here: Path = ()
    array: Path | None = None
    depth = element = 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = _STRINGS.sub('""', raw).partition("#")[0]
        if array is not None:
            if line.strip() and depth == 1 and not line.strip().startswith("]"):
                lines[(*array, element)] = number
                element += 1
            depth += line.count("[") + line.count("{") - line.count("]") - line.count("}")
            if depth <= 0:
                array = None
            continue
        header = _HEADER.match(line)
        if header:
            here = tuple(part.strip().strip('"') for part in header[2].split("."))
            if header[1] == "[[":
                counts[here] = counts.get(here, -1) + 1
                here = (*here, counts[here])
            lines[here] = number
            continue
        key = _KEY.match(raw)
        if key:
            path = (*here, *(part.strip().strip('"') for part in key[1].split(".")))
            lines[path] = number
            rest = line.partition("=")[2]
            depth = rest.count("[") + rest.count("{") - rest.count("]") - rest.count("}")
            if depth > 0:
                array, element = path, 0
    return lines


def line_of(lines: Mapping[Path, int], path: Path) -> int:
    """The line of a path, or of the nearest thing around it that has one; 0 at worst."""
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return 0
