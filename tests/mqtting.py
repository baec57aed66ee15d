"""Gateways and MQTT sources for tests, on a real broker."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Any

import paho.mqtt.client as paho
from listening import Listener, engine_now
from paho.mqtt.enums import CallbackAPIVersion

from parkwatch.drivers.config import Broker, Gateway
from parkwatch.drivers.mqtt.source import MqttSource
from parkwatch.rules.quality import BAD_COMMS

GATEWAY = Gateway("huadong/gw-1", "huadong", "gw-1", {"p/a": 0})
READINGS = "park/huadong/gw-1/readings"
LINKS = {
    "fast": {"version": "5"},
    "paho 5": {"version": "5", "client": "paho"},
    "paho 3.1.1": {"version": "3.1.1"},
}
"""Every way to connect, by name."""


def values(sink: Listener) -> list[float]:
    """What was read; a lost link tells NaN."""
    return [value for _, value, quality in sink.rows() if quality != BAD_COMMS]


@contextmanager
def publisher(broker: Any, user: str = "huadong/gw-1", **will: Any) -> Iterator[paho.Client]:
    """A connected gateway; `will` as paho's will_set takes it."""
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"test {user}")
    client.username_pw_set(user, broker.users[user])
    if will:
        client.will_set(**will)
    client.max_inflight_messages_set(1_000)
    client.connect(broker.host, broker.port)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def payload(seq: int, value: object = None, **more: object) -> bytes:
    """A batch of one reading, of boot 7; its value is its number, if not given."""
    number = seq if value is None else value
    columns = {"v": 1, "boot": 7, "seq": seq, "t": engine_now() // 1_000_000, "id": ["p/a"]}
    return json.dumps({**columns, "val": [number], **more}, separators=(",", ":")).encode()


def status(state: str, boot: int = 7) -> bytes:
    return json.dumps({"v": 1, "boot": boot, "state": state, "t": 1}).encode()


def config(broker: Any, **more: Any) -> Broker:
    """The daemon's own link to a broker of the tests; `more` as Broker takes it."""
    made = Broker(
        "b", broker.host, broker.port, "parkwatch", broker.users["parkwatch"],
        client_id="daemon", gateways=(GATEWAY,),
    )  # fmt: skip
    return replace(made, **more)


@asynccontextmanager
async def source(
    made: Broker, sink: Listener, now: Callable[[], int] = engine_now
) -> AsyncIterator[MqttSource]:
    """A source at work until the end of the block."""
    running = MqttSource(made, sink, now)
    task = asyncio.create_task(running.run())
    try:
        yield running
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
