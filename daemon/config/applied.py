"""The last applied configuration: kept with its hash, so that a half-edited file at 03:00 does
not leave the park blind (contracts.md, Configuration)."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from parkwatch.daemon.config.load import Loaded, load, load_text
from parkwatch.rules.fault import Problem

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a start runs on: `loaded` is usable; `differs` or `broken` speak of the `-c` file."""

    loaded: Loaded
    differs: bool = False
    broken: tuple[Problem, ...] = ()


class Refused(Exception):  # noqa: N818 - the start is refused, with all reasons
    """Nothing usable to start on."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = problems


def choose(path: Path | None, data: Path, env: Mapping[str, str], *, strict: bool) -> Chosen:
    """The first start (and `--strict`) takes the file or refuses; later ones the applied one."""
    kept = _read(data)
    written = load(path, env) if path is not None else None
    if kept is None or strict:
        if written is None or written.config is None or written.errors:
            raise Refused(written.errors if written is not None else ())
        if kept is None:
            apply(written, data)
            return Chosen(written)
    assert kept is not None
    text, origin = kept
    applied = load_text(text, Path(origin), env)
    if applied.config is None:
        raise Refused(applied.errors)
    if written is None or written.text == text:
        return Chosen(applied)
    if written.errors:
        return Chosen(applied, broken=written.errors)
    return Chosen(applied, differs=True)


def apply(loaded: Loaded, data: Path) -> None:
    """Keep a configuration as the applied one: written beside, fsynced, renamed."""
    folder = data / "config" / "applied"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    meta = {
        "schema": SCHEMA,
        "sha256": hashlib.sha256(loaded.text.encode()).hexdigest(),
        "origin": str(loaded.path.resolve()),
        "text": loaded.text,
    }
    fresh = folder / "park.json.new"
    with fresh.open("w", encoding="utf-8") as out:
        json.dump(meta, out, ensure_ascii=False)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(folder / "park.json")


def _read(data: Path) -> tuple[str, str] | None:
    path = data / "config" / "applied" / "park.json"
    if not path.exists():
        return None
    meta = json.loads(path.read_text(encoding="utf-8"))
    text = str(meta["text"])
    if hashlib.sha256(text.encode()).hexdigest() != meta["sha256"]:
        return None
    return text, str(meta["origin"])
