"""`config apply` on a running daemon: what is not touched goes on, what cannot start is undone."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from applying import H2S, PASSWORDS, ROW, Folder, make, ran
from park import Daemon, wait_for
from serving import WaitAsync, serving, silence
from websockets.asyncio.client import connect

from parkwatch.daemon.app import reload as reloading
from parkwatch.daemon.app.app import App
from parkwatch.daemon.cli.main import main
from parkwatch.daemon.outbox.timers import all_timers
from parkwatch.daemon.pipeline.link import LinkFault, call_once
from parkwatch.daemon.store.database import open_reader

GAS, VOTE = f"{H2S}:gas", "huadong/tank-a:vote-h2s"
LOWER, HIGHER = 'gas = "H2S", al1 = 5, al2 = 8', 'gas = "H2S", al1 = 6, al2 = 10'


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = make(tmp_path)
    made.edit('gas = "H2S"', LOWER)
    made.edit('"127.0.0.1:8080"', '"127.0.0.1:0"')
    return made


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    silence(monkeypatch)


def deepest(view: Any) -> bool:
    return view is not None and view.live_level == 2


@pytest.mark.usefixtures("silent")
async def test_alarms_timers_and_time_go_on_over_a_change(
    folder: Folder, wait_until_async: WaitAsync
) -> None:
    async with serving(folder, wait_until_async) as park:
        before = await park.until(GAS, deepest, 30)
        clock, old = park.running.clock, park.running
        folder.edit(
            ROW,
            f'{ROW.replace("0103", "0109")}, zone = "tank-a", gas = "H2S", reg = 40099 }},\n{ROW}',
        )
        told = await park.apply()
        assert told["added"] == ["huadong/panel-1/h2s-0109"]
        assert park.running is not old
        assert park.running.clock is clock
        after = park.running.engine.alarm(GAS)
        assert after is not None
        assert (after.occurrence, after.version, after.core) == (
            before.occurrence, before.version, before.core
        )  # fmt: skip
        db = open_reader(folder.data / "journal.db")
        assert any(GAS in timer.key for timer in all_timers(db))
        db.close()
        await park.until(GAS, deepest, 30)
        assert folder.sha256() == folder.written()
    events = [r.body["event"] for r in folder.records("transition") if r.body["alarm"] == GAS]
    assert events.count("raise") == 1
    assert [r.kind for r in folder.records("start", "stop")] == ["start", "stop"]


@pytest.mark.usefixtures("silent")
async def test_what_would_end_an_alarm_is_refused_and_the_old_set_runs_on(
    folder: Folder, wait_until_async: WaitAsync
) -> None:
    async with serving(folder, wait_until_async) as park:
        await park.until(GAS, deepest, 30)
        old, before = park.running, folder.sha256()
        folder.remove(ROW)
        with pytest.raises(LinkFault) as refused:
            await park.apply(two=True)
        assert refused.value.code == "CFG-181"
        assert GAS in refused.value.what
        with pytest.raises(LinkFault) as refused:
            await park.apply(close=True)
        assert refused.value.code == "CFG-182"
        assert park.running is old
        folder.path.write_text(folder.path.read_text("utf-8") + "wrong = 1\n", "utf-8")
        invalid = await park.apply()
        assert "CFG-103" in [each["code"] for each in invalid["invalid"]]
        assert (park.running, folder.sha256()) == (old, before)
        await park.until(GAS, deepest, 30)
    assert folder.records("config") == []


@pytest.mark.usefixtures("silent")
async def test_an_alarm_that_is_closed_comes_anew_where_the_new_limit_is_reached_too(
    folder: Folder, wait_until_async: WaitAsync
) -> None:
    async with serving(folder, wait_until_async) as park:
        first = await park.until(VOTE, lambda view: view is not None, 30)
        gas = park.running.engine.alarm(GAS)
        assert gas is not None
        folder.edit(LOWER, HIGHER)
        told = await park.apply(two=True, close=True)
        assert told["closed"] == [GAS, VOTE]
        assert park.running.engine.alarm(GAS) is None
        again = await park.until(GAS, deepest, 30)
        assert again.occurrence > gas.occurrence
        vote = await park.until(VOTE, lambda view: view is not None, 30)
        assert vote.occurrence > first.occurrence
    closed = [r.body for r in folder.records("transition") if r.body["event"] == "close"]
    assert {body["alarm"] for body in closed} == {GAS, VOTE}
    announced = {r.body["alarm"] for r in folder.records("message") if "|closed|" in r.body["key"]}
    assert announced == {GAS, VOTE}


@pytest.mark.usefixtures("silent")
async def test_what_cannot_start_is_undone_and_may_be_tried_again(
    folder: Folder, wait_until_async: WaitAsync, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(folder, wait_until_async) as park:
        before = await park.until(GAS, deepest, 30)
        applied = folder.sha256()
        folder.edit("al1 = 5", "al1 = 4")
        made: list[object] = []

        def first_fails(*args: Any, **keys: Any) -> App:
            made.append(args)
            if len(made) == 1:
                raise OSError(28, "No space left on device")
            return App(*args, **keys)

        monkeypatch.setattr(reloading, "App", first_fails)
        with pytest.raises(LinkFault) as refused:
            await park.apply()
        assert refused.value.code == "CFG-186"
        assert "No space left" in refused.value.what
        assert folder.sha256() == applied
        view = park.running.engine.alarm(GAS)
        assert view is not None
        assert (view.occurrence, view.version) == (before.occurrence, before.version)
        await park.apply()
        assert folder.sha256() == folder.written()
    assert [r.body["what"] for r in folder.records("config")] == ["apply", "revert", "apply"]


@pytest.mark.usefixtures("silent")
async def test_an_address_that_is_taken_is_refused_before_anything_stops(
    folder: Folder, wait_until_async: WaitAsync, free_port: int
) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", free_port)
    async with serving(folder, wait_until_async) as park:
        old = park.running
        folder.edit('"127.0.0.1:0"', f'"127.0.0.1:{free_port}"')
        with pytest.raises(LinkFault) as refused:
            await park.apply()
        assert refused.value.code == "CFG-187"
        assert park.running is old
    server.close()


# Real processes -------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from parkwatch.daemon.app import reload
from parkwatch.daemon.cli.main import main

real = getattr(reload.applied, sys.argv[1])

def step(*args):
    if sys.argv[1] == "prepare":
        real(*args)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(reload.applied, sys.argv[1], step)
main(sys.argv[2:])
"""


