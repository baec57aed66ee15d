"""The head, anchored outside the database: a chain alone does not see a cut tail.

One line `seq SP hex(hash) SP time LF` is appended and fsynced to `journal.head` and to every
configured path, by a thread of its own: no commit waits for an anchor.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

EVERY_S = 10.0
SLOW_S = 2.0


@dataclass(frozen=True, slots=True)
class Anchor:
    """The head at some moment: record `seq` with its hash, engine time in ns."""

    seq: int
    hash: bytes
    time: int


def read(path: Path) -> Anchor | None:
    """The last whole line of an anchor file; None where there is no file or no whole line."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    for line in reversed(text[: text.rfind(b"\n") + 1].splitlines()):
        parts = line.split(b" ")
        try:
            return Anchor(int(parts[0]), bytes.fromhex(parts[1].decode()), int(parts[2]))
        except (ValueError, IndexError):
            continue  # A torn line between two whole ones: the one before it counts.
    return None


class Anchors:
    """Writes anchors in a thread; `put(urgent=True)` writes now, else within 10 s."""

    def __init__(self, paths: Sequence[Path], failed: Callable[[str], None]) -> None:
        self._paths = paths
        self._failed = failed
        self._newest: Anchor | None = None
        self._written: Anchor | None = None
        self._wake = threading.Condition()
        self._urgent = self._stop = False
        self._thread = threading.Thread(target=self._run, name="anchors", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, anchor: Anchor, *, urgent: bool) -> None:
        """Take a new head."""
        with self._wake:
            self._newest = anchor
            self._urgent = self._urgent or urgent
            if urgent:
                self._wake.notify()

    def close(self) -> None:
        """Write the last head and end."""
        with self._wake:
            self._stop = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._urgent or self._stop, timeout=EVERY_S)
                anchor, stop, self._urgent = self._newest, self._stop, False
            if anchor is not None and anchor != self._written:
                self._write(anchor)
                self._written = anchor
            if stop:
                return

    def _write(self, anchor: Anchor) -> None:
        line = f"{anchor.seq} {anchor.hash.hex()} {anchor.time}\n".encode()
        for path in self._paths:
            started = time.monotonic()
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
                try:
                    os.write(descriptor, line)
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
            except OSError as error:
                self._failed(f"{path}: {error}")
                continue
            took = time.monotonic() - started
            if took > SLOW_S:
                self._failed(f"{path}: {took:.1f} s")
