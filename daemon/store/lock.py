"""One daemon a folder: an flock on `run/daemon.lock`, which names who holds it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from parkwatch.rules.fault import Fault


class FolderLock:
    """Held until `release` or the end of the process, however that ends."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._descriptor, 64).decode(errors="replace").strip()
            os.close(self._descriptor)
            raise Fault(
                "SYS-104",
                f"该数据目录已有守护进程 pid {holder} a daemon already runs here: pid {holder}",
                "先停止它,或用 --data 指定另一目录 stop it, or name another folder",
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        os.close(self._descriptor)
