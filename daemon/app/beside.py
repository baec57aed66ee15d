"""Beside the journal: what was announced while it could not be written, so that it can be found.

`run/unrecorded.jsonl`, or where that disk does not take it a file of the same owner in the
runtime or temporary folder. Best effort, from a thread of its own: nothing waits for a disk that
may be the one that failed. The next start takes it into a `gap` record and removes it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import queue
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

log = logging.getLogger("parkwatch.unrecorded")
NAME = "unrecorded.jsonl"
LINES_MAX = 5_000
CLOSE_S = 2.0


def places(data: Path) -> tuple[Path, ...]:
    """Where it may be, the best first."""
    name = hashlib.sha256(str(data.absolute()).encode()).hexdigest()[:16]
    root = Path(os.environ.get("RUNTIME_DIRECTORY", "") or tempfile.gettempdir())
    return data / "run" / NAME, root / f"parkwatch-{os.getuid()}" / f"{name}.jsonl"


class Beside:
    """Appends lines; `put` never waits, `close` for a moment."""

    def __init__(self, data: Path) -> None:
        self._places = places(data)
        self._file = -1
        self._lines: queue.Queue[bytes | None] = queue.Queue(LINES_MAX)
        self._thread = threading.Thread(target=self._run, name="unrecorded", daemon=True)
        self._thread.start()

    def put(self, line: Mapping[str, Any]) -> None:
        """One line; what no longer fits is dropped, the log has it too."""
        text = json.dumps(line, ensure_ascii=False, separators=(",", ":"))
        try:
            self._lines.put_nowait(f"{text}\n".encode("utf-8", "replace"))
        except queue.Full:
            log.critical("%s", text)

    def close(self) -> None:
        """Let it write what waits; blocks for CLOSE_S at most."""
        try:
            self._lines.put(None, timeout=CLOSE_S)
        except queue.Full:
            return
        self._thread.join(CLOSE_S)

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            if not self._write(line):
                log.critical("%s", line.decode())
        if self._file >= 0:
            os.close(self._file)

    def _write(self, line: bytes) -> bool:
        """At the first place that takes it; the next one from then on where one fails."""
        while self._places:
            try:
                if self._file < 0:
                    self._file = _open(self._places[0])
                os.write(self._file, line)
                os.fsync(self._file)
            except OSError as error:
                log.warning("%s: %s", self._places[0], error)
                if self._file >= 0:
                    os.close(self._file)
                self._file, self._places = -1, self._places[1:]
            else:
                return True
        return False


def _open(path: Path) -> int:
    """Owner only, and no link of somebody else's."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if path.parent.lstat().st_uid != os.getuid():
        raise PermissionError(f"{path.parent} is somebody else's")
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(path, flags, 0o600)


def read(data: Path) -> list[dict[str, Any]]:
    """The lines that are left of earlier runs, of all places; a torn one is passed over."""
    found = []
    for path in places(data):
        try:
            if path.lstat().st_uid != os.getuid() or path.is_symlink():
                continue
            lines = path.read_bytes().splitlines()
        except OSError:
            continue
        for line in lines:
            try:
                body = json.loads(line)
            except ValueError:
                continue  # It was being written when the process died.
            if isinstance(body, dict):
                found.append(body)
    return found


def remove(data: Path) -> None:
    """The journal holds it now."""
    for path in places(data):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s: %s", path, error)  # Read once more: only the gap is told twice.