@pytest.mark.timeout(60)
@pytest.mark.parametrize("step", ["prepare", "promote"])
def test_a_kill_amid_the_change_leaves_the_old_or_the_new(folder: Folder, step: str) -> None:
    ran(folder)
    before = folder.sha256()
    doomed = subprocess.Popen(
        [sys.executable, "-c", KILLED, step, "run", "--data", str(folder.data)],
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: health(folder), 30, "it runs")
    folder.edit("al1 = 5", "al1 = 4")
    assert main(folder.words("apply")) == 4
    assert doomed.wait(15) == -signal.SIGKILL
    again = Daemon(folder.path, folder.data)
    differs = wait_for(lambda: health(folder), 30, "it runs again")["config"]["differs"]
    new = step == "promote"
    assert folder.sha256() == (folder.written() if new else before)
    assert differs is not new
    assert again.stop() == 0
    assert main(["journal", "verify", "--data", str(folder.data)]) == 0


def health(folder: Folder) -> dict[str, Any] | None:
    try:
        return dict(call_once(folder.data / "run" / "live.sock", "health"))
    except LinkFault:
        return None


@pytest.mark.timeout(60)
async def test_a_console_stays_connected_over_a_change(folder: Folder) -> None:
    daemon = Daemon(folder.path, folder.data)
    listen = folder.data / "run/listen.json"
    await asyncio.to_thread(wait_for, listen.exists, 30, "the daemon listens")
    daemon.process.send_signal(signal.SIGHUP)  # It means nothing.
    address = json.loads(listen.read_text())["http"]
    async with httpx.AsyncClient(base_url=f"http://{address}/api/v1") as client:
        person = {"person": "zhangwei", "password": PASSWORDS["zhangwei"]}
        token = (await client.post("/login", json=person)).json()["token"]
        bearer = {"Authorization": f"Bearer {token}"}
        async with connect(f"ws://{address}/live", additional_headers=bearer) as socket:
            frames: list[dict[str, Any]] = []

            async def hear(until: Callable[[], bool]) -> None:
                async with asyncio.timeout(30):
                    while not until():
                        frames.append(json.loads(await socket.recv()))

            await socket.send(json.dumps({"type": "subscribe", "since": None}))
            await hear(lambda: any(f["type"] == "snapshot" for f in frames))
            folder.edit("al1 = 5", "al1 = 4")
            assert await asyncio.to_thread(main, folder.words("apply")) == 0
            mark = len(frames)
            await hear(lambda: sum(f["type"] == "health" for f in frames[mark:]) >= 3)
            assert [f["n"] for f in frames] == list(range(len(frames)))
            known = next(f["sequence"] for f in frames if f["type"] == "snapshot")
            for frame in frames:
                if frame["type"] == "transition":
                    assert frame["prev"] == known
                    known = frame["sequence"]
                elif frame["type"] in ("gap", "snapshot"):
                    known = frame.get("sequence", known)
        limits = (await client.get(f"/points/{H2S}", headers=bearer)).json()
        assert limits["id"] == H2S
    assert await asyncio.to_thread(daemon.stop) == 0
