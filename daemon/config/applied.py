"""The last applied configuration: kept with its hash, so that a half-edited file at 03:00 does
not leave the park blind (contracts.md, Configuration)."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parkwatch.daemon.config.load import Loaded, load, load_sources
from parkwatch.daemon.config.sources import Source
from parkwatch.daemon.config.words import both
from parkwatch.rules.fault import Problem

SCHEMA = 1
NAME, FRESH = "park.json", "park.json.new"


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a start runs on: `loaded` is usable; `differs` says that the `-c` file is another,
    valid one; `broken` holds what forbids it, and secrets of the applied one that are gone."""

    loaded: Loaded
    differs: bool = False
    broken: tuple[Problem, ...] = ()


class Refused(Exception):  # noqa: N818 - the start is refused, with all reasons
    """Nothing usable to start on."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Kept:
    """What `config/applied/` holds: the texts, and where they were read from."""

    sources: tuple[Source, ...]
    origin: Path
    sha256: str


def choose(path: Path | None, data: Path, env: Mapping[str, str], *, strict: bool) -> Chosen:
    """The first start (and `--strict`) takes the file or refuses; later ones the applied one."""
    kept, damage = read(data)
    written = load(path, env, data=data) if path is not None else None
    if strict and written is not None and written.errors:
        raise Refused(written.errors)
    if kept is None:
        if written is None or written.config is None or written.errors:
            raise Refused((*damage, *(written.errors if written is not None else ())))
        apply(written, data)
        return Chosen(written, broken=damage)
    running = load_sources(kept.sources, kept.origin, env, data=data)
    if running.config is None:
        raise Refused(running.errors)  # Only where another version wrote it.
    if written is None or digest(written.sources) == kept.sha256:
        return Chosen(running, broken=running.errors)
    if written.errors:
        return Chosen(running, broken=(*running.errors, *written.errors))
    return Chosen(running, differs=True, broken=running.errors)


def apply(loaded: Loaded, data: Path) -> None:
    """Keep a configuration as the applied one: written beside, fsynced, renamed, fsynced."""
    prepare(loaded, data)
    promote(data)


def prepare(loaded: Loaded, data: Path) -> str:
    """Write a configuration beside the applied one, fsynced; its hash. Nothing runs on it before
    `promote`, or before the journal names that hash in its newest `config` record."""
    folder = data / "config" / "applied"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    meta = {
        "schema": SCHEMA,
        "sha256": digest(loaded.sources),
        "origin": str(loaded.path.resolve()),
        "files": [{"name": source.name, "text": source.text} for source in loaded.sources],
    }
    fresh = folder / FRESH
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        json.dump(meta, out, ensure_ascii=False)
        out.flush()
        os.fsync(out.fileno())
    _sync(folder)
    return str(meta["sha256"])


def promote(data: Path) -> None:
    """What was prepared is the applied one."""
    folder = data / "config" / "applied"
    (folder / FRESH).replace(folder / NAME)
    _sync(folder)


def finish(data: Path, sha256: str) -> None:
    """At start: a change that the journal holds and whose rename was cut off is completed.
    `sha256`: what its newest `config` record names, empty where there is none."""
    fresh, _ = _read(data / "config" / "applied" / FRESH)
    kept, _ = read(data)
    if fresh is not None and fresh.sha256 == sha256 and (kept is None or kept.sha256 != sha256):
        promote(data)


def _sync(folder: Path) -> None:
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def read(data: Path) -> tuple[Kept | None, tuple[Problem, ...]]:
    """What was applied last, or None; a copy that is damaged is None and a problem."""
    return _read(data / "config" / "applied" / NAME)


def _read(path: Path) -> tuple[Kept | None, tuple[Problem, ...]]:
    try:
        meta: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        sources = tuple(Source(str(f["name"]), str(f["text"])) for f in meta["files"])
        whole = meta["schema"] == SCHEMA and digest(sources) == meta["sha256"]
        origin = Path(str(meta["origin"]))
    except FileNotFoundError:
        return None, ()
    except (OSError, ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        return None, (_damaged(path),)
    return Kept(sources, origin, str(meta["sha256"])), ()


def _damaged(path: Path) -> Problem:
    return Problem(
        "CFG-170", str(path), 0, "",
        both("已应用的配置副本损坏", "the kept copy of the applied configuration is damaged"),
        both("改用 -c 指定的文件", "the file that -c names is used instead"),
        both("核对该文件是否为最后应用的配置", "check that it is the one applied last"),
    )  # fmt: skip


def digest(sources: Sequence[Source]) -> str:
    """Over the texts and their boundaries; where a file lies does not matter."""
    digest = hashlib.sha256()
    for source in sources:
        text = source.text.encode("utf-8", "surrogatepass")
        digest.update(len(text).to_bytes(8) + text)
    return digest.hexdigest()
