"""`python -m parkwatch.simulator broker|plant|gateway|phone|person|config|plant-all`.

Every server prints one JSON line when it is ready (`{"ready": NAME, "port": N, …}`), serves until
SIGTERM or SIGINT, prints one JSON line of counters (`{"done": NAME, …}`), and exits with 0.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import secrets
import signal
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from parkwatch.simulator.broker import DemoBroker
from parkwatch.simulator.config_text import (
    MQTT_USER,
    SCRIPTED,
    Wiring,
    demo_config,
    secret_references,
    write_secrets,
)
from parkwatch.simulator.gateway import BrokerAddress, GatewayPublisher
from parkwatch.simulator.layout import demo_layout
from parkwatch.simulator.person import Console, Person
from parkwatch.simulator.phone import Phone, PhoneServer
from parkwatch.simulator.runner import HOST, GatewaySample, PlantRunner

SIGNALS = (signal.SIGTERM, signal.SIGINT)
Options = argparse.Namespace


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one part of the simulator; the exit code."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    options = _parser().parse_args(arguments)
    code: int = options.run(options)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="parkwatch.simulator", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    _verb(verbs, "broker", _broker, "MQTT broker", ("port", "mqtt-user", "mqtt-password-file"))
    plant = ("port", "rtu", "points", "seed", "start-file", "truth", *_MQTT)
    _verb(verbs, "plant", _plant, "Modbus units behind the recording proxy, and gateway", plant)
    _verb(verbs, "gateway", _gateway, "MQTT gateway alone", ("points", "seed", *_MQTT))
    _verb(verbs, "phone", _phone, "what people get on their phones", ("port",))
    _verb(verbs, "person", _person, "scripted person", ("url", "person", "password-file"))
    config = ("folder", "modbus-port", "mqtt-port", "phone-url", "bind", "points")
    _verb(verbs, "config", _config, "print the demo's configuration", config)
    together = ("port", "points", "seed", "start-file", "truth", "folder", "bind")
    _verb(verbs, "plant-all", _plant_all, "broker, plant, gateway and phone as one", together)
    return parser


_MQTT = ("mqtt-port", "mqtt-user", "mqtt-password-file")
_OPTIONS: dict[str, dict[str, Any]] = {
    "port": {"type": int, "default": 0, "help": "port on 127.0.0.1; 0: the system chooses"},
    "rtu": {"choices": ("tcp", "pty"), "help": "the same units as one serial segment too: behind "
            "a converter's TCP port, or on a pty whose path is printed"},
    "points": {"type": int, "default": 0, "help": "at least so many points"},
    "seed": {"type": int, "default": 1, "help": "equal seeds give an equal plant"},
    "start-file": {"type": Path, "help": "plant time begins when this file exists, instead of "
                   "with the first Modbus read"},
    "truth": {"type": Path, "help": "write what really happened here at the end, JSON lines"},
    "mqtt-port": {"type": int, "default": 0, "help": "port of the broker; 0: no gateway"},
    "mqtt-user": {"default": MQTT_USER},
    "mqtt-password-file": {"type": Path, "help": "file that holds the broker's password"},
    "url": {"default": "http://127.0.0.1:8080", "help": "the console"},
    "person": {"default": SCRIPTED},
    "password-file": {"type": Path, "required": True},
    "folder": {"type": Path, "help": "write park.toml and its secrets here too"},
    "modbus-port": {"type": int, "required": True},
    "phone-url": {"required": True, "help": "json://127.0.0.1:PORT/"},
    "bind": {"default": "127.0.0.1:8080", "help": "where the console shall listen"},
}  # fmt: skip


def _verb(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[Options], int],
    text: str,
    options: Sequence[str],
) -> None:
    parser = verbs.add_parser(name, help=text, description=text)
    for option in options:
        parser.add_argument(f"--{option}", **_OPTIONS[option])
    parser.set_defaults(run=run)


def _say(**fields: object) -> None:
    """One JSON line. Whoever started us may be gone: then nobody is left to tell, no fault."""
    try:
        print(json.dumps(fields, ensure_ascii=False), flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _serve(work: Callable[[asyncio.Event], Awaitable[None]]) -> int:
    """Run a server's coroutine; the event is set by SIGTERM and SIGINT."""

    async def serve() -> None:
        stop = asyncio.Event()
        for number in SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await work(stop)

    asyncio.run(serve())
    return 0


def _read(path: Path | None) -> str:
    return "" if path is None else path.read_text("utf-8").strip()


def _broker(options: Options) -> int:
    password = _read(options.mqtt_password_file)

    async def work(stop: asyncio.Event) -> None:
        broker = DemoBroker(options.mqtt_user, password)
        _say(ready="broker", port=await broker.start(options.port))
        await stop.wait()
        await broker.close()
        _say(done="broker")

    return _serve(work)


