"""mosquitto on deploy/mosquitto's own configuration: only ports, folders and users are replaced."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.process import ROOT, free_port, listens, stop, wait_for

PEERS = ("naive", "node-red", "telegraf", "telegraf-out")
USERS = ("parkwatch", "bench", *PEERS)
SBIN = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
# The shipped list ends with what the gateways may; these are the bench's own.
MORE_ACL = "\nuser bench\ntopic readwrite park/#\ntopic readwrite bench/#\n" + "".join(
    f"user {peer}\ntopic readwrite bench/#\n" for peer in PEERS
)


@dataclass(frozen=True, slots=True)
class Broker:
    """A running broker; `secure` is its TLS port, `ca` the certificate that it shows there."""

    port: int
    passwords: dict[str, str]
    pid: int
    secure: int
    ca: Path


@contextlib.contextmanager
def broker() -> Iterator[Broker]:
    """From its start to its end."""
    # Not below a folder of root's: mosquitto gives up root, and then cannot enter that one.
    folder = Path(tempfile.mkdtemp(prefix="parkwatch-bench-broker-"))
    try:
        port, secure = free_port(), free_port()
        passwords = {name: secrets.token_urlsafe(9) for name in USERS}
        (folder / "store").mkdir()
        (folder / "parkwatch.conf").write_text(_conf(folder, port, secure), "utf-8")
        _certificate(folder)
        shipped = (ROOT / "deploy/mosquitto/acl").read_text("utf-8")
        (folder / "acl").write_text(shipped + MORE_ACL, "utf-8")
        file = folder / "passwords"
        file.write_text("".join(f"{n}:{p}\n" for n, p in passwords.items()), "utf-8")
        subprocess.run([_program("mosquitto_passwd"), "-U", str(file)], check=True)
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", "mosquitto:", str(folder)], check=True)
        with (folder / "broker.log").open("wb") as log:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", _program("mosquitto"),
                 "-c", str(folder / "parkwatch.conf")],
                stdout=log, stderr=log,
            )  # fmt: skip
        try:
            wait_for(lambda: listens(port) and listens(secure), 10, "mosquitto accepts")
            yield Broker(port, passwords, process.pid, secure, folder / "ca.crt")
        finally:
            stop(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _conf(folder: Path, port: int, secure: int) -> str:
    """The shipped file with its two listeners, on other ports and folders."""
    text = (ROOT / "deploy/mosquitto/parkwatch.conf").read_text("utf-8")
    for old, new in (
        ("listener 1883 127.0.0.1", f"listener {port} 127.0.0.1"),
        ("listener 8883\n", f"listener {secure} 127.0.0.1\n"),
        ("/etc/mosquitto/parkwatch/", f"{folder}/"),
        ("/var/lib/mosquitto/", f"{folder}/store/"),
    ):
        assert old in text, f"the shipped configuration no longer says {old!r}"
        text = text.replace(old, new)
    return text


def _certificate(folder: Path) -> None:
    """A certificate of its own for 127.0.0.1, as server.crt, server.key and ca.crt."""
    subprocess.run(
        [_program("openssl"), "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2",
         "-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", str(folder / "server.key"), "-out", str(folder / "server.crt")],
        check=True, capture_output=True,
    )  # fmt: skip
    shutil.copy(folder / "server.crt", folder / "ca.crt")


def _program(name: str) -> str:
    found = shutil.which(name, path=SBIN)
    assert found, f"{name} is not installed (deploy/apt-test.txt)"
    return found
