"""`/live` over a real socket: frames numbered without holes, one enterprise's rows, commands."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from parkwatch.daemon.web import live
from parkwatch.daemon.web.live import Connection
from parkwatch.daemon.web.server import listening

ALARM = "hd/panel-1/h2s-0001:gas"
FOREIGN = "xy/panel-1/co-0007:gas"
DEADLINE_S = 5.0


class Console:
    """A client that checks every frame's number."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.n = 0

    async def frame(self) -> dict[str, Any]:
        async with asyncio.timeout(DEADLINE_S):
            told = json.loads(await self.socket.recv())
        assert told["n"] == self.n, "a hole in n"
        self.n += 1
        return dict(told)

    async def until(self, kind: str) -> dict[str, Any]:
        while (told := await self.frame())["type"] != kind:
            pass
        return told

    async def say(self, **frame: Any) -> None:
        await self.socket.send(json.dumps(frame))

    async def command(self, action: str, **fields: Any) -> dict[str, Any]:
        asked = str(uuid.uuid4())
        await self.say(type="command", command=asked, action=action, **fields)
        told = await self.until("result")
        assert told["command"] == asked
        return told


class Served:
    """The web part listening; `console` opens a stream as a person."""

    def __init__(self, web: Any, port: int) -> None:
        self.web = web
        self.port = port
        self.sockets: list[ClientConnection] = []

    async def open(self, person: str, **headers: str) -> ClientConnection:
        token = await self.web.token(person)
        return await self.connect({"Authorization": f"Bearer {token}"} | headers)

    async def connect(self, headers: dict[str, str]) -> ClientConnection:
        url = f"ws://127.0.0.1:{self.port}/live"
        socket = await connect(url, additional_headers=headers, compression=None)
        self.sockets.append(socket)
        return socket

    async def console(self, person: str = "shift-lead", **subscribe: Any) -> Console:
        console = Console(await self.open(person))
        assert (await console.frame())["type"] == "hello"
        await console.say(type="subscribe", **({"since": None} | subscribe))
        return console


@pytest.fixture
async def served(web: Any, tmp_path: Any) -> AsyncIterator[Served]:
    sock = listening("127.0.0.1:0", tmp_path / "none.json")
    config = uvicorn.Config(
        web.app,
        log_config=None,
        lifespan="off",
        ws="websockets-sansio",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve([sock]))
    made = Served(web, sock.getsockname()[1])
    yield made
    for socket in made.sockets:
        await socket.close()
    server.should_exit = True
    await task


async def test_frames_follow_each_other_without_holes(served: Served, daemon: Any) -> None:
    console = await served.console()
    base = (await console.until("snapshot"))["sequence"]
    for level, grade in ((1, "yellow"), (2, "orange"), (2, "red")):
        daemon.raise_alarm(ALARM, grade, level=level)
        told = await console.until("transition")
        assert told["prev"] == base
        assert (told["grade"], told["occurrence"]) == (grade, "1732345678901234001")
        base = told["sequence"]


async def test_hello_says_who_and_where(served: Served) -> None:
    console = Console(await served.open("hd-operator"))
    told = await console.frame()
    assert (told["type"], told["park"]["name"]) == ("hello", "示例园区")
    assert told["enterprises"] == {"hd": "华东化工"}
    assert "reset" in told["actions"]
    assert told["console"]


async def test_values_are_told_at_once_when_chosen_and_coalesced_after(
    served: Served, daemon: Any
) -> None:
    point = "hd/panel-1/h2s-0002"
    console = await served.console(points=[point])
    first = await console.until("values")
    assert [row[:4] for row in first["points"]] == [[point, 1.5, "good", "none"]]
    for value in range(50):
        daemon.set_value(point, float(value))
        daemon.set_value("hd/panel-1/h2s-0001", 9.0)
    told = await console.until("values")
    assert [row[0] for row in told["points"]] == [point]
    assert told["points"][0][1] == 49.0
    assert told["points"][0][4].isdigit()


async def test_without_a_choice_all_visible_points_are_told(served: Served, daemon: Any) -> None:
    console = await served.console("hd-viewer")
    await console.until("snapshot")
    daemon.set_value("xy/panel-1/co-0007", 9.0)
    daemon.set_value("hd/panel-1/h2s-0001", 9.0)
    told = await console.until("values")
    assert [row[0] for row in told["points"]] == ["hd/panel-1/h2s-0001"]