def _plant(options: Options) -> int:
    password = _read(options.mqtt_password_file)

    async def work(stop: asyncio.Event) -> None:
        runner = PlantRunner(demo_layout(options.points), options.seed, options.start_file)
        port = await runner.start(options.port)
        serial = await runner.start_rtu(options.rtu)
        gateway = None
        if options.mqtt_port:
            address = BrokerAddress(HOST, options.mqtt_port, options.mqtt_user, password)
            gateway = _publisher(runner, address)
        points = len(runner.layout.signals)
        _say(ready="plant", port=port, points=points, mqtt=options.mqtt_port, **serial)
        await _until(stop, runner.run, *([gateway.run] if gateway else []))
        await runner.close()
        _say(done="plant", **runner.counters(), **_sent(gateway))
        _write_truth(options.truth, runner)

    return _serve(work)


def _gateway(options: Options) -> int:
    password = _read(options.mqtt_password_file)

    async def work(stop: asyncio.Event) -> None:
        runner = PlantRunner(demo_layout(options.points), options.seed)
        runner.started.set()
        address = BrokerAddress(HOST, options.mqtt_port, options.mqtt_user, password)
        gateway = _publisher(runner, address)
        _say(ready="gateway", port=options.mqtt_port)
        await _until(stop, runner.run, gateway.run)
        _say(done="gateway", **_sent(gateway))

    return _serve(work)


def _phone(options: Options) -> int:
    async def work(stop: asyncio.Event) -> None:
        phone = Phone(time.time_ns)
        server = PhoneServer(phone, options.port)
        _say(ready="phone", port=server.port)
        await _until_stopped(stop, server)
        _say(done="phone", received=phone.received)

    return _serve(work)


def _person(options: Options) -> int:
    stop = threading.Event()
    for number in SIGNALS:
        signal.signal(number, lambda *_: stop.set())
    console = Console(options.url, options.person, _read(options.password_file))
    person = Person(console, time.monotonic, lambda: str(uuid.uuid4()))
    _say(ready="person", port=0, person=options.person)
    person.run(stop)
    _say(done="person", **person.counts)
    return 0


def _config(options: Options) -> int:
    wiring = Wiring(
        modbus_port=options.modbus_port,
        mqtt_port=options.mqtt_port,
        phone_url=options.phone_url,
        secrets=_secrets(options.folder),
        bind=options.bind,
    )
    text = demo_config(demo_layout(options.points), wiring)
    if options.folder is not None:
        (options.folder / "park.toml").write_text(text, "utf-8")
    print(text, end="")
    return 0


def _secrets(folder: Path | None) -> dict[str, str]:
    if folder is not None:
        write_secrets(folder)
    return secret_references(None if folder is None else folder.resolve())


def _plant_all(options: Options) -> int:
    folder = options.folder or Path(tempfile.mkdtemp(prefix="parkwatch-demo-"))
    references = _secrets(folder)
    password = _read(folder / "mqtt.password")

    async def work(stop: asyncio.Event) -> None:
        broker, phone = DemoBroker(MQTT_USER, password), Phone(time.time_ns)
        server = PhoneServer(phone, 0)
        mqtt = await broker.start(0)
        runner = PlantRunner(demo_layout(options.points), options.seed, options.start_file)
        port = await runner.start(options.port)
        gateway = _publisher(runner, BrokerAddress(HOST, mqtt, MQTT_USER, password))
        wiring = Wiring(port, mqtt, f"json://{HOST}:{server.port}/", references, options.bind)
        text = demo_config(runner.layout, wiring)
        await asyncio.to_thread((folder / "park.toml").write_text, text, "utf-8")
        ports = {"port": port, "mqtt": mqtt, "phone": server.port}
        _say(ready="plant-all", **ports, folder=str(folder), points=len(runner.layout.signals))
        await _until(stop, runner.run, gateway.run, lambda: _until_stopped(stop, server))
        await runner.close()
        await broker.close()
        _say(done="plant-all", **runner.counters(), **_sent(gateway), received=phone.received)
        _write_truth(options.truth, runner)

    return _serve(work)


def _publisher(runner: PlantRunner, address: BrokerAddress) -> GatewayPublisher:
    sample = GatewaySample(runner.layout, runner.plant, secrets.randbits(32))
    return GatewayPublisher(sample.spec, address, sample, time.time_ns)


def _sent(gateway: GatewayPublisher | None) -> dict[str, int]:
    if gateway is None:
        return {}
    return {"published": gateway.published, "lost": gateway.lost}


async def _until(stop: asyncio.Event, *works: Callable[[], Awaitable[None]]) -> None:
    """Run all until `stop`; whatever fails before that is raised."""
    tasks = [asyncio.ensure_future(work()) for work in works]
    waiter = asyncio.ensure_future(stop.wait())
    # No deadline: a server serves until it is told to stop.
    await asyncio.wait([waiter, *tasks], return_when=asyncio.FIRST_COMPLETED)
    failed = [t for t in tasks if t.done() and not t.cancelled() and t.exception() is not None]
    for task in [waiter, *tasks]:
        task.cancel()
    await asyncio.gather(waiter, *tasks, return_exceptions=True)
    for task in failed:
        task.result()


async def _until_stopped(stop: asyncio.Event, server: PhoneServer) -> None:
    serving = asyncio.ensure_future(server.run())
    try:
        await stop.wait()
    finally:
        server.stop()
        await serving


def _write_truth(path: Path | None, runner: PlantRunner) -> None:
    if path is not None:
        lines = [json.dumps(asdict(event)) + "\n" for event in runner.plant.truth]
        path.write_text("".join(lines), "utf-8")
