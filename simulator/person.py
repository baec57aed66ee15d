"""The scripted person of the demo: takes what nobody has taken, and resets what is over.

An ordinary user of the HTTP interface with an account of its own: it sees what the console shows,
acts on the version that it saw, and reads again when it is refused.
"""

from __future__ import annotations

import http.client
import json
import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

log = logging.getLogger("parkwatch.simulator.person")
LOOK_S = 1.0
TIMEOUT_S = 5.0
BODY_BYTES_MAX = 16 * 1024 * 1024
REACT_S: Mapping[str, float] = {"red": 8.0, "orange": 18.0}
"""How long it thinks before it takes an alarm of a grade. Lower grades it leaves to others."""
AGAIN_S = 3.0
UNTAKEN = frozenset({"unack_active", "rtn_unack", "latched_unack"})
REFUSED = frozenset({HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.FORBIDDEN})
SEEN_MAX = 10_000

Item = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Action:
    """What to do: `ack` or `reset` of an alarm as it was seen."""

    what: str
    alarm: str
    occurrence: str
    version: int


class Unreachable(Exception):  # noqa: N818 - it says what is, as a Fault does
    """The console did not answer in time or not in its language."""


@dataclass(slots=True)
class Judgement:
    """What the person remembers: since when it has known each untaken alarm, what it may retry.

    Both dictionaries only hold alarms of the last look, so they cannot grow beyond those.
    """

    react_s: Mapping[str, float] = field(default_factory=lambda: dict(REACT_S))
    _known: dict[tuple[str, str], float] = field(default_factory=dict)
    _not_before: dict[tuple[str, str], float] = field(default_factory=dict)

    def decide(self, items: list[Item], now_s: float) -> list[Action]:
        """The actions that are due. Once the first is, everything serious is taken with it, red
        first: a person at the console acknowledges the list, not one line each ten seconds."""
        mine = [i for i in items[:SEEN_MAX] if i["peak"] in self.react_s]
        keys = {_key(i) for i in mine}
        self._not_before = {k: t for k, t in self._not_before.items() if k in keys}
        untaken = [i for i in mine if i["core"] in UNTAKEN]
        self._known = {_key(i): self._known.get(_key(i), now_s) for i in untaken}
        due = any(now_s >= self._known[_key(i)] + self.react_s[i["peak"]] for i in untaken)
        wanted = [("ack", i) for i in untaken if due]
        wanted += [("reset", i) for i in mine if i["core"] == "latched_ack"]
        wanted.sort(key=lambda pair: pair[1]["peak"] != "red")
        return [
            Action(what, str(i["id"]), str(i["occurrence"]), int(i["version"]))
            for what, i in wanted
            if now_s >= self._not_before.get(_key(i), 0.0)
        ]

    def refused(self, action: Action, now_s: float) -> None:
        """Look again before this alarm is tried once more."""
        self._not_before[action.alarm, action.occurrence] = now_s + AGAIN_S


def _key(item: Item) -> tuple[str, str]:
    return str(item["id"]), str(item["occurrence"])


class Console:
    """The few calls of `/api/v1` that a person needs. Raises Unreachable."""

    def __init__(self, url: str, person: str, password: str) -> None:
        where = urlsplit(url)
        self._where = (where.hostname or "127.0.0.1", where.port or 80)
        self._account = {"person": person, "password": password}
        self._token = ""

    def alarms(self) -> list[Item]:
        """Every alarm that is not normal; logs in first where it must."""
        status, body = self._call("GET", "/api/v1/alarms")
        if status == HTTPStatus.UNAUTHORIZED:
            self._log_in()
            status, body = self._call("GET", "/api/v1/alarms")
        items = body.get("items")
        if status != HTTPStatus.OK or not isinstance(items, list):
            raise Unreachable(f"alarms: {status}")
        return items

    def act(self, action: Action, command: str, reason: str) -> int:
        """Do it; the HTTP status says how it went."""
        path = f"/api/v1/alarms/{quote(action.alarm, safe='/:')}/{action.what}"
        body = {
            "occurrence": action.occurrence,
            "version": action.version,
            "command": command,
            "reason": reason,
        }
        return self._call("POST", path, body)[0]

    def _log_in(self) -> None:
        status, body = self._call("POST", "/api/v1/login", self._account)
        if status != HTTPStatus.OK or not isinstance(body.get("token"), str):
            raise Unreachable(f"login: {status}")
        self._token = body["token"]

    def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        connection = http.client.HTTPConnection(*self._where, timeout=TIMEOUT_S)
        try:
            content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
            connection.request(method, path, content, headers)
            answer = connection.getresponse()
            read = json.loads(answer.read(BODY_BYTES_MAX) or b"{}")
        except (OSError, http.client.HTTPException, ValueError) as fault:
            raise Unreachable(str(fault)) from fault
        finally:
            connection.close()
        return answer.status, read if isinstance(read, dict) else {}


class Person:
    """Looks each second and acts. `counts`: acks, resets, refused, unreachable."""

    def __init__(
        self,
        console: Console,
        clock_s: Callable[[], float],
        new_command: Callable[[], str],
        react_s: Mapping[str, float] = REACT_S,
    ) -> None:
        self.counts: Counter[str] = Counter(acks=0, resets=0, refused=0, unreachable=0)
        self._console = console
        self._clock_s = clock_s
        self._new_command = new_command
        self._judgement = Judgement(react_s)

    def run(self, stop: threading.Event) -> None:
        """Look and act until `stop` is set."""
        while not stop.is_set():
            self.look()
            stop.wait(LOOK_S)

    def look(self) -> None:
        """One look at the console, and what follows from it."""
        try:
            for action in self._judgement.decide(self._console.alarms(), self._clock_s()):
                self._do(action)
        except Unreachable as fault:
            self.counts["unreachable"] += 1
            log.warning("console: %s", fault)

    def _do(self, action: Action) -> None:
        reason = "收到，正在处置" if action.what == "ack" else "现场核实无泄漏"
        status = self._console.act(action, self._new_command(), reason)
        if status == HTTPStatus.OK:
            self.counts[f"{action.what}s"] += 1
            return
        self.counts["refused"] += 1
        if status not in REFUSED:
            raise Unreachable(f"{action.what} {action.alarm}: {status}")
        self._judgement.refused(action, self._clock_s())
