"""The head, anchored outside the database: a chain alone does not see a cut tail.

One line `seq SP hex(hash) SP time LF` is appended and fsynced to `journal.head` and to every
configured path. Each path has a thread of its own: no commit waits for an anchor, and a network
folder that hangs keeps no other path from being written.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from parkwatch.daemon.store.switch import drop, put, sync_folder

EVERY_S = 10.0
SLOW_S = 2.0
CLOSE_S = 5.0
_HASH_BYTES = 32
_READ_BYTES = 4_096
"""A line has at most 106 bytes: the last whole one stands within this of the end."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """The head at some moment: record `seq` with its hash, engine time in ns."""

    seq: int
    hash: bytes
    time: int


def read(path: Path) -> Anchor | None:
    """The last whole line of an anchor file; None where there is no file or no whole line.

    Raises OSError where the file is there and cannot be read.
    """
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _READ_BYTES))
            text = file.read(_READ_BYTES)
    except FileNotFoundError:
        return None
    for line in reversed(text[: text.rfind(b"\n") + 1].splitlines()):
        anchor = _parse(line)
        if anchor is not None:
            return anchor  # A line torn by a crash stands between two whole ones.
    return None


def oldest(path: Path) -> Anchor | None:
    """The first whole line of an anchor file; None and OSError as `read`."""
    try:
        with path.open("rb") as file:
            for line in file:
                anchor = _parse(line.rstrip(b"\n"))
                if anchor is not None:
                    return anchor
    except FileNotFoundError:
        return None
    return None


def fell(path: Path) -> tuple[int, int] | None:
    """Where the sequence of an anchor file falls, as (from, to): records that had been anchored
    were cut, and a daemon has gone on without them. None where it only grows or is not there.

    Raises OSError where the file cannot be read.
    """
    highest = 0
    try:
        with path.open("rb") as file:
            for line in file:
                anchor = _parse(line.rstrip(b"\n"))
                if anchor is not None and anchor.seq < highest:
                    return highest, anchor.seq
                highest = max(highest, anchor.seq if anchor is not None else 0)
    except FileNotFoundError:
        return None
    return None


def _parse(line: bytes) -> Anchor | None:
    parts = line.split(b" ")
    if len(parts) != 3:
        return None
    try:
        anchor = Anchor(int(parts[0]), bytes.fromhex(parts[1].decode()), int(parts[2]))
    except ValueError:
        return None
    return anchor if anchor.seq > 0 and len(anchor.hash) == _HASH_BYTES else None


def append(path: Path, anchor: Anchor) -> None:
    """Append one durable line; a line that a crash left torn is closed first, or its digits would
    run into ours. Raises OSError."""
    new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        line = f"{anchor.seq} {anchor.hash.hex()} {anchor.time}\n".encode()
        line = b"\n" + line if torn else line
        if os.write(descriptor, line) != len(line):
            raise OSError("只写入了一部分 short write")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if new:
        sync_folder(path.parent)


def renew(path: Path, anchor: Anchor) -> None:
    """The file begins anew with its last line and one more, whole or not at all. Raises OSError."""
    kept = [each for each in (read(path), anchor) if each is not None]
    fresh = path.with_name(f"{path.name}.next")
    drop(fresh)
    for each in kept:
        append(fresh, each)
    put(fresh, path)


class Anchors:
    """Writes anchors in threads; `put(urgent=True)` writes now, else within 10 s.

    `failed(what)` is called from such a thread when a path begins to fail or a write has taken
    2 s (also one that never ends), `mended()` when all paths are written in time again.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        failed: Callable[[str], None],
        mended: Callable[[], None] = lambda: None,
    ) -> None:
        self._failed = failed
        self._mended = mended
        self._bad: set[Path] = set()
        self._lock = threading.Lock()
        self._writers = [_Writer(path, self._report) for path in dict.fromkeys(paths)]

    def start(self) -> None:
        for writer in self._writers:
            writer.start()

    def put(self, anchor: Anchor, *, urgent: bool) -> None:
        """Take a new head; never waits for a disk."""
        for writer in self._writers:
            writer.put(anchor, urgent=urgent)

    def close(self) -> None:
        """Write the last head and end; waits at most 5 s in all."""
        deadline = time.monotonic() + CLOSE_S
        for writer in self._writers:
            writer.stop()
        for writer in self._writers:
            writer.join(max(0.0, deadline - time.monotonic()))

    def _report(self, path: Path, trouble: str) -> None:
        with self._lock:
            was = bool(self._bad)
            begins = bool(trouble) and path not in self._bad
            (self._bad.add if trouble else self._bad.discard)(path)
            ends = was and not self._bad
        if begins:
            self._failed(f"{path}: {trouble}")
        elif ends:
            self._mended()


class _Writer(threading.Thread):
    """One path, one thread; only the newest head waits."""

    def __init__(self, path: Path, report: Callable[[Path, str], None]) -> None:
        super().__init__(name=f"anchor {path}", daemon=True)
        self._path = path
        self._report = report
        self._newest: Anchor | None = None
        self._written: Anchor | None = None
        self._wake = threading.Condition()
        self._urgent = self._stopping = False

    def put(self, anchor: Anchor, *, urgent: bool) -> None:
        with self._wake:
            self._newest = anchor
            if urgent:
                self._urgent = True
                self._wake.notify()

    def stop(self) -> None:
        with self._wake:
            self._stopping = True
            self._wake.notify()

    def join(self, timeout: float | None = None) -> None:
        if self.is_alive():
            super().join(timeout)

    def run(self) -> None:
        """Until stopped; what failed is tried again after 10 s."""
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._urgent or self._stopping, timeout=EVERY_S)
                anchor, stopping, self._urgent = self._newest, self._stopping, False
            if anchor is not None and anchor != self._written:
                self._write(anchor)
            if stopping:
                return

    def _write(self, anchor: Anchor) -> None:
        slow = threading.Timer(SLOW_S, self._report, (self._path, f"超过 over {SLOW_S:.0f} s"))
        slow.daemon = True
        slow.start()
        started = time.monotonic()
        try:
            append(self._path, anchor)
        except OSError as error:
            self._report(self._path, str(error))
            return
        finally:
            slow.cancel()
        if time.monotonic() - started < SLOW_S:
            self._written = anchor  # A slow one is written again, to see the path mended.
            self._report(self._path, "")
