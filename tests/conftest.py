"""Servers for the tests: real ones on the shipped configuration, on free ports, ended by pid.

A server that is not installed skips its tests by name; where PARKWATCH_REQUIRE_ALL is set (make
test, CI) every skip is a failure.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings

# What a machine under load takes longer for is no failure.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
REQUIRE_ALL = bool(os.environ.get("PARKWATCH_REQUIRE_ALL"))
# Rooms before stories, quick before slow; InfluxDB last, because CI may still be building it.
LAST_MARKS = ("mosquitto", "browser", "influx")


# --- a skip is a failure where everything is required ---------------------------------------------


def refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure that keeps its reason; expected failures stay what they are."""
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"{report.nodeid} was skipped, but everything is required here: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """See refuse_skip."""
    report = yield
    if REQUIRE_ALL:
        refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that skips itself while it is collected."""
    report = yield
    if REQUIRE_ALL:
        refuse_skip(report)
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need servers come after the others, InfluxDB's last."""

    def place(item: pytest.Item) -> int:
        return max(
            (n for n, mark in enumerate(LAST_MARKS, start=1) if item.get_closest_marker(mark)),
            default=0,
        )

    items.sort(key=place)


# --- waiting and ports ----------------------------------------------------------------------------


def wait_until(condition: Callable[[], object], what: str, deadline_s: float = 10.0) -> None:
    """Wait for something that another process or thread does, or fail by name."""
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() >= end:
            pytest.fail(f"not within {deadline_s} s: {what}")
        time.sleep(0.01)


async def wait_until_async(
    condition: Callable[[], object | Awaitable[object]], what: str, deadline_s: float = 10.0
) -> None:
    """The same in a loop that must go on running; the condition may be a coroutine function."""
    end = time.monotonic() + deadline_s
    while True:
        result = condition()
        if await result if isinstance(result, Awaitable) else result:
            return
        if time.monotonic() >= end:
            pytest.fail(f"not within {deadline_s} s: {what}")
        await asyncio.sleep(0.01)


def free_local_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether something accepts on a local port."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(name="wait_until")
def wait_until_fixture() -> Callable[..., None]:
    """`wait_until(condition, what, deadline_s=10)`: tests wait for facts, never for time."""
    return wait_until


@pytest.fixture(name="wait_until_async")
def wait_until_async_fixture() -> Callable[..., Awaitable[None]]:
    """`await wait_until_async(condition, what, deadline_s=10)`."""
    return wait_until_async


@pytest.fixture
def free_port() -> int:
    """A port of the system that is free now."""
    return free_local_port()


@pytest.fixture
def free_ports() -> Callable[[], int]:
    """A function that gives another free port at each call."""
    return free_local_port


# --- processes ------------------------------------------------------------------------------------


@dataclass(slots=True)
class Server:
    """One server process; it dies with the test run, whatever happens to that."""

    command: list[str]
    port: int
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """What it said, over all its starts."""
        return self.folder / "server.log"

    def start(self) -> None:
        """Start (again) on the same port and files; returns when it accepts."""
        assert self.process is None
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self.command],
                env=os.environ | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        process = self.process
        wait_until(
            lambda: listens(self.port) or process.poll() is not None,
            f"{self.command[0]} accepts on its port",
            deadline_s=20.0,
        )
        if process.poll() is not None:
            pytest.fail(f"{self.command[0]} ended at once: {self.log.read_text()[-2000:]}")

    def stop(self) -> None:
        """End it in order."""
        self._end(kill=False)

    def kill(self) -> None:
        """As a power cut does."""
        self._end(kill=True)

    def _end(self, *, kill: bool) -> None:
        if self.process is None:
            return
        if kill:
            self.process.kill()
        else:
            self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


# --- mosquitto ------------------------------------------------------------------------------------


@dataclass(slots=True)
class Broker(Server):
    """mosquitto on deploy/mosquitto; `users` holds name and password of each user.

    `parkwatch` is the daemon (reads all, writes nothing); the others are gateways and write below
    their own name. The TLS listener takes the user name as client id: one connection a user.
    """

    host: str = "127.0.0.1"
    tls_port: int = 0
    ca: Path = Path()
    users: dict[str, str] = field(default_factory=dict)


BROKER_USERS = ("parkwatch", "huadong", "huadong/gw-1", "huadong/gw-2", "binhai")


