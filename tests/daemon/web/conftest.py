"""A daemon that is only a socket: it speaks live.sock, keeps alarms and judges commands simply."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from kpi_month import said
from ledgering import as_told, journal_of

from parkwatch.daemon.web.api import Api
from parkwatch.daemon.web.app import build
from parkwatch.daemon.web.auth import Auth
from parkwatch.daemon.web.live import Hub
from parkwatch.daemon.web.mirror import Mirror
from parkwatch.daemon.web.passwords import Passwords
from parkwatch.daemon.web.policy import POLICY
from parkwatch.daemon.web.sessions import Sessions
from parkwatch.daemon.web.trends import Trends

PASSWORD = "气防值班-2026"
# Cheap on purpose: what is tested is not how long a hash takes.
HASH = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
OCCURRENCE = 1_732_345_678_901_234_001
S = 1_000_000_000


def people() -> list[dict[str, str]]:
    roles = [(role, "") for role in POLICY] + [(f"hd-{role}", "hd") for role in POLICY]
    roles += [("xy-operator", "xy")]
    return [
        {
            "id": name,
            "name": f"张伟{name}",
            "role": name.removeprefix("hd-").removeprefix("xy-"),
            "enterprise": enterprise,
            "password": HASH,
            "phone": "",
        }
        for name, enterprise in roles
    ]


def point(enterprise: str, tag: str, unit: str = "ppm") -> dict[str, Any]:
    limits = [
        {"group": "gas", "level": level, "side": "high", "limit": limit, "grade": grade,
         "deadband": 0.5, "clause": "GB/T 50493-2019"}
        for level, limit, grade in ((1, 7.0, "yellow"), (2, 14.1, "orange"))
    ]  # fmt: skip
    return {
        "id": f"{enterprise}/panel-1/{tag.lower()}", "tag": tag, "enterprise": enterprise,
        "device": f"{enterprise}/panel-1", "zone": f"{enterprise}/tank-a", "unit": unit,
        "gas": "H2S", "kind": "", "low": 0.0, "high": 50.0, "resolution": 0.1, "armed": "armed",
        "limits": limits,
    }  # fmt: skip


class FakeDaemon:
    """Serves DATA/run/live.sock; `emit` streams, `raise_alarm` raises, commands are judged."""

    def __init__(self, data: Path, n: int = 4) -> None:
        self.path = data / "run" / "live.sock"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        own = [point("hd", f"H2S-{i:04d}") for i in range(1, n)]
        # A tag in Chinese, and an id that carries it.
        chinese = {**point("hd", "硫化氢-一号"), "id": "hd/panel-1/硫化氢-一号"}
        self.described = [*own, chinese, point("xy", "CO-0007")]
        self.people = people()
        self.values = {p["id"]: 1.5 for p in self.described}
        self.over: dict[str, dict[str, Any]] = {}
        self.alarms: dict[str, dict[str, Any]] = {}
        self.sequence = self.seq = 100
        self.records: list[dict[str, Any]] = []
        self.commands: list[dict[str, Any]] = []
        self.answers: dict[str, dict[str, Any]] = {}
        self.writers: list[asyncio.StreamWriter] = []
        self.ok = True
        self.manned = 0
        self.pulse = True
        self.task: asyncio.Task[None] | None = None
        self.server: asyncio.Server | None = None

    async def start(self) -> None:
        self.path.unlink(missing_ok=True)
        self.server = await asyncio.start_unix_server(self.serve, str(self.path))
        self.task = asyncio.create_task(self.beat())

    async def stop(self) -> None:
        assert self.server is not None
        assert self.task is not None
        self.task.cancel()
        self.server.close()
        for writer in self.writers:
            writer.transport.abort()
        await asyncio.gather(self.task, return_exceptions=True)

    async def beat(self) -> None:
        while True:
            if self.pulse:
                self.emit({"type": "health", **self.health()})
            await asyncio.sleep(0.25)

    def emit(self, *frames: dict[str, Any]) -> None:
        for writer in self.writers:
            for frame in frames:
                writer.write(json.dumps(frame).encode() + b"\n")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            while line := await reader.readline():
                request = json.loads(line)
                reply = self.answer(request)
                writer.write(
                    json.dumps({"type": "reply", "id": request["id"], **reply}).encode() + b"\n"
                )
                if request["op"] == "subscribe":
                    self.writers.append(writer)
        if writer in self.writers:
            self.writers.remove(writer)
        writer.close()

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        match request["op"]:
            case "subscribe":
                data: Any = {}
            case "site":
                data = self.site()
            case "points":
                data = {"items": [self.item(p) for p in self.described]}
            case "alarm":
                return self.quiet(request["alarm"])
            case "alarms" | "dispositions" as op:
                shown = filter(lambda i: op == "alarms" or "disposition" in i, self.alarms.values())
                data = {"sequence": self.sequence, "items": list(shown)}
            case "health":
                data = self.health()
            case "record":
                self.seq += 1
                self.records.append({"kind": request["kind"], "body": request["body"]})
                data = {"seq": self.seq}
            case "command":
                return self.command(request)
            case "consoles":
                self.manned, data = request["manned"], {}
            case op:
                raise AssertionError(op)
        return {"ok": True, "data": data}

    def quiet(self, alarm: str) -> dict[str, Any]:
        if alarm.rpartition(":")[0] not in self.values:
            return refusal("ALM-404", 404, {"id": alarm})
        data = {"id": alarm, "state": "normal", "core": "normal", "occurrence": "0", "version": 0}
        return {"ok": True, "data": data}

    def site(self) -> dict[str, Any]:
        return {
            "park": {"name": "示例园区", "tz": "Asia/Shanghai"},
            "enterprises": {"hd": "华东化工", "xy": "新源热力"},
            "zones": [
                {"id": f"{e}/tank-a", "name": "罐区A", "enterprise": e, "risk": "red"}
                for e in ("hd", "xy")
            ],
            "devices": [
                {"id": f"{e}/panel-1", "enterprise": e, "kind": "gas"} for e in ("hd", "xy")
            ],
            "points": self.described,
            "people": self.people,
            "console": {"bind": "127.0.0.1:0", "public_url": ""},
            "history": {"store": "embedded"},
        }

    def health(self) -> dict[str, Any]:
        devices = [
            {"id": f"{e}/panel-1", "state": "up", "last_good": "1", "points": 3, "text": ""}
            for e in ("hd", "xy")
        ]
        return {
            "ok": self.ok, "engine": str(time.time_ns()), "loop_lag_ms": 3, "queue": 0,
            "devices": devices, "readings": {"modbus": 7}, "journal": {"seq": self.seq},
            "outbox": {"pending": 0}, "config": {"broken": ["xy.toml:3"], "differs": False},
        }  # fmt: skip

    def item(self, described: dict[str, Any]) -> dict[str, Any]:
        now = str(time.time_ns())
        return {
            "id": described["id"], "tag": described["tag"], "value": self.values[described["id"]],
            "quality": "good", "reason": "none", "time": now, "received": now,
            "armed": described["armed"],
        }  # fmt: skip

    def set_value(self, point_id: str, value: float | None, quality: str = "good") -> None:
        index = next(i for i, p in enumerate(self.described) if p["id"] == point_id)
        if value is not None:
            self.values[point_id] = value
        now = str(time.time_ns())
        reason = {"good": "none", "uncertain": "unverified", "bad": "comms"}[quality]
        row = [index, value, quality, now, now, reason, self.over.get(point_id)]
        self.emit({"type": "values", "time": now, "points": [row]})

    def raise_alarm(
        self, alarm: str, grade: str = "yellow", *, occurrence: int = OCCURRENCE, level: int = 1
    ) -> dict[str, Any]:
        """A new raise, or a rise where the alarm is active."""
        known = self.alarms.get(alarm)
        owner = alarm.rpartition(":")[0]
        described = next((p for p in self.described if p["id"] == owner), None)
        now = str(time.time_ns())
        value = 24.6 if level == 2 else 8.2
        if described is not None:
            self.set_value(owner, value)
        item = {
            "id": alarm, "occurrence": str(occurrence) if known is None else known["occurrence"],
            "version": 1 if known is None else known["version"] + 1, "state": "unack_active",
            "core": "unack_active", "grade": grade, "peak": grade,
            "zone": "hd/tank-a" if alarm.startswith("hd/") else "xy/tank-a",
            "enterprise": alarm.partition("/")[0],
            "tag": described["tag"] if described else owner.rpartition("/")[2],
            "value": value if described else None, "unit": "ppm",
            "limit": 14.1 if level == 2 else 7.0, "quality": "good", "time": now, "received": now,
            "drill": False, "raised": known["raised"] if known else now, "changed": now, "mask": "",
            "cause": {"point": owner, "value": value, "unit": "ppm", "side": "high",
                      "limit": 14.1 if level == 2 else 7.0, "level": level,
                      "clause": "GB/T 50493-2019 ≤200 % OEL"},
        }  # fmt: skip
        self.change(item)
        return item

    def change(self, item: dict[str, Any]) -> None:
        """A transition: kept, sequenced, streamed."""
        self.sequence = self.seq = self.seq + 1
        if item["core"] == "normal":
            self.alarms.pop(item["id"], None)
            item = {"id": item["id"], "state": "normal", "core": "normal"}
        else:
            self.alarms[item["id"]] = item
        self.emit(
            {"type": "transition", "sequence": self.sequence, "event": "x", "item": item},
            {"type": "record", "seq": self.seq, "time": "1", "kind": "transition", "body": {}},
        )

    def move(self, alarm: str, core: str) -> None:
        known = self.alarms[alarm]
        self.change({**known, "core": core, "state": core, "version": known["version"] + 1})

    def command(self, request: dict[str, Any]) -> dict[str, Any]:
        self.commands.append(request)
        if request["command"] in self.answers:
            return self.answers[request["command"]]
        reply = self.judge(request)
        self.answers[request["command"]] = reply
        return reply

    def judge(self, request: dict[str, Any]) -> dict[str, Any]:
        alarm = request["alarm"]
        known = self.alarms.get(alarm)
        gone = {"id": alarm, "state": "normal", "core": "normal"}
        if known is None or known["occurrence"] != request["occurrence"]:
            return refusal("ALM-404", 404, known or gone)
        if known["version"] != request["version"]:
            return refusal("ALM-409", 409, known)
        action, core = request["action"], known["core"]
        if action == "ack":
            after = {"unack_active": "ack_active", "latched_unack": "latched_ack"}.get(core)
            if after is None:
                return refusal("ALM-410", 422, known)
            self.move(alarm, after)
        if action == "reset":
            if core != "latched_ack":
                return refusal("ALM-411", 422, known)
            self.move(alarm, "normal")
        if action in ("shelve", "unshelve"):
            hidden = {"person": request["person"], "reason": request["reason"], "until": "1"}
            masks = {"shelved": hidden} if action == "shelve" else {}
            state = {"state": "shelved" if masks else core, "mask": "".join(masks)}
            self.change({**known, **state, "masks": masks, "version": known["version"] + 1})
        return {"ok": True, "data": {"item": self.alarms.get(alarm, gone)}}


def refusal(code: str, status: int, item: dict[str, Any]) -> dict[str, Any]:
    error = {"code": code, "what": "被拒 refused", "remedy": "重新查看 look", "status": status}
    return {"ok": False, "error": error, "item": item}


class Columns:
    time = (1, 2**60 + 1)
    value = (3.5, float("nan"))
    quality = (0, 0x82)


class FakeReader:
    def query(self, point_id: str, start_ns: int, end_ns: int, n: int) -> Columns:
        return Columns()


def write_journal(data: Path) -> None:
    """Three records: one alarm of each enterprise, one log-in."""
    alarms = ("hd/panel-1/h2s-0001:gas", "xy/panel-1/co-0007:gas")
    raised = [said("raise", alarm, OCCURRENCE) for alarm in alarms]
    login = (OCCURRENCE, "login", {"person": "operator", "result": "ok"})
    journal_of(data, [*as_told(raised), login])


class Web:
    """The web part in this process, over the fake daemon."""

    def __init__(self, data: Path, daemon: FakeDaemon) -> None:
        self.data = data
        self.daemon = daemon
        self.mirror = Mirror(daemon.path)
        self.sessions = Sessions(data / "secrets" / "sessions.db", time.time_ns)
        passwords = Passwords(data / "secrets" / "passwords.json")
        self.auth = Auth(self.mirror, self.sessions, passwords, data / "secrets")
        self.hub = Hub(self.auth)
        api = Api(self.mirror, self.auth, self.hub, Trends(FakeReader), data)
        self.api = api
        self.app = build(api, self.auth, self.hub, self.mirror.ready.is_set)

    def client(self, token: str = "") -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://park", headers=headers)

    async def token(self, person: str) -> str:
        """A session without the log-in, where the log-in is not what is tested."""
        token, _ = await self.sessions.begin(person)
        return token

    async def as_(self, person: str) -> httpx.AsyncClient:
        return self.client(await self.token(person))


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[FakeDaemon]:
    fake = FakeDaemon(tmp_path)
    await fake.start()
    yield fake
    await fake.stop()


@pytest.fixture
async def web(
    tmp_path: Path, daemon: FakeDaemon, wait_until_async: Callable[..., Any]
) -> AsyncIterator[Web]:
    write_journal(tmp_path)
    made = Web(tmp_path, daemon)
    tasks = [asyncio.create_task(made.mirror.run()), asyncio.create_task(made.hub.run())]
    await wait_until_async(lambda: made.mirror.live, "the mirror follows the daemon")
    yield made
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    made.sessions.close()


class Child:
    """`python -m parkwatch.daemon.web DATA` as the daemon starts it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> str:
        """The address where it listens."""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "parkwatch.daemon.web", str(self.data), str(os.getpid()),
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        listen = self.data / "run" / "listen.json"
        end = time.monotonic() + 15
        while time.monotonic() < end:
            if listen.exists() and json.loads(listen.read_text())["pid"] == self.process.pid:
                return f"http://{json.loads(listen.read_text())['http']}"
            await asyncio.sleep(0.02)
        raise AssertionError("the web process is not ready")

    async def stop(self) -> int:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.terminate()
        async with asyncio.timeout(10):
            return await self.process.wait()


@pytest.fixture
async def child(tmp_path: Path, daemon: FakeDaemon) -> AsyncIterator[Child]:
    write_journal(tmp_path)
    made = Child(tmp_path)
    yield made
    if made.process is not None:
        await made.stop()
