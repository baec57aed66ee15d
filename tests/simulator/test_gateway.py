"""The gateway on a real broker: topics, shapes, retained birth and will, late after a loss."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol

import pytest
from aiomqtt import Client, Message, MqttError

from parkwatch.simulator.broker import DemoBroker
from parkwatch.simulator.gateway import (
    BUFFERED_BATCHES_MAX,
    BrokerAddress,
    GatewayPublisher,
    GatewaySpec,
    readings_payload,
)

SECONDS = 10.0
SPEC = GatewaySpec("huadong", "gw-1", ("node-1/ch4-0401", "node-1/h2s-0401"), ("node-1",), 7)
UTC = 1_732_345_678_901_234_567


class Mosquitto(Protocol):
    """What the shared fixture gives: the shipped broker, which can end and start again."""

    port: int
    users: dict[str, str]

    def start(self) -> None: ...
    def stop(self) -> None: ...


GATEWAY, DAEMON = "huadong/gw-1", "parkwatch"


def publisher(broker: Mosquitto) -> GatewayPublisher:
    address = BrokerAddress("127.0.0.1", broker.port, GATEWAY, broker.users[GATEWAY])
    return GatewayPublisher(SPEC, address, lambda: [1.5, 0.4], lambda: UTC)


@asynccontextmanager
async def running(gateway: GatewayPublisher) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(gateway.run())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def listening(broker: Mosquitto, session: str | None = None) -> AsyncIterator[Client]:
    """With a session's name: what comes while nobody listens is kept for it."""
    async with Client(
        "127.0.0.1",
        broker.port,
        username=DAEMON,
        password=broker.users[DAEMON],
        identifier=session,
        clean_session=session is None,
    ) as client:
        await client.subscribe("park/#", qos=1)
        yield client


async def take(client: Client, name: str) -> tuple[Message, dict[str, Any]]:
    """The next message of a topic's last part."""
    async with asyncio.timeout(SECONDS):
        async for message in client.messages:
            if str(message.topic) == f"park/huadong/gw-1/{name}":
                assert isinstance(message.payload, bytes)
                return message, json.loads(message.payload)
    raise AssertionError(name)


@pytest.mark.mosquitto
async def test_batches_have_the_declared_shape(mosquitto: Mosquitto) -> None:
    async with listening(mosquitto) as client, running(publisher(mosquitto)):
        message, first = await take(client, "readings")
        assert (message.qos, message.retain) == (1, False)
        assert first == {
            "v": 1,
            "boot": 7,
            "seq": 1,
            "t": 1_732_345_678_901,
            "id": ["node-1/ch4-0401", "node-1/h2s-0401"],
            "val": [1.5, 0.4],
            "q": [0, 0],
        }
        assert (await take(client, "readings"))[1]["seq"] == 2


@pytest.mark.mosquitto
async def test_list_and_birth_are_retained(mosquitto: Mosquitto) -> None:
    gateway = publisher(mosquitto)
    async with listening(mosquitto) as first, running(gateway):
        await take(first, "readings")
        async with listening(mosquitto) as later:
            message, points = await take(later, "points")
            assert message.retain
            assert points == {"v": 1, "boot": 7, "id": list(SPEC.ids)}
        async with listening(mosquitto) as later:
            message, status = await take(later, "status")
            assert message.retain
            assert status == {
                "v": 1, "boot": 7, "state": "online", "t": UTC // 1_000_000, "buffered": 1,
                "devices": {"node-1": 0},
            }  # fmt: skip


@pytest.mark.mosquitto
async def test_a_gateway_that_dies_leaves_its_will(mosquitto: Mosquitto) -> None:
    async with listening(mosquitto) as client, running(publisher(mosquitto)):
        assert (await take(client, "status"))[1]["state"] == "online"
        # A second client of the same name takes the place: the first is dropped, will and all.
        thief = Client(
            "127.0.0.1",
            mosquitto.port,
            identifier="huadong-gw-1",
            username=GATEWAY,
            password=mosquitto.users[GATEWAY],
        )
        async with thief:
            message, status = await take(client, "status")
            assert (status["state"], status["boot"]) == ("offline", 7)
            assert message.qos == 1


@pytest.mark.mosquitto
async def test_what_waited_out_a_loss_comes_late_and_complete(mosquitto: Mosquitto) -> None:
    """Nothing between the last before the loss and the first live one after it is missing."""
    gateway = publisher(mosquitto)
    async with running(gateway) as task:
        async with listening(mosquitto, "daemon") as client:
            before = (await take(client, "readings"))[1]["seq"]
        mosquitto.stop()
        for _ in range(3):
            gateway.take_sample()
        mosquitto.start()
        late: dict[int, bool] = {}
        async with listening(mosquitto, "daemon") as client:
            async with asyncio.timeout(SECONDS):
                while sum(late.values()) < 3 or late[max(late)]:
                    batch = (await take(client, "readings"))[1]
                    late[batch["seq"]] = batch.get("late", False)
        assert not task.done()
    assert gateway.lost == 0
    assert min(late) <= before + 4, "the backlog was sent"
    assert sorted(late) == list(range(min(late), max(late) + 1))


def test_a_full_buffer_loses_its_oldest_and_says_so() -> None:
    nowhere = BrokerAddress("127.0.0.1", 1)
    gateway = GatewayPublisher(SPEC, nowhere, lambda: [1.0, 2.0], lambda: UTC)
    for _ in range(BUFFERED_BATCHES_MAX + 5):
        gateway.take_sample()
    assert gateway.lost == 5


def test_columns_have_one_length() -> None:
    payload = readings_payload(SPEC, 3, UTC, [1.0, 2.0])
    assert len(payload["id"]) == len(payload["val"]) == len(payload["q"]) == 2


async def test_the_embedded_broker_carries_the_gateway() -> None:
    broker = DemoBroker("parkwatch", "right")
    port = await broker.start(0)
    gateway = GatewayPublisher(
        SPEC,
        BrokerAddress("127.0.0.1", port, "parkwatch", "right"),
        lambda: [1.5, 0.4],
        lambda: UTC,
    )
    async with Client("127.0.0.1", port, username="parkwatch", password="right") as client:
        await client.subscribe("park/#", qos=1)
        async with running(gateway):
            assert (await take(client, "readings"))[1]["seq"] == 1
    await broker.close()


@pytest.mark.parametrize(
    ("user", "password"), [("parkwatch", "wrong"), ("other", "right"), (None, None)]
)
async def test_the_embedded_broker_lets_nobody_else_in(
    user: str | None, password: str | None
) -> None:
    broker = DemoBroker("parkwatch", "right")
    port = await broker.start(0)
    with pytest.raises(MqttError):
        async with Client("127.0.0.1", port, username=user, password=password, timeout=SECONDS):
            pass
    await broker.close()


async def test_the_embedded_broker_keeps_what_a_named_session_missed() -> None:
    """QoS 1 across a reconnect: the daemon restarts in the demo without losing readings."""
    broker = DemoBroker("parkwatch", "right")
    port = await broker.start(0)

    def client(name: str, *, clean: bool) -> Client:
        return Client(
            "127.0.0.1", port, username="parkwatch", password="right", identifier=name,
            clean_session=clean,
        )  # fmt: skip

    async with client("daemon", clean=False) as first:
        await first.subscribe("park/#", qos=1)
    async with client("other", clean=True) as other:
        await other.publish("park/huadong/gw-1/readings", b'{"seq":9}', qos=1)
    async with client("daemon", clean=False) as again:
        assert (await take(again, "readings"))[1] == {"seq": 9}
    await broker.close()