async def test_an_enterprise_is_told_nothing_of_another(served: Served, daemon: Any) -> None:
    daemon.raise_alarm(FOREIGN)
    await _mirrored(served, FOREIGN)
    console = await served.console("hd-operator", points=["xy/panel-1/co-0007"])
    snapshot = await console.until("snapshot")
    assert snapshot["items"] == []
    daemon.move(FOREIGN, "ack_active")
    daemon.raise_alarm("system/history:down", "orange")
    daemon.set_value("xy/panel-1/co-0007", 3.0)
    daemon.raise_alarm(ALARM)
    frames = [await console.frame()]
    while frames[-1]["type"] != "transition":
        frames.append(await console.frame())
    # `prev` counts under this console's rights: the foreign changes leave no hole in it.
    assert frames[-1]["id"] == ALARM
    assert frames[-1]["prev"] == snapshot["sequence"]
    assert "xy" not in json.dumps(frames)
    assert "system/" not in json.dumps(frames)


async def test_a_foreign_alarm_cannot_be_commanded(served: Served, daemon: Any) -> None:
    daemon.raise_alarm(FOREIGN)
    console = await served.console("hd-operator")
    told = await console.command("ack", alarm=FOREIGN, occurrence="1", version=1)
    assert (told["ok"], told["code"], told["status"]) == (False, "API-404", 404)
    assert not daemon.commands


async def test_commands_are_answered_in_words(served: Served, daemon: Any) -> None:
    item = daemon.raise_alarm(ALARM)
    console = await served.console()
    await console.until("snapshot")
    seen = {"alarm": ALARM, "occurrence": item["occurrence"]}
    stale = await console.command("ack", version=9, **seen)
    assert (stale["ok"], stale["code"], stale["status"]) == (False, "ALM-409", 409)
    assert stale["item"]["version"] == 1
    done = await console.command("ack", version=1, **seen)
    assert (done["ok"], done["item"]["core"]) == (True, "ack_active")
    silence = await console.command("silence", version=2, seconds=60, **seen)
    assert silence["ok"]
    assert daemon.commands[-1]["console"]
    for action, code in (("explode", "API-404-ROUTE"), ("", "API-404-ROUTE")):
        assert (await console.command(action, version=2, **seen))["code"] == code
    wrong = await console.command("ack", alarm=ALARM, occurrence=5, version=1)
    assert (wrong["code"], wrong["status"]) == ("API-400", 400)


async def test_the_table_holds_for_commands_too(served: Served, daemon: Any) -> None:
    daemon.raise_alarm(ALARM)
    console = await served.console("viewer")
    told = await console.command("ack", alarm=ALARM, occurrence="1", version=1)
    assert (told["ok"], told["code"]) == (False, "API-403")
    assert not daemon.commands


async def test_a_console_that_was_away_gets_what_it_missed(served: Served, daemon: Any) -> None:
    daemon.raise_alarm(ALARM)
    await _mirrored(served, ALARM)
    since = served.web.mirror.sequence
    daemon.raise_alarm(FOREIGN)
    daemon.move(ALARM, "ack_active")
    await _mirrored(served, FOREIGN)
    console = await served.console(since=since)
    first, second = await console.until("transition"), await console.until("transition")
    assert (first["id"], first["prev"]) == (FOREIGN, since)
    assert (second["id"], second["prev"]) == (ALARM, first["sequence"])


async def test_what_is_too_long_ago_is_a_gap_and_a_snapshot(served: Served, daemon: Any) -> None:
    daemon.raise_alarm(ALARM)
    await _mirrored(served, ALARM)
    console = await served.console(since=3)
    assert (await console.until("gap"))["from"] == 3
    assert [i["id"] for i in (await console.until("snapshot"))["items"]] == [ALARM]


async def test_when_the_daemon_comes_back_every_console_is_told_anew(
    served: Served, daemon: Any
) -> None:
    console = await served.console()
    await console.until("snapshot")
    await daemon.stop()
    while (await console.until("health"))["live"]:
        pass
    daemon.alarms.clear()
    await daemon.start()
    daemon.raise_alarm(ALARM)
    await console.until("gap")
    told = await console.until("snapshot")
    ids = [item["id"] for item in told["items"]]
    assert ids == [ALARM] or (await console.until("transition"))["id"] == ALARM


async def test_a_console_that_does_not_read_gets_a_gap_not_a_hole(
    web: Any, monkeypatch: pytest.MonkeyPatch, wait_until_async: Callable[..., Any]
) -> None:
    monkeypatch.setattr(live, "OUT_MAX", 10)
    sent: list[dict[str, Any]] = []

    class Slow:
        async def send_text(self, text: str) -> None:
            sent.append(json.loads(text))

        async def close(self, code: int) -> None:
            sent.append({"type": "closed", "code": code})

    viewer = web.auth.known((await web.sessions.begin("operator"))[1].hash)
    connection = Connection(Slow(), viewer, web.auth)
    connection._subscribe({"since": None})
    for sequence in range(1_000, 1_050):
        web.mirror.sequence = sequence
        connection.transition(sequence, {"id": ALARM, "enterprise": "hd"})
    assert len(connection._out) <= 10
    task = asyncio.create_task(connection.send())
    await wait_until_async(lambda: sent and not connection._out, "all is sent")
    task.cancel()
    kinds = [frame["type"] for frame in sent]
    assert kinds[:2] == ["gap", "snapshot"]
    assert [frame["n"] for frame in sent] == list(range(len(sent)))
    assert sent[-1]["sequence"] == 1_049
    prev = sent[1]["sequence"]
    for frame in sent[2:]:
        assert frame["prev"] == prev
        prev = frame["sequence"]


