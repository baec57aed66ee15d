"""Processes of a run: started here, measured through /proc, ended by their id."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, TypeVar

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent
STOP_S = 15.0
MS_PER_TICK = 1000 / os.sysconf("SC_CLK_TCK")


def wait_for(get: Callable[[], T | None], deadline_s: float, what: str) -> T:
    """Ask until there is an answer that is not empty; AssertionError names what did not come."""
    end = time.monotonic() + deadline_s
    while not (found := get()):
        assert time.monotonic() < end, f"not within {deadline_s:g} s: {what}"
        time.sleep(0.01)
    return found


def free_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def cpu_ms(pid: int) -> float:
    """CPU time, user and system, that a process has used so far (10 ms ticks)."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * MS_PER_TICK


def rss_mb(pid: int) -> float:
    """Resident memory in MB; of shared pages each process counts all."""
    for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise OSError(f"no VmRSS of {pid}")


class Tool:
    """A process of the bench that speaks lines, most of them JSON: it dies with us, whatever
    happens. `log`: where what it says goes instead, if it only talks."""

    def __init__(
        self, *arguments: str, program: str = sys.executable, log: IO[bytes] | None = None
    ) -> None:
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", program, *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=log or subprocess.PIPE,
            stderr=log,
            text=True,
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def line(self) -> str:
        """Its next line."""
        assert self.process.stdout is not None
        text = self.process.stdout.readline()
        assert text, f"{self.process.args!r} ended"
        return text

    def ask(self, **job: Any) -> Any:
        """Give it a job; its answer."""
        self.tell(**job)
        return json.loads(self.line())

    def tell(self, **job: Any) -> None:
        """Give it a job whose answer is read later."""
        self.say(json.dumps(job))

    def say(self, line: str) -> None:
        """Give it one line as it is."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def end(self) -> str:
        """SIGTERM; what it still said."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.communicate(timeout=STOP_S)[0]
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.communicate()[0]


@contextlib.contextmanager
def tool(module: str, *arguments: str, ready: bool = True) -> Iterator[Tool]:
    """A tool from its start (its line `ready`) to its end."""
    with ended(Tool("-m", module, *arguments), ready=ready) as made:
        yield made


@contextlib.contextmanager
def ended(made: Tool, *, ready: bool = True) -> Iterator[Tool]:
    """A tool that was started, from its line `ready` to its end."""
    try:
        if ready:
            assert "ready" in made.line()
        yield made
    finally:
        if made.process.poll() is None:
            made.end()


@contextlib.contextmanager
def standing(pid: int) -> Iterator[None]:
    """A process that stands still; what happens meanwhile waits for it."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def stop(process: subprocess.Popen[Any], deadline_s: float = STOP_S) -> int:
    """SIGTERM, then kill -9; the exit code."""
    process.send_signal(signal.SIGCONT)
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(deadline_s)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def timed_s(command: Sequence[str]) -> tuple[float, subprocess.CompletedProcess[str]]:
    """Wall time of a command, and how it ended."""
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    return time.perf_counter() - started, done
