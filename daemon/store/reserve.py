"""The reserve: disk space kept for the journal, given back when nothing else is left.

A file of real blocks in the data folder. Whoever writes the journal releases it where the disk is
full; it is made again once there is room.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

RESERVE_BYTES = 64 << 20


class Reserve:
    """`DATA/reserve`; any thread may ask."""

    def __init__(self, path: Path, size: int = RESERVE_BYTES) -> None:
        self._path = path
        self._size = size
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Bytes that it holds when it is whole."""
        return self._size

    @property
    def held(self) -> bool:
        """Whether the blocks are there."""
        try:
            return self._path.stat().st_blocks * 512 >= self._size
        except OSError:
            return False

    def make(self) -> bool:
        """Allocate it where it is not whole; whether it is held now."""
        with self._lock:
            if self.held:
                return True
            try:
                descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                try:
                    os.posix_fallocate(descriptor, 0, self._size)
                finally:
                    os.close(descriptor)
            except OSError:
                self._drop()  # Half a reserve would only take what others need.
            return self.held

    def release(self) -> bool:
        """Give its space back; whether there was any to give."""
        with self._lock:
            return self._drop()

    def _drop(self) -> bool:
        try:
            self._path.unlink()
        except OSError:
            return False
        return True
