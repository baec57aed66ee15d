"""The command line as the demo uses it: ready lines, counters at the end, 0 on SIGTERM."""

from __future__ import annotations

import asyncio
import json
import select
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiomqtt import Client
from pymodbus import FramerType
from pymodbus.client import ModbusSerialClient, ModbusTcpClient

from parkwatch.simulator.cli import main

SECONDS = 20.0


class Part:
    """One part of the simulator as a process."""

    def __init__(self, *arguments: str | Path) -> None:
        command = [sys.executable, "-m", "parkwatch.simulator", *map(str, arguments)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def line(self) -> dict[str, Any]:
        """The next line, which is JSON."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], SECONDS)
        assert ready, "nothing said in time"
        said: dict[str, Any] = json.loads(self.process.stdout.readline())
        return said

    def end(self, number: int = signal.SIGTERM) -> dict[str, Any]:
        """End it; its last line. It must exit with 0 and say nothing else."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=SECONDS)
        assert (self.process.returncode, err) == (0, b"")
        (last,) = out.splitlines()
        done: dict[str, Any] = json.loads(last)
        return done

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def part() -> Iterator[Callable[..., Part]]:
    started: list[Part] = []

    def start(*arguments: str | Path) -> Part:
        started.append(Part(*arguments))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.kill()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end


@pytest.mark.parametrize("way", ["tcp", "pty"])
def test_a_plant_is_a_serial_segment_too(way: str, part: Callable[..., Part]) -> None:
    plant = part("plant", "--rtu", way)
    ready = plant.line()
    client: ModbusTcpClient | ModbusSerialClient = (
        ModbusSerialClient(ready["rtu"], baudrate=115_200)
        if way == "pty"
        else ModbusTcpClient("127.0.0.1", port=ready["rtu"], framer=FramerType.RTU)
    )
    assert client.connect()
    serial = client.read_holding_registers(16, count=2, device_id=1)
    client.close()
    tcp = ModbusTcpClient("127.0.0.1", port=ready["port"])
    assert tcp.connect()
    assert serial.registers == tcp.read_holding_registers(16, count=2, device_id=1).registers
    tcp.close()
    assert plant.end()["writes"] == 0


def test_plant_all_serves_everything_and_tells_what_it_saw(
    part: Callable[..., Part], tmp_path: Path
) -> None:
    folder = tmp_path / "demo"
    plant = part("plant-all", "--folder", folder, "--truth", tmp_path / "truth.jsonl")
    ready = plant.line()
    assert (ready["ready"], ready["points"]) == ("plant-all", 51)
    config = tomllib.loads((folder / "park.toml").read_text("utf-8"))
    assert config["broker"]["demo"]["port"] == ready["mqtt"]
    assert config["channel"]["work"]["url"] == f"json://127.0.0.1:{ready['phone']}/"
    assert {d["port"] for d in config["device"] if "port" in d} == {ready["port"]}

    with ModbusTcpClient("127.0.0.1", port=ready["port"], timeout=5) as client:
        values = client.read_holding_registers(0, count=16, device_id=1).registers
        assert 0 < values[0] < 50
        beat = client.read_input_registers(0, count=1, device_id=202)
        until(lambda: client.read_input_registers(0, count=1, device_id=202) != beat)
        flame = client.read_discrete_inputs(0, count=3, device_id=201).bits[:3]
        assert flame == [False, False, True]
    asyncio.run(_one_batch(ready["mqtt"], (folder / "mqtt.password").read_text("utf-8")))
    answer = httpx.post(f"http://127.0.0.1:{ready['phone']}/", json={"text": "红警"})
    assert answer.json() == {"n": 1}

    done = plant.end()
    assert (done["done"], done["violations"], done["writes"]) == ("plant-all", 0, 0)
    assert set(done["functions"]) == {"2", "3", "4"}
    assert done["received"] == 1
    assert done["published"] >= 1
    assert (tmp_path / "truth.jsonl").exists()


async def _one_batch(port: int, password: str) -> None:
    async with Client("127.0.0.1", port, username="parkwatch", password=password) as client:
        await client.subscribe("park/huadong/gw-1/readings", qos=1)
        async with asyncio.timeout(SECONDS):
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                assert len(json.loads(message.payload)["val"]) == 16
                return


def test_the_parts_work_apart(part: Callable[..., Part], tmp_path: Path) -> None:
    secret = tmp_path / "mqtt.password"
    secret.write_text("s3cret\n")
    broker = part("broker", "--mqtt-password-file", secret)
    mqtt = broker.line()["port"]
    credentials = ("--mqtt-port", str(mqtt), "--mqtt-password-file", secret)
    gate = tmp_path / "go"
    plant = part("plant", "--points", "60", "--start-file", gate, *credentials)
    ready = plant.line()
    assert (ready["ready"], ready["points"], ready["mqtt"]) == ("plant", 60, mqtt)
    with ModbusTcpClient("127.0.0.1", port=ready["port"], timeout=5) as client:
        assert not client.read_holding_registers(0, count=1, device_id=1).isError()
        assert client.read_input_registers(0, count=1, device_id=202).registers == [0]
        gate.touch()
        until(lambda: client.read_input_registers(0, count=1, device_id=202).registers == [1])
    done = plant.end(signal.SIGINT)
    assert done["time_s"] >= 1.0
    assert broker.end() == {"done": "broker"}


def test_a_write_shows_in_the_plants_counters(part: Callable[..., Part]) -> None:
    plant = part("plant")
    port = plant.line()["port"]
    with socket.create_connection(("127.0.0.1", port), SECONDS) as wire:
        wire.sendall(bytes.fromhex("000100000006010600000001"))
        assert wire.recv(1) == b""
    done = plant.end()
    assert (done["violations"], done["writes"], done["functions"]) == (1, 0, {"6": 1})
    assert "published" not in done


def test_phone_and_person_end_cleanly(part: Callable[..., Part], tmp_path: Path) -> None:
    phone = part("phone")
    port = phone.line()["port"]
    assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 200
    assert phone.end() == {"done": "phone", "received": 0}
    secret = tmp_path / "zhangwei.password"
    secret.write_text("x")
    person = part("person", "--url", f"http://127.0.0.1:{port}", "--password-file", secret)
    assert person.line()["person"] == "zhangwei"
    person.process.send_signal(signal.SIGTERM)
    out, _ = person.process.communicate(timeout=SECONDS)
    assert person.process.returncode == 0
    assert json.loads(out)["acks"] == 0


def test_config_prints_what_it_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ports = ["--modbus-port", "1502", "--mqtt-port", "1883", "--phone-url", "json://127.0.0.1:9/"]
    folder = tmp_path / "demo"
    assert main(["config", *ports, "--folder", str(folder), "--bind", "127.0.0.1:0"]) == 0
    text = capsys.readouterr().out
    assert (folder / "park.toml").read_text("utf-8") == text
    config = tomllib.loads(text)
    assert config["console"]["bind"] == "127.0.0.1:0"
    assert config["people"]["zhangwei"]["password"] == f"file:{folder / 'zhangwei.argon2'}"
    assert main(["config", *ports]) == 0
    assert "env:PARKWATCH_DEMO_ZHANGWEI" in capsys.readouterr().out


def test_an_end_that_nobody_hears_is_a_clean_end(part: Callable[..., Part]) -> None:
    """The demo was killed and its pipe is gone: no traceback, exit 0."""
    phone = part("phone")
    phone.line()
    assert phone.process.stdout is not None
    phone.process.stdout.close()
    phone.process.terminate()
    assert phone.process.wait(SECONDS) == 0
    assert phone.process.stderr is not None
    assert phone.process.stderr.read() == b""
    phone.process.stderr.close()
