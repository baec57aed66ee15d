"""`parkwatch run`: one daemon a folder, until SIGTERM; the exit code says how it ended."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from errno import ENOTDIR
from pathlib import Path

import uvloop

from parkwatch.daemon.app.app import App
from parkwatch.daemon.app.door import Door
from parkwatch.daemon.app.reload import reload
from parkwatch.daemon.app.stopped import finish
from parkwatch.daemon.config.applied import Chosen, Refused, choose, read
from parkwatch.daemon.config.load import load
from parkwatch.daemon.store.database import JournalFault
from parkwatch.daemon.store.lock import FolderLock
from parkwatch.rules.fault import Fault

SOCKET_BYTES_MAX = 107
"""What a path in `sockaddr_un` may have on Linux."""
FOLDERS = ("run", "spool", "history", "evidence", "config", "archive", "secrets")
EXIT_OK, EXIT_JOURNAL, EXIT_INTERRUPTED = 0, 70, 130


def run(config: Path | None, data: Path, *, strict: bool = False) -> int:
    """Start on a configuration (or the applied one), serve, and stop.

    Raises applied.Refused (nothing usable to start on) and Fault SYS-104 (another daemon runs)
    or SYS-108 (the folder cannot be used).
    """
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    for noisy in ("pymodbus", "pymodbus.logging", "apprise"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    _short_enough(data)
    with _usable(data):
        _refuse_early(config, data)
        for folder in (data, *(data / name for name in FOLDERS)):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FolderLock(data / "run" / "daemon.lock")
    gc.disable()  # What a configuration makes is no garbage: looking for some costs a fifth.
    try:
        with _usable(data):
            finish(data)
            chosen = choose(config, data, os.environ, strict=strict)
        return uvloop.run(_serve(chosen, data))
    finally:
        gc.enable()
        lock.release()


@contextmanager
def _usable(data: Path) -> Iterator[None]:
    """What the file system refuses is Fault SYS-108."""
    try:
        if data.exists() and not data.is_dir():
            raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR), str(data))
        yield
    except OSError as error:
        raise Fault(
            "SYS-108",
            f"数据目录不可用 the data folder cannot be used: {error.filename}: {error.strerror}",
            "用 --data 指定可写的目录 name a folder that can be written",
        ) from error


def _short_enough(data: Path) -> None:
    """The socket's path fits what the kernel takes. Fault SYS-108."""
    length = len(os.fsencode(data / "run" / "live.sock"))
    if length > SOCKET_BYTES_MAX:
        raise Fault(
            "SYS-108",
            f"数据目录路径过长 the data folder's path is too long: {length} > {SOCKET_BYTES_MAX}",
            "用 --data 指定较短的路径 name a folder with a shorter path",
        )


def _refuse_early(config: Path | None, data: Path) -> None:
    """A first start with nothing to run on leaves no folder behind; it writes none itself.

    The choice proper is made under the lock: it keeps the configuration.
    """
    kept, damage = read(data)
    if kept is not None:
        return
    errors = load(config, os.environ, data=data).errors if config is not None else ()
    if config is None or errors:
        raise Refused((*damage, *errors))


def _hung_up() -> None:
    """SIGHUP changes nothing; whoever sent it for a new configuration learns how to apply one."""
    log = logging.getLogger("parkwatch")
    log.warning("SIGHUP 无作用 has no effect: parkwatch config apply -c …")


async def _serve(chosen: Chosen, data: Path) -> int:
    stop = asyncio.Event()
    why: list[str] = []
    loop = asyncio.get_running_loop()

    def stopped(number: int) -> None:
        why.append(signal.Signals(number).name)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped, number)
    loop.add_signal_handler(signal.SIGHUP, _hung_up)
    door = Door(data)
    app = App(chosen, data, door)
    try:
        await app.start()
        gc.freeze()
        gc.enable()
        await app.run(stop)
        while not stop.is_set():
            app = await reload(app, data)
            await app.run(stop)
    except JournalFault as fault:
        logging.getLogger("parkwatch").critical("%s", fault)
        return EXIT_JOURNAL
    finally:
        await app.stop(why[0] if why else "failure")
        await door.close()
        if app.committer.hung:
            os._exit(EXIT_JOURNAL)  # It would wait for the disk, and nobody would watch.
    return EXIT_INTERRUPTED if why[:1] == ["SIGINT"] else EXIT_OK
