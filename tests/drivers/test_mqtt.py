"""MQTT on a real broker: nothing is acknowledged early, nothing unacknowledged is lost."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from parkwatch.drivers.config import Broker, Gateway
from parkwatch.drivers.mqtt import MqttSource
from parkwatch.drivers.source import DriverEvent
from parkwatch.rules.batch import LATE, Batch
from parkwatch.rules.quality import BAD_COMMS

pytestmark = pytest.mark.mosquitto
WaitAsync = Callable[..., Awaitable[None]]


class Sink:
    """Keeps what it was given; acknowledges when told to."""

    def __init__(self, *, acks: bool = True) -> None:
        self.acks = acks
        self.batches: list[Batch] = []
        self.events: list[DriverEvent] = []

    async def batch(self, batch: Batch) -> None:
        self.batches.append(batch)
        if self.acks:
            batch.ack()

    def event(self, event: DriverEvent) -> None:
        self.events.append(event)

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    def values(self) -> list[float]:
        return [v for b in self.batches if b.quality[0] != BAD_COMMS for v in b.value.tolist()]


def publisher(broker: Any) -> paho.Client:
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="gw")
    client.username_pw_set("huadong/gw-1", broker.users["huadong/gw-1"])
    client.connect(broker.host, broker.port)
    client.loop_start()
    return client


def payload(seq: int, value: object = None, **more: object) -> bytes:
    number = seq if value is None else value
    columns = {"v": 1, "boot": 7, "seq": seq, "t": 1_732_345_678_901, "id": ["p/a"]}
    return json.dumps({**columns, "val": [number], **more}).encode()


@asynccontextmanager
async def source(broker: Any, sink: Sink) -> AsyncIterator[MqttSource]:
    gateway = Gateway("huadong/gw-1", "huadong", "gw-1", {"p/a": 0})
    made = MqttSource(
        Broker("b", broker.host, broker.port, "parkwatch", broker.users["parkwatch"],
               client_id="daemon", gateways=(gateway,)),
        sink,
        lambda: 5,
    )  # fmt: skip
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_what_was_not_acknowledged_comes_again(
    mosquitto: Any, wait_until_async: WaitAsync
) -> None:
    topic = "park/huadong/gw-1/readings"
    deaf = Sink(acks=False)
    async with source(mosquitto, deaf):
        await wait_until_async(lambda: "broker_up" in deaf.kinds(), "connected")
        gateway = publisher(mosquitto)
        for seq in range(15):
            gateway.publish(topic, payload(seq), qos=1).wait_for_publish(5)
        await wait_until_async(lambda: len(deaf.values()) == 15, "all delivered")
        for batch in deaf.batches[:5]:
            batch.ack()
    keen = Sink()
    async with source(mosquitto, keen):
        await wait_until_async(lambda: len(keen.values()) >= 10, "the others come again")
        gateway.publish(topic, payload(99), qos=1).wait_for_publish(5)
        await wait_until_async(lambda: 99.0 in keen.values(), "and go on")
    assert set(range(5, 15)) <= set(keen.values())
    gateway.disconnect()
    gateway.loop_stop()


async def test_bad_payloads_are_named_and_the_rest_goes_on(
    mosquitto: Any, wait_until_async: WaitAsync
) -> None:
    sink = Sink()
    async with source(mosquitto, sink) as made:
        await wait_until_async(lambda: "broker_up" in sink.kinds(), "connected")
        gateway = publisher(mosquitto)
        for bad in (b"hello", b"[" * 5_000, payload(1, val=[1, 2]), b"\xff"):
            gateway.publish("park/huadong/gw-1/readings", bad, qos=1)
        gateway.publish("park/huadong/gw-1/readings", payload(2, id=["p/b"]), qos=1)
        gateway.publish("park/huadong/gw-1/readings", payload(3, 3.5), qos=1)
        gateway.publish("park/huadong/gw-1/r/p/a", b"4.5", qos=1).wait_for_publish(5)
        await wait_until_async(lambda: sink.values() == [3.5, 4.5], "the good ones")
        assert made.refused == 4
        assert made.foreign == 1
        assert {"refused", "foreign", "link_up"} <= set(sink.kinds())
        gateway.disconnect()
        gateway.loop_stop()


async def test_retained_is_history_and_a_last_will_is_a_lost_link(
    mosquitto: Any, wait_until_async: WaitAsync
) -> None:
    gateway = publisher(mosquitto)
    status = {"v": 1, "boot": 7, "state": "online", "t": 1}
    gateway.publish(
        "park/huadong/gw-1/status", json.dumps(status).encode(), qos=1, retain=True
    ).wait_for_publish(5)
    sink = Sink()
    async with source(mosquitto, sink):
        await wait_until_async(lambda: "broker_up" in sink.kinds(), "connected")
        gateway.publish("park/huadong/gw-1/r/p/a", b"1.5", qos=1).wait_for_publish(5)
        await wait_until_async(lambda: sink.values() == [1.5], "a live value")
        assert sink.batches[0].origin != LATE
        gone = json.dumps({**status, "state": "offline"}).encode()
        gateway.publish("park/huadong/gw-1/status", gone, qos=1).wait_for_publish(5)
        await wait_until_async(lambda: "link_down" in sink.kinds(), "the last will")
        await wait_until_async(lambda: sink.batches[-1].quality[0] == BAD_COMMS, "bad quality")
        gateway.disconnect()
        gateway.loop_stop()


async def test_a_broker_that_goes_away_and_comes_back(
    mosquitto: Any, wait_until_async: WaitAsync
) -> None:
    sink = Sink()
    async with source(mosquitto, sink):
        await wait_until_async(lambda: "broker_up" in sink.kinds(), "connected")
        mosquitto.stop()
        await wait_until_async(lambda: "broker_down" in sink.kinds(), "seen gone")
        mosquitto.start()
        await wait_until_async(lambda: sink.kinds().count("broker_up") == 2, "back", deadline_s=20)
        assert "link_down" in sink.kinds()
