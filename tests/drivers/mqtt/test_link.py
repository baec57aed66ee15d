"""MQTT on a real broker: nothing is acknowledged early, nothing unacknowledged is lost."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import paho.mqtt.client as paho
import pytest
from listening import Listener, engine_now
from paho.mqtt.enums import CallbackAPIVersion

from parkwatch.drivers.config import Broker, Gateway
from parkwatch.drivers.mqtt.source import OVER_NS, MqttSource
from parkwatch.rules.batch import BURST, LATE
from parkwatch.rules.quality import BAD_COMMS

pytestmark = pytest.mark.mosquitto
WaitAsync = Callable[..., Awaitable[None]]


def values(sink: Listener) -> list[float]:
    """What was read; a lost link tells NaN."""
    return [value for _, value, quality in sink.rows() if quality != BAD_COMMS]


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
async def source(
    broker: Any, sink: Listener, now: Callable[[], int] = engine_now
) -> AsyncIterator[MqttSource]:
    gateway = Gateway("huadong/gw-1", "huadong", "gw-1", {"p/a": 0})
    made = MqttSource(
        Broker("b", broker.host, broker.port, "parkwatch", broker.users["parkwatch"],
               client_id="daemon", gateways=(gateway,)),
        sink,
        now,
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
    deaf = Listener(acknowledging=False)
    async with source(mosquitto, deaf):
        await wait_until_async(lambda: "broker_up" in deaf.kinds, "connected")
        gateway = publisher(mosquitto)
        for seq in range(5):
            gateway.publish(topic, payload(seq), qos=1).wait_for_publish(5)
        await wait_until_async(lambda: len(values(deaf)) == 5, "the first are delivered")
        for batch in deaf.batches:
            batch.ack()
        for seq in range(5, 15):
            gateway.publish(topic, payload(seq), qos=1).wait_for_publish(5)
        await wait_until_async(lambda: len(values(deaf)) == 15, "all delivered")
    keen = Listener()
    async with source(mosquitto, keen):
        await wait_until_async(lambda: len(values(keen)) >= 10, "the others come again")
        gateway.publish(topic, payload(99), qos=1).wait_for_publish(5)
        await wait_until_async(lambda: 99.0 in values(keen), "and go on")
    assert sorted(values(keen))[:-1] == list(range(5, 15))  # the acknowledged ones do not
    assert keen.batches[0].origin == BURST
    gateway.disconnect()
    gateway.loop_stop()


async def test_bad_payloads_are_named_and_the_rest_goes_on(
    mosquitto: Any, wait_until_async: WaitAsync
) -> None:
    sink = Listener()
    async with source(mosquitto, sink) as made:
        await wait_until_async(lambda: "broker_up" in sink.kinds, "connected")
        gateway = publisher(mosquitto)
        for bad in (b"hello", b"[" * 5_000, payload(1, val=[1, 2]), b"\xff"):
            gateway.publish("park/huadong/gw-1/readings", bad, qos=1)
        gateway.publish("park/huadong/gw-1/readings", payload(2, id=["p/b"]), qos=1)
        gateway.publish("park/huadong/gw-1/readings", payload(3, 3.5), qos=1)
        gateway.publish("park/huadong/gw-1/r/p/a", b"4.5", qos=1).wait_for_publish(5)
        await wait_until_async(lambda: values(sink) == [3.5, 4.5], "the good ones")
        assert made.refused == 4
        assert made.foreign == 1
        assert {"refused", "foreign", "link_up"} <= set(sink.kinds)
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
    sink = Listener()
    async with source(mosquitto, sink):
        await wait_until_async(lambda: "broker_up" in sink.kinds, "connected")
        gateway.publish("park/huadong/gw-1/r/p/a", b"1.5", qos=1).wait_for_publish(5)
        await wait_until_async(lambda: values(sink) == [1.5], "a live value")
        assert sink.batches[0].origin != LATE
        gone = json.dumps({**status, "state": "offline"}).encode()
        gateway.publish("park/huadong/gw-1/status", gone, qos=1).wait_for_publish(5)
        await wait_until_async(lambda: "link_down" in sink.kinds, "the last will")
        await wait_until_async(lambda: sink.batches[-1].quality[0] == BAD_COMMS, "bad quality")
        gateway.disconnect()
        gateway.loop_stop()


async def test_a_broker_that_goes_away_and_comes_back(
    mosquitto: Any, wait_until_async: WaitAsync
) -> None:
    sink = Listener()
    async with source(mosquitto, sink):
        await wait_until_async(lambda: "broker_up" in sink.kinds, "connected")
        mosquitto.stop()
        await wait_until_async(lambda: "broker_down" in sink.kinds, "seen gone")
        mosquitto.start()
        await wait_until_async(lambda: sink.kinds.count("broker_up") == 2, "back", deadline_s=20)
        assert "link_down" in sink.kinds


async def test_a_full_pipeline_stops_the_broker_and_loses_nothing(
    mosquitto: Any, wait_until_async: WaitAsync
) -> None:
    sink = Listener()
    async with source(mosquitto, sink) as made:
        await wait_until_async(lambda: "broker_up" in sink.kinds, "connected")
        sink.door.clear()
        gateway = publisher(mosquitto)
        sent = [
            gateway.publish("park/huadong/gw-1/readings", payload(seq), qos=1)
            for seq in range(3_000)
        ]
        sent[-1].wait_for_publish(20)
        await wait_until_async(lambda: made.waiting > 0, "the inbox fills")
        assert made.waiting <= 1_000
        sink.door.set()
        await wait_until_async(lambda: len(values(sink)) == 3_000, "all came", 30)
        assert values(sink) == list(range(3_000))
        gateway.disconnect()
        gateway.loop_stop()


async def test_what_a_stranger_sent_is_over_when_it_has_not_come_again(
    mosquitto: Any, wait_until_async: WaitAsync
) -> None:
    sink, later = Listener(), [0]
    async with source(mosquitto, sink, lambda: engine_now() + later[0]):
        await wait_until_async(lambda: "broker_up" in sink.kinds, "connected")
        gateway = publisher(mosquitto)
        gateway.publish("park/huadong/gw-1/readings", b"hello", qos=1).wait_for_publish(5)
        await wait_until_async(lambda: "refused" in sink.kinds, "told")
        assert "refused_over" not in sink.kinds
        later[0] = OVER_NS + 1_000_000_000
        await wait_until_async(lambda: "refused_over" in sink.kinds, "over")
        gateway.disconnect()
        gateway.loop_stop()
