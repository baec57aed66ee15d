"""`parkwatch run`: one daemon a folder, until SIGTERM; the exit code says how it ended."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

import uvloop

from parkwatch.daemon.app.app import App
from parkwatch.daemon.config.applied import Chosen, choose
from parkwatch.daemon.store.database import JournalFault
from parkwatch.daemon.store.lock import FolderLock

FOLDERS = ("run", "spool", "history", "evidence", "config", "archive", "secrets")
EXIT_OK, EXIT_JOURNAL, EXIT_INTERRUPTED = 0, 70, 130


def run(config: Path | None, data: Path, *, strict: bool = False) -> int:
    """Start on a configuration (or the applied one), serve, and stop.

    Raises applied.Refused (nothing usable to start on) and Fault SYS-104 (another daemon runs).
    """
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    for noisy in ("pymodbus", "pymodbus.logging", "apprise"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in FOLDERS:
        (data / name).mkdir(exist_ok=True, mode=0o700)
    lock = FolderLock(data / "run" / "daemon.lock")
    try:
        chosen = choose(config, data, os.environ, strict=strict)
        return uvloop.run(_serve(chosen, data))
    finally:
        lock.release()


async def _serve(chosen: Chosen, data: Path) -> int:
    stop = asyncio.Event()
    why: list[str] = []
    loop = asyncio.get_running_loop()

    def stopped(number: int) -> None:
        why.append(signal.Signals(number).name)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped, number)
    app = App(chosen, data)
    try:
        await app.start()
        await app.run(stop)
    except JournalFault as fault:
        logging.getLogger("parkwatch").critical("%s", fault)
        return EXIT_JOURNAL
    finally:
        await app.stop(why[0] if why else "failure")
    return EXIT_INTERRUPTED if why[:1] == ["SIGINT"] else EXIT_OK
