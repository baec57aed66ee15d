"""The web process: its socket, its life with the daemon, the file that says where it listens."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Any

import uvicorn

from parkwatch.daemon.web import floods
from parkwatch.daemon.web.api import Api
from parkwatch.daemon.web.app import build
from parkwatch.daemon.web.auth import Auth
from parkwatch.daemon.web.first import FirstLink
from parkwatch.daemon.web.live import TEXT_MAX, Hub
from parkwatch.daemon.web.mirror import Mirror
from parkwatch.daemon.web.passwords import Passwords, write_owner_only
from parkwatch.daemon.web.sessions import Sessions
from parkwatch.daemon.web.trends import Reader, Trends
from parkwatch.rules.fault import Fault

log = logging.getLogger("parkwatch.web")
PORTS_TRIED = 20
PARENT_S = 0.5
FIRST_S = 60.0
EXIT_OK, EXIT_UNREACHABLE = 0, 4


async def serve(data: Path, parent: int) -> int:
    """Mirror the daemon of a data folder and serve it until that or a signal ends it; `parent` is
    the daemon's pid, as it said: one that was killed while we started is gone too."""
    mirror = Mirror(data / "run" / "live.sock")
    following = asyncio.create_task(mirror.run(), name="mirror")
    try:
        async with asyncio.timeout(FIRST_S):
            await _first_of(mirror.ready.wait(), _parent_gone(parent))
        if not mirror.ready.is_set():
            return EXIT_OK
        return await _serve(data, mirror, parent)
    except TimeoutError:
        log.critical("no daemon answers at %s", data)
        return EXIT_UNREACHABLE
    except Fault as fault:
        log.critical("%s", fault)
        return EXIT_UNREACHABLE
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def _serve(data: Path, mirror: Mirror, parent: int) -> int:
    listen = data / "run" / "listen.json"
    sock = listening(mirror.site["console"]["bind"], listen)
    sessions = Sessions(data / "secrets" / "sessions.db", time.time_ns)
    passwords = Passwords(data / "secrets" / "passwords.json")
    auth = Auth(mirror, sessions, passwords, data / "secrets")
    hub = Hub(auth)

    def history() -> Reader:
        # Here: the store's libraries are loaded by the first chart, not by every start.
        from parkwatch.daemon.history.reader import open_reader  # noqa: PLC0415

        return open_reader(mirror.site["history"], data)

    api = Api(mirror, auth, hub, Trends(history), data)
    server = _Server(
        uvicorn.Config(
            build(api, auth, hub, mirror.ready.is_set),
            log_level="warning",
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="websockets-sansio",
            ws_max_size=TEXT_MAX,
            ws_ping_interval=10.0,
            ws_ping_timeout=10.0,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=2,
        )
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.stop)
    tasks = [
        asyncio.create_task(hub.run(), name="hub"),
        asyncio.create_task(floods.follow(mirror, data), name="floods"),
    ]
    serving = asyncio.create_task(server.serve(sockets=[sock]), name="uvicorn")
    try:
        host, port = sock.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        _first_login(mirror, passwords, FirstLink(data / "secrets"), f"{shown}:{port}")
        write_owner_only(listen, {"http": f"{shown}:{port}", "pid": os.getpid(), "schema": 1})
        log.info("console at http://%s:%s", shown, port)
        await _first_of(asyncio.shield(serving), _parent_gone(parent))
        server.stop()
        await serving
        return EXIT_OK
    finally:
        listen.unlink(missing_ok=True)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        sessions.close()


def _first_login(mirror: Mirror, passwords: Passwords, link: FirstLink, http: str) -> None:
    """Where nobody has a password yet, say where the first link lies: never the link itself, for
    a log is read by more people than the folder."""
    people = mirror.people.values()
    if any(passwords.stored(person) for person in people):
        return
    if link.offer(people, http, time.time_ns()):
        log.warning("首次登录 nobody has a password; the one-time link (24 h): %s", link.url)
    else:
        log.warning("无人可登录 nobody can log in: no person of the park in [people]")


class _Server(uvicorn.Server):
    """Leaves signals to us: uvicorn would raise them again before anything was tidied up."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        """Finish what is under way, then end."""
        self.should_exit = True


def listening(bind: str, listen: Path) -> socket.socket:
    """A listening socket on `HOST:PORT`; a used port gives way to the next, which is said.

    Port 0 takes the port of the last time where it is free, so that open pages find us again.
    """
    host, _, port_text = bind.rpartition(":")
    host, port = host.strip("[]"), int(port_text)
    wanted = range(port, min(port + PORTS_TRIED, 65_536)) if port else [_last_port(listen), 0]
    for candidate in wanted:
        with contextlib.suppress(OSError):
            sock = _bind(host, candidate)
            if port and candidate != port:
                log.warning("port %s is used: console at port %s instead", port, candidate)
            return sock
    raise Fault(
        "SYS-105",
        f"无法监听 {bind} cannot listen there: {os.strerror(errno.EADDRINUSE)}",
        "更换 console.bind 的地址或端口 choose another console.bind",
    )


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(128)
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)  # noqa: FBT003
    return sock


def _last_port(listen: Path) -> int:
    with contextlib.suppress(OSError, ValueError, KeyError):
        return int(json.loads(listen.read_text(encoding="utf-8"))["http"].rpartition(":")[2])
    return 0


async def _parent_gone(parent: int) -> None:
    """Returns when the daemon that started this process is no longer its parent."""
    while os.getppid() == parent:  # noqa: ASYNC110 - the kernel sets no asyncio event
        await asyncio.sleep(PARENT_S)
    log.info("the daemon is gone: ending")


async def _first_of(*work: Awaitable[Any]) -> None:
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def main(arguments: list[str]) -> int:
    """`python -m parkwatch.daemon.web DATA PID`, PID of the daemon that starts it."""
    if len(arguments) != 2 or not arguments[1].isdecimal():
        sys.stderr.write("usage: python -m parkwatch.daemon.web DATA_DIR DAEMON_PID\n")
        return 2
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    # The terminal's Ctrl-C is the daemon's to handle; it then ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return asyncio.run(serve(Path(arguments[0]), int(arguments[1])))
