"""Looking at a running park from outside: its live stream, and a console's WebSocket.

A committed alarm is the `record` frame of `run/live.sock`: the daemon sends it after its commit,
so its arrival is never earlier than the moment the record can be read; that it can is checked
afterwards against `journal.db`. Frames are stamped when they arrive and understood later, so that
looking costs little of the two cores.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

RISING = frozenset({"raise", "reraise", "rise"})
FALLING = frozenset({"return", "fall"})
ACTIVE = frozenset({"unack_active", "ack_active"})
Crossing = tuple[int, str, bool]


class Stream:
    """The records that the daemon has committed, as `run/live.sock` tells them.

    `group`: only those of this group of alarms; in a flood the daemon raises some of its own.
    """

    def __init__(self, data: Path, group: str = "") -> None:
        self._group = f':{group}"'.encode() if group else b""
        self._frames: deque[tuple[int, bytes]] = deque()
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.connect(str(data / "run" / "live.sock"))
        self._sock.sendall(b'{"id":1,"op":"subscribe"}\n')
        self._thread = threading.Thread(target=self._read, name="stream", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError), self._sock.makefile("rb") as lines:
            for line in lines:
                at = time.perf_counter_ns()
                told = line.startswith(b'{"type":"record"') and b'"kind":"transition"' in line
                if told and self._group in line:
                    self._frames.append((at, line))

    def __len__(self) -> int:
        return len(self._frames)

    def take(self) -> tuple[list[Crossing], list[dict[str, Any]]]:
        """Crossings `(ns, alarm, up)` and their records since the last call."""
        crossings, records = [], []
        for _ in range(len(self._frames)):
            at, line = self._frames.popleft()
            record = json.loads(line)
            event = record["body"]["event"]
            if event in RISING or event in FALLING:
                crossings.append((at, str(record["body"]["alarm"]), event in RISING))
                records.append(record)
        return crossings, records

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
        self._thread.join(5)


class Console:
    """One logged-in console on `/live`, all its frames."""

    def __init__(self, http: str, token: str, points: list[str] | None) -> None:
        self._texts: list[tuple[int, str]] = []
        self.transitions = 0
        self._next = 0
        self.holes = self.gaps = 0
        self._socket = connect(
            f"ws://{http}/live",
            additional_headers={"Authorization": f"Bearer {token}"},
            max_size=64 * 1024 * 1024,
        )
        told: dict[str, Any] = {"type": "subscribe", "since": None}
        self._socket.send(json.dumps(told if points is None else {**told, "points": points}))
        self._thread = threading.Thread(target=self._read, name="console", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with contextlib.suppress(ConnectionClosed, OSError):
            while True:
                text = self._socket.recv()
                at = time.perf_counter_ns()
                assert isinstance(text, str)
                self.transitions += text.startswith('{"type":"transition"')
                self._texts.append((at, text))

    def take(self) -> list[tuple[int, dict[str, Any]]]:
        """Frames since the last call; `holes` and `gaps` count what the console missed."""
        texts, self._texts = self._texts, []
        frames = [(at, json.loads(text)) for at, text in texts]
        for _, frame in frames:
            self.holes += frame["n"] != self._next
            self._next = frame["n"] + 1
            self.gaps += frame["type"] == "gap"
        return frames

    def close(self) -> None:
        self._socket.close()
        self._thread.join(5)


def crossings(frames: list[tuple[int, dict[str, Any]]], suffix: str) -> list[Crossing]:
    """Alarms of a group that rose or fell, as the console was shown them."""
    return [
        (at, str(frame["id"]), frame["core"] in ACTIVE)
        for at, frame in frames
        if frame["type"] == "transition" and frame["id"].endswith(suffix)
    ]


def values(frames: list[tuple[int, dict[str, Any]]]) -> dict[str, list[tuple[int, float | None]]]:
    """What each point showed, when: `(ns, value)` in order."""
    found: dict[str, list[tuple[int, float | None]]] = {}
    for at, frame in frames:
        if frame["type"] == "values":
            for row in frame["points"]:
                found.setdefault(row[0], []).append((at, row[1]))
    return found