async def test_nobody_unknown_and_no_foreign_page_opens_the_stream(served: Served) -> None:
    token = await served.web.token("operator")
    cookie = f"pw_session={token}"
    own = f"http://127.0.0.1:{served.port}"
    for headers, status in (
        ({}, 401),
        ({"Authorization": "Bearer nonsense"}, 401),
        ({"Cookie": cookie, "Origin": "http://evil.example"}, 403),
        ({"Cookie": cookie}, 403),
    ):
        with pytest.raises(InvalidStatus) as refused:
            await served.connect(headers)
        assert refused.value.response.status_code == status
        assert json.loads(refused.value.response.body)["code"].startswith(f"API-{status}")
    console = Console(await served.connect({"Cookie": cookie, "Origin": own}))
    assert (await console.frame())["type"] == "hello"


async def test_logging_out_ends_the_stream(served: Served) -> None:
    token = await served.web.token("operator")
    bearer = {"Authorization": f"Bearer {token}"}
    socket = await served.connect(bearer)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{served.port}") as client:
        assert (await client.post("/api/v1/logout", headers=bearer)).status_code == 200
    with pytest.raises(ConnectionClosed) as closed:
        await _drain(socket)
    assert closed.value.rcvd.code == live.CLOSE_SESSION


@pytest.mark.parametrize("text", ["", "[]", "{", '{"type":"nothing"}', "[" * 20_000])
async def test_what_is_no_frame_ends_only_this_console(served: Served, text: str) -> None:
    other = await served.console()
    console = await served.console()
    await console.socket.send(text)
    with pytest.raises(ConnectionClosed):
        await _drain(console.socket)
    await other.until("health")


async def test_consoles_are_counted(served: Served, wait_until_async: Callable[..., Any]) -> None:
    console = await served.console()
    await console.until("snapshot")
    assert len(served.web.hub.connections) == 1
    await console.socket.close()
    await wait_until_async(lambda: not served.web.hub.connections, "the console is gone")
    assert not served.web.mirror.watchers


async def test_what_is_not_recorded_comes_apart_and_without_a_sequence(
    served: Served, daemon: Any
) -> None:
    daemon.raise_alarm(ALARM)
    await _mirrored(served, ALARM)
    console, foreign = await served.console(), await served.console("xy-operator")
    before = (await console.until("snapshot"))["sequence"]
    await foreign.until("snapshot")
    lost = {**daemon.alarms[ALARM], "grade": "red", "unrecorded": True}
    daemon.emit({"type": "unrecorded", "event": "rise", "item": lost})
    told = await console.until("unrecorded")
    assert (told["item"]["id"], told["item"]["grade"]) == (ALARM, "red")
    assert "sequence" not in told
    assert served.web.mirror.sequence == before
    assert served.web.mirror.alarms[ALARM]["grade"] != "red"
    later = await served.console()  # who comes later is told too
    await later.until("snapshot")
    assert (await later.until("unrecorded"))["item"]["unrecorded"]
    daemon.raise_alarm(FOREIGN)
    assert [
        f["item"] async for f in _until(foreign, "transition") if f["type"] == "unrecorded"
    ] == []
    # The next start of the daemon has it on record: nothing is apart any more.
    daemon.emit({"type": "record", "seq": 1, "time": "1", "kind": "config", "body": {}})
    await console.until("snapshot")
    assert served.web.mirror.unrecorded == {}


async def test_the_daemon_learns_how_many_may_act(
    served: Served, daemon: Any, wait_until_async: Callable[..., Any]
) -> None:
    await wait_until_async(lambda: daemon.manned == 0, "nobody is there")
    first = await served.open("operator")
    await served.open("viewer")
    await served.open("hd-operator")
    await wait_until_async(lambda: daemon.manned == 1, "one of the park who may act")
    await first.close()
    await wait_until_async(lambda: daemon.manned == 0, "and nobody again")


async def _until(console: Console, kind: str) -> AsyncIterator[dict[str, Any]]:
    """Frames up to the first of a kind."""
    while (told := await console.frame())["type"] != kind:
        yield told


async def _drain(socket: ClientConnection) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            await socket.recv()


async def _mirrored(served: Served, alarm: str) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while alarm not in served.web.mirror.alarms:  # noqa: ASYNC110 - another task's dict
            await asyncio.sleep(0.01)
