"""The child process: says where it listens, finds a free port, ends with the daemon."""

import asyncio
import json
import signal
import stat
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from parkwatch.daemon.web.server import listening, main
from parkwatch.rules.fault import Fault


async def test_it_says_where_it_listens_and_takes_the_word_back(child: Any, tmp_path: Path) -> None:
    url = await child.start()
    listen = tmp_path / "run" / "listen.json"
    assert stat.S_IMODE(listen.stat().st_mode) == 0o600
    async with httpx.AsyncClient(base_url=url) as client:
        assert (await client.get("/healthz")).json() == {"ok": True}
        page = await client.get("/")
        assert "app.js" in page.text
        assert (await client.get("/static/app.js")).headers["content-type"].startswith("text/java")
        assert "server" not in page.headers
    assert await child.stop() == 0
    assert not listen.exists()


async def test_the_terminals_interrupt_is_the_daemons_to_handle(child: Any) -> None:
    url = await child.start()
    child.process.send_signal(signal.SIGINT)
    async with httpx.AsyncClient(base_url=url) as client:
        assert (await client.get("/healthz")).status_code == 200


async def test_it_ends_when_the_daemon_that_started_it_is_gone(
    daemon: Any, tmp_path: Path, wait_until_async: Any
) -> None:
    daemon_like = (
        "import os, subprocess, sys, time\n"
        "words = [sys.executable, '-m', 'parkwatch.daemon.web']\n"
        f"subprocess.Popen([*words, {str(tmp_path)!r}, str(os.getpid())])\n"
        "time.sleep(60)\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", daemon_like, stderr=asyncio.subprocess.DEVNULL
    )
    listen = tmp_path / "run" / "listen.json"
    await wait_until_async(listen.exists, "the child listens", 15)
    address = json.loads(listen.read_text())["http"]
    parent.kill()
    await parent.wait()
    await wait_until_async(lambda: not listen.exists(), "the child ended")

    async def refused() -> bool:
        try:
            async with httpx.AsyncClient() as client:
                await client.get(f"http://{address}/healthz")
        except httpx.TransportError:
            return True
        return False

    await wait_until_async(refused, "nobody listens")


def test_a_used_port_gives_way_to_the_next_and_says_so(
    tmp_path: Path, free_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    first = listening(f"127.0.0.1:{free_port}", tmp_path / "listen.json")
    second = listening(f"127.0.0.1:{free_port}", tmp_path / "listen.json")
    try:
        assert first.getsockname()[1] == free_port
        assert free_port < second.getsockname()[1] <= free_port + 20
        assert f"port {free_port} is used" in caplog.text
    finally:
        first.close()
        second.close()


def test_a_free_choice_takes_the_port_of_the_last_time(tmp_path: Path, free_port: int) -> None:
    listen = tmp_path / "listen.json"
    listen.write_text(json.dumps({"http": f"127.0.0.1:{free_port}"}))
    sock = listening("127.0.0.1:0", listen)
    assert sock.getsockname()[1] == free_port
    sock.close()


def test_an_address_of_another_machine_is_a_fault_in_words(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="无法监听"):
        listening("192.0.2.1:8080", tmp_path / "listen.json")


def test_usage() -> None:
    assert main([]) == 2
    assert main(["data", "x"]) == 2


async def test_a_daemon_that_was_killed_while_it_started_leaves_no_orphan(
    daemon: Any, tmp_path: Path
) -> None:
    """In a restart storm each would hold a port and 50 MB for ever."""
    gone = await asyncio.create_subprocess_exec(sys.executable, "-c", "pass")
    await gone.wait()
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "parkwatch.daemon.web", str(tmp_path), str(gone.pid),
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert await asyncio.wait_for(child.wait(), 30) == 0


@pytest.mark.parametrize("passwords", [False, True])
async def test_a_first_start_leaves_a_one_time_link_only_where_nobody_has_a_password(
    child: Any, daemon: Any, tmp_path: Path, *, passwords: bool
) -> None:
    if not passwords:
        for person in daemon.people:
            person["password"] = ""
    url = await child.start()
    path = tmp_path / "secrets" / "first.url"
    assert path.exists() is not passwords
    if passwords:
        return
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    link = json.loads(path.read_text())["link"]
    assert link.startswith(f"{url}/first/")
    headers = {"origin": url}
    typed = {"password": "初次登录-2026", "again": "初次登录-2026"}
    async with httpx.AsyncClient() as client:
        assert (await client.get(link)).status_code == 200
        told = await client.post(link, data=typed, headers=headers)
        assert told.status_code == 303
        assert not path.exists()
        assert (await client.get(link)).status_code == 404
        body = {"person": "admin", "password": "初次登录-2026"}
        assert (await client.post(f"{url}/api/v1/login", json=body)).status_code == 200
