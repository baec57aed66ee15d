"""mosquitto on deploy/mosquitto's own configuration: only ports, folders and users are replaced."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.process import ROOT, free_port, listens, stop, wait_for

USERS = ("parkwatch", "bench", "naive")
SBIN = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
# The shipped list ends with what the gateways may; these two are the bench's own.
MORE_ACL = """
user bench
topic readwrite park/#
topic readwrite bench/#
user naive
topic readwrite bench/#
"""


@dataclass(frozen=True, slots=True)
class Broker:
    """A running broker."""

    port: int
    passwords: dict[str, str]
    pid: int


@contextlib.contextmanager
def broker() -> Iterator[Broker]:
    """From its start to its end."""
    # Not below a folder of root's: mosquitto gives up root, and then cannot enter that one.
    folder = Path(tempfile.mkdtemp(prefix="parkwatch-bench-broker-"))
    try:
        port = free_port()
        passwords = {name: secrets.token_urlsafe(9) for name in USERS}
        (folder / "store").mkdir()
        (folder / "parkwatch.conf").write_text(_conf(folder, port), "utf-8")
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
            wait_for(lambda: listens(port), 10, "mosquitto accepts")
            yield Broker(port, passwords, process.pid)
        finally:
            stop(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _conf(folder: Path, port: int) -> str:
    """The shipped file without its TLS listener: no gateway comes from outside here."""
    text = (ROOT / "deploy/mosquitto/parkwatch.conf").read_text("utf-8")
    text = re.sub(r"(?m)^(listener 8883|cafile|certfile|keyfile|tls_version|max_connections"
                  r"|use_username_as_clientid)\b.*\n", "", text)  # fmt: skip
    for old, new in (
        ("listener 1883 127.0.0.1", f"listener {port} 127.0.0.1"),
        ("/etc/mosquitto/parkwatch/", f"{folder}/"),
        ("/var/lib/mosquitto/", f"{folder}/store/"),
    ):
        assert old in text, f"the shipped configuration no longer says {old!r}"
        text = text.replace(old, new)
    return text


def _program(name: str) -> str:
    found = shutil.which(name, path=SBIN)
    assert found, f"{name} is not installed (deploy/apt-test.txt)"
    return found