def program(name: str) -> str:
    """Path of an installed program, or skip by name."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed (deploy/apt-test.txt)")
    return found


def make_certificate(folder: Path) -> None:
    """A certificate of its own for 127.0.0.1, as server.crt, server.key and ca.crt."""
    subprocess.run(
        [
            *(program("openssl"), "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(folder / "server.key"), "-out", str(folder / "server.crt")),
        ],
        check=True,
        capture_output=True,
    )
    shutil.copy(folder / "server.crt", folder / "ca.crt")


def replaced(text: str, changes: dict[str, str]) -> str:
    """The shipped text with the places changed that a test must change, each of which exists."""
    for old, new in changes.items():
        assert old in text, f"the shipped configuration no longer says {old!r}"
        text = text.replace(old, new)
    return text


@pytest.fixture(scope="session")
def broker_files() -> Iterator[Path]:
    """Passwords and certificate for all brokers of the run: hashing them takes the most time."""
    folder = Path(tempfile.mkdtemp(prefix="parkwatch-broker-"))
    make_certificate(folder)
    passwords = folder / "passwords"
    passwords.write_text("".join(f"{name}:{name}-secret\n" for name in BROKER_USERS))
    subprocess.run([program("mosquitto_passwd"), "-U", str(passwords)], check=True)
    yield folder
    shutil.rmtree(folder)


@contextlib.contextmanager
def running_broker(
    broker_files: Path, changes: Mapping[str, str] | None = None
) -> Iterator[Broker]:
    """A broker on exactly deploy/mosquitto, but for ports, folders and these `changes`."""
    # Not below tmp_path: mosquitto gives up root, and then cannot enter that one.
    folder = Path(tempfile.mkdtemp(prefix="parkwatch-mosquitto-"))
    (folder / "store").mkdir()
    for file in broker_files.iterdir():
        shutil.copy(file, folder / file.name)
    shutil.copy(DEPLOY / "mosquitto/acl", folder / "acl")
    port, tls_port = free_local_port(), free_local_port()
    shipped = (DEPLOY / "mosquitto/parkwatch.conf").read_text(encoding="utf-8")
    text = replaced(shipped, dict(changes or {}))
    places = {
        "listener 1883 127.0.0.1": f"listener {port} 127.0.0.1",
        "listener 8883": f"listener {tls_port} 127.0.0.1",
        "/etc/mosquitto/parkwatch/": f"{folder}/",
        "/var/lib/mosquitto/": f"{folder}/store/",
    }
    (folder / "parkwatch.conf").write_text(replaced(text, places), encoding="utf-8")
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", "mosquitto:", str(folder)], check=True)
    broker = Broker(
        command=[program("mosquitto"), "-c", str(folder / "parkwatch.conf")],
        port=port,
        folder=folder,
        tls_port=tls_port,
        ca=folder / "ca.crt",
        users={name: f"{name}-secret" for name in BROKER_USERS},
    )
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()
        shutil.rmtree(folder)


@pytest.fixture
def mosquitto(broker_files: Path) -> Iterator[Broker]:
    """A running broker as it is shipped."""
    with running_broker(broker_files) as broker:
        yield broker


@pytest.fixture
def mosquitto_with(broker_files: Path) -> Iterator[Callable[..., Broker]]:
    """`mosquitto_with({shipped text: another})`: the same with places of its file changed."""
    with contextlib.ExitStack() as stack:
        yield lambda changes: stack.enter_context(running_broker(broker_files, changes))


# --- InfluxDB -------------------------------------------------------------------------------------


@dataclass(slots=True)
class Influx(Server):
    """influxd on deploy/influxdb, set up with an organisation, a bucket and a token."""

    org: str = "park"
    bucket: str = "readings"
    token: str = "a-token-for-tests"

    @property
    def url(self) -> str:
        """Where the client connects."""
        return f"http://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        """Whether it serves, not only accepts."""
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def set_up(self) -> None:
        """First start of a new server: owner, organisation, bucket, token."""
        body = {"username": "owner", "password": "owner-secret", "org": self.org}
        body |= {"bucket": self.bucket, "token": self.token}
        request = urllib.request.Request(
            f"{self.url}/api/v2/setup",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 201


@pytest.fixture(scope="session")
def influxd_program() -> Path:
    """The influxd 2.7 that deploy/get-influxd finds or, where everything is required, waits for."""
    command = [str(DEPLOY / "get-influxd"), *([] if REQUIRE_ALL else ["--find"])]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip(found.stderr.strip())
    return Path(found.stdout.strip())


@pytest.fixture
def influxd(influxd_program: Path, tmp_path: Path) -> Iterator[Influx]:
    """A running, empty InfluxDB 2 on exactly deploy/influxdb, but for port and paths."""
    folder = tmp_path / "influxd"
    folder.mkdir()
    port = free_local_port()
    server = Influx(
        command=[str(influxd_program)],
        port=port,
        folder=folder,
        environment={
            "HOME": str(folder),  # where it makes a folder whatever it is told
            "INFLUXD_CONFIG_PATH": str(DEPLOY / "influxdb"),
            "INFLUXD_HTTP_BIND_ADDRESS": f"127.0.0.1:{port}",
            "INFLUXD_BOLT_PATH": str(folder / "influxd.bolt"),
            "INFLUXD_ENGINE_PATH": str(folder / "engine"),
            "INFLUXD_SQLITE_PATH": str(folder / "influxd.sqlite"),
        },
    )
    server.start()
    wait_until(server.answers, "influxd is healthy")
    server.set_up()
    yield server
    server.stop()
