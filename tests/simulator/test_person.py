"""The scripted person: takes what nobody took, resets what is over, reads again when refused."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from parkwatch.simulator.person import Action, Console, Judgement, Person

OCCURRENCE = "1732345678901234001"


def item(alarm: str, core: str, peak: str, version: int = 1) -> dict[str, Any]:
    return {
        "id": alarm,
        "occurrence": OCCURRENCE,
        "version": version,
        "state": core,
        "core": core,
        "grade": peak,
        "peak": peak,
    }


GAS = "huadong/panel-1/ch4-0101:gas"
VOTE = "huadong/tank-a:vote-ch4"


def test_a_red_is_taken_after_eight_seconds_and_the_orange_with_it() -> None:
    mind = Judgement()
    both = [item(GAS, "unack_active", "orange", 2), item(VOTE, "unack_active", "red")]
    assert mind.decide(both[:1], 27.0) == []
    assert mind.decide(both, 37.0) == []
    assert mind.decide(both, 44.9) == []
    assert mind.decide(both, 45.0) == [
        Action("ack", VOTE, OCCURRENCE, 1),
        Action("ack", GAS, OCCURRENCE, 2),
    ]


def test_an_orange_alone_is_taken_after_eighteen() -> None:
    mind = Judgement()
    orange = [item(GAS, "unack_active", "orange")]
    assert mind.decide(orange, 10.0) == []
    assert mind.decide(orange, 27.9) == []
    assert mind.decide(orange, 28.0) == [Action("ack", GAS, OCCURRENCE, 1)]


def test_what_somebody_took_is_left_alone_and_starts_anew_when_raised_again() -> None:
    mind = Judgement()
    mind.decide([item(VOTE, "unack_active", "red")], 0.0)
    assert mind.decide([item(VOTE, "ack_active", "red", 2)], 20.0) == []
    assert mind.decide([item(VOTE, "unack_active", "red", 3)], 30.0) == []
    assert mind.decide([item(VOTE, "unack_active", "red", 3)], 38.0) != []


@pytest.mark.parametrize("peak", ["yellow", "blue"])
def test_lower_grades_are_left_to_others(peak: str) -> None:
    mind = Judgement()
    for now in (0.0, 1000.0):
        assert mind.decide([item(GAS, "unack_active", peak)], now) == []


@pytest.mark.parametrize("core", ["rtn_unack", "latched_unack"])
def test_what_returned_untaken_is_taken_too(core: str) -> None:
    mind = Judgement()
    mind.decide([item(VOTE, core, "red")], 0.0)
    assert mind.decide([item(VOTE, core, "red")], 8.0)[0].what == "ack"


def test_what_is_latched_and_taken_is_reset_also_when_its_grade_fell() -> None:
    fallen = item(GAS, "latched_ack", "orange", 5) | {"grade": "yellow"}
    assert Judgement().decide([fallen], 0.0) == [Action("reset", GAS, OCCURRENCE, 5)]


def test_after_a_refusal_it_waits_and_uses_the_new_version() -> None:
    mind = Judgement()
    first = mind.decide([item(VOTE, "latched_ack", "red", 5)], 0.0)[0]
    mind.refused(first, 0.0)
    assert mind.decide([item(VOTE, "latched_ack", "red", 6)], 2.9) == []
    assert mind.decide([item(VOTE, "latched_ack", "red", 6)], 3.0)[0].version == 6


class FakeConsole(ThreadingHTTPServer):
    """Answers as the contract's `/api/v1` does; one log-in, then a list and commands."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.items: list[dict[str, Any]] = []
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.refusals: list[int] = []
        self.token = "T1"


class Handler(BaseHTTPRequestHandler):
    server: FakeConsole

    def log_message(self, *args: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        if self.headers.get("Authorization") != f"Bearer {self.server.token}":
            return self.reply(401, {"code": "API-401"})
        return self.reply(200, {"sequence": 1, "items": self.server.items, "next": None})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.calls.append((self.path, body))
        if self.path == "/api/v1/login":
            good = body == {"person": "zhangwei", "password": "秘密"}
            return self.reply(200 if good else 401, {"token": self.server.token} if good else {})
        return self.reply(self.server.refusals.pop(0) if self.server.refusals else 200, {})

    def reply(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def console() -> Iterator[FakeConsole]:
    server = FakeConsole()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join(5)
    server.server_close()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def person_at(console: FakeConsole, clock: Clock, password: str = "秘密") -> Person:
    url = f"http://127.0.0.1:{console.server_address[1]}"
    numbers = iter(range(100))
    return Person(Console(url, "zhangwei", password), clock, lambda: f"command-{next(numbers)}")


def test_it_logs_in_and_acknowledges_what_it_saw(console: FakeConsole) -> None:
    clock = Clock()
    person = person_at(console, clock)
    console.items = [item(VOTE, "unack_active", "red", 3)]
    person.look()
    clock.now = 8.0
    person.look()
    assert [path for path, _ in console.calls] == [
        "/api/v1/login",
        "/api/v1/alarms/huadong/tank-a:vote-ch4/ack",
    ]
    assert console.calls[1][1] == {
        "occurrence": OCCURRENCE,
        "version": 3,
        "command": "command-0",
        "reason": "收到，正在处置",
    }
    assert dict(person.counts) == {"acks": 1, "resets": 0, "refused": 0, "unreachable": 0}


@pytest.mark.parametrize("status", [409, 422, 403])
def test_a_refused_reset_is_tried_again_with_a_new_command(
    console: FakeConsole, status: int
) -> None:
    clock = Clock()
    person = person_at(console, clock)
    console.items = [item(VOTE, "latched_ack", "red", 5)]
    console.refusals = [status]
    for now, version in ((0.0, 5), (1.0, 6), (3.0, 6)):
        clock.now = now
        console.items = [item(VOTE, "latched_ack", "red", version)]
        person.look()
    resets = [body for path, body in console.calls if path.endswith("/reset")]
    assert [(b["version"], b["command"]) for b in resets] == [(5, "command-0"), (6, "command-1")]
    assert (person.counts["resets"], person.counts["refused"]) == (1, 1)


def test_a_lost_session_is_renewed(console: FakeConsole) -> None:
    person = person_at(console, Clock())
    person.look()
    console.token = "T2"
    person.look()
    assert [path for path, _ in console.calls] == ["/api/v1/login"] * 2
    assert person.counts["unreachable"] == 0


def test_a_wrong_password_or_a_dead_console_is_counted_not_fatal(console: FakeConsole) -> None:
    person_wrong = person_at(console, Clock(), "falsch")
    person_wrong.look()
    assert person_wrong.counts["unreachable"] == 1
    nowhere = Person(Console("http://127.0.0.1:1", "zhangwei", "x"), Clock(), lambda: "c")
    nowhere.look()
    assert nowhere.counts["unreachable"] == 1


def test_chinese_and_slashes_in_ids_survive_the_address(console: FakeConsole) -> None:
    person = person_at(console, Clock())
    console.items = [item("huadong/panel-1/甲烷 1:gas", "latched_ack", "orange")]
    person.look()
    assert console.calls[-1][0] == (
        "/api/v1/alarms/huadong/panel-1/%E7%94%B2%E7%83%B7%201:gas/reset"
    )


def test_it_stops_when_told(console: FakeConsole) -> None:
    stop = threading.Event()
    worker = threading.Thread(target=person_at(console, Clock()).run, args=(stop,))
    worker.start()
    stop.set()
    worker.join(5)
    assert not worker.is_alive()
