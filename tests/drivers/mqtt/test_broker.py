"""What a broker may ask of us, and what it may do to messages: certificates, an old protocol, a
queue that is too short, an ACL that is off."""

import json
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from brokerproxy import before
from listening import Listener
from mqtting import GATEWAY, LINKS, READINGS, config, payload, publisher, source, values

from parkwatch.drivers.config import Gateway
from parkwatch.drivers.mqtt import seal
from parkwatch.drivers.mqtt.link import RECEIVE_MAX

pytestmark = pytest.mark.mosquitto
WaitAsync = Callable[..., Awaitable[None]]
KEY = bytes(range(16))
TAKEN_OVER = b"\xe0\x01\x8e"
"""DISCONNECT: another client has come with our client id."""
SHIPPED_QUEUE = {"max_queued_messages 400000\n": "", "max_queued_bytes 536870912\n": ""}


@pytest.fixture(params=LINKS.values(), ids=LINKS.keys())
def way(request: pytest.FixtureRequest) -> dict[str, str]:
    """A client and a version of MQTT."""
    return dict(request.param)


def our_certificate(folder: Path) -> dict[str, str]:
    """One that the broker's authority made for the daemon; the authority is server.key itself."""
    key, request, made = folder / "our.key", folder / "our.csr", folder / "our.crt"
    openssl = ["openssl", "req", "-new", "-newkey", "ec", "-nodes", "-subj", "/CN=parkwatch"]
    curve = ["-pkeyopt", "ec_paramgen_curve:prime256v1"]
    signing = ["-CA", str(folder / "ca.crt"), "-CAkey", str(folder / "server.key"), "-days", "2"]
    for command in (
        [*openssl, *curve, "-keyout", str(key), "-out", str(request)],
        ["openssl", "x509", "-req", "-in", str(request), *signing, "-out", str(made)],
    ):
        subprocess.run(command, check=True, capture_output=True)
    return {"cert_file": str(made), "key_file": str(key)}


async def test_tls_with_a_certificate_of_our_own(
    mosquitto_with: Any, wait_until_async: WaitAsync, way: dict[str, str]
) -> None:
    broker = mosquitto_with(
        {"tls_version tlsv1.2": "tls_version tlsv1.2\nrequire_certificate true"}
    )
    tls = {"port": broker.tls_port, "tls": True, "ca_file": str(broker.ca)}
    # This listener takes the user for the client id: one connection.
    made = config(broker, per_enterprise=False, **tls, **way)
    stranger = Listener()
    async with source(made, stranger):
        await wait_until_async(lambda: "broker_down" in stranger.kinds, "no certificate, no entry")
    sink = Listener()
    ours = our_certificate(broker.folder)
    async with source(config(broker, per_enterprise=False, **tls, **ours, **way), sink):
        await wait_until_async(lambda: "broker_up" in sink.kinds, "connected")
        with publisher(broker) as gateway:
            gateway.publish(READINGS, payload(1), qos=1)
            await wait_until_async(lambda: values(sink) == [1.0], "a reading over TLS")


async def test_a_broker_that_nobody_vouches_for_is_not_trusted(
    mosquitto: Any, wait_until_async: WaitAsync, way: dict[str, str]
) -> None:
    sink = Listener()
    async with source(config(mosquitto, port=mosquitto.tls_port, tls=True, **way), sink):
        await wait_until_async(lambda: "broker_down" in sink.kinds, "refused")
    assert "certificate" in sink.told("broker_down")[0].text


async def test_a_broker_that_knows_only_the_old_protocol_is_spoken_to_in_it(
    mosquitto: Any, wait_until_async: WaitAsync
) -> None:
    sink = Listener()
    async with before(mosquitto.host, mosquitto.port) as proxy:
        proxy.old = True
        async with source(config(mosquitto, port=proxy.port), sink):
            await wait_until_async(lambda: "broker_up" in sink.kinds, "connected")
            with publisher(mosquitto) as gateway:
                gateway.publish(READINGS, payload(1), qos=1)
                await wait_until_async(lambda: values(sink) == [1.0], "a reading")
            assert proxy.versions == [5, 4]
            assert "broker_down" not in sink.kinds
            proxy.old = False
            proxy.cut()
            await wait_until_async(lambda: sink.kinds.count("broker_up") == 2, "again", 20)
            assert proxy.versions == [5, 4, 5]  # it may have learned


@pytest.mark.parametrize("name", ["fast", "paho 5"])
async def test_why_a_broker_ends_a_connection_is_told(
    mosquitto: Any, wait_until_async: WaitAsync, name: str
) -> None:
    sink = Listener()
    async with (
        before(mosquitto.host, mosquitto.port) as proxy,
        source(config(mosquitto, port=proxy.port, **LINKS[name]), sink),
    ):
        await wait_until_async(lambda: "broker_up" in sink.kinds, "connected")
        proxy.slip_in(TAKEN_OVER)
        await wait_until_async(lambda: "broker_down" in sink.kinds, "told")
    assert "session taken over" in sink.told("broker_down")[0].text.lower()


@pytest.mark.parametrize("changes", [{}, SHIPPED_QUEUE], ids=["as shipped", "broker's default"])
async def test_what_a_broker_dropped_while_we_were_away_is_seen_as_a_gap(
    mosquitto_with: Any, wait_until_async: WaitAsync, changes: dict[str, str]
) -> None:
    broker = mosquitto_with(changes)
    sink = Listener()
    with publisher(broker) as gateway:
        async with source(config(broker), sink) as made:
            await wait_until_async(lambda: "broker_up" in sink.kinds, "connected")
            gateway.publish(READINGS, payload(0), qos=1)
            await wait_until_async(lambda: values(sink) == [0.0], "the first")
            memory = made.snapshot()
        sent = [gateway.publish(READINGS, payload(seq), qos=1) for seq in range(1, 3_001)]
        await wait_until_async(sent[-1].is_published, "the broker acknowledged them all", 20)
        back = Listener()
        made = config(broker)
        async with source(made, back) as running:
            running.restore(memory)
            await wait_until_async(lambda: "broker_up" in back.kinds, "back")
            gateway.publish(READINGS, payload(3_001), qos=1)
            await wait_until_async(lambda: 3_001.0 in values(back), "what was kept, and more", 30)
    lost = 3_001 - len(values(back))
    gaps = [event.text for event in back.told("gap")]
    if not changes:
        assert (lost, gaps) == (0, [])
    else:
        assert lost > 1_000
        assert any(str(lost) in text for text in gaps)


async def test_with_the_acl_off_the_seal_keeps_strangers_out(
    mosquitto_with: Any, wait_until_async: WaitAsync
) -> None:
    broker = mosquitto_with({"acl_file /etc/mosquitto/parkwatch/acl\n": ""})
    sink = Listener()
    keyed = Gateway("huadong/gw-1", "huadong", "gw-1", GATEWAY.points, key=KEY)
    async with source(config(broker, gateways=(keyed,)), sink) as made:
        await wait_until_async(lambda: "broker_up" in sink.kinds, "connected")
        with publisher(broker, "binhai") as stranger:
            for body in (payload(1, 49.9), seal.sealed(READINGS, payload(2, 49.9), KEY[::-1])):
                stranger.publish(READINGS, body, qos=1)
            stranger.publish("park/huadong/gw-1/r/p/a", b"49.9", qos=1)
            offline = json.dumps({"v": 1, "boot": 7, "state": "offline"}).encode()
            stranger.publish("park/huadong/gw-1/status", offline, qos=1)
            await wait_until_async(lambda: made.refused == 4, "all are refused and counted")
        with publisher(broker) as gateway:
            gateway.publish(READINGS, seal.sealed(READINGS, payload(1, 1.5), KEY), qos=1)
            await wait_until_async(lambda: values(sink) == [1.5], "the gateway's own counts")
    assert sink.kinds.count("mac") == 1  # told once, not four times
    assert "link_down" not in sink.kinds


@pytest.mark.parametrize(("own", "most"), [(True, RECEIVE_MAX), (False, 4_000)])
async def test_behind_a_flood_of_another_enterprise_nobody_waits_for_more_than_a_window(
    mosquitto: Any, wait_until_async: WaitAsync, own: bool, most: int
) -> None:
    other = Gateway("binhai/gw-1", "binhai", "gw-1", {"p/a": 1})
    sink = Listener()
    made = config(mosquitto, gateways=(GATEWAY, other), per_enterprise=own)
    with publisher(mosquitto) as flooder, publisher(mosquitto, "binhai") as quiet:
        async with source(made, sink):
            await wait_until_async(lambda: "broker_up" in sink.kinds, "connected")
            sink.door.clear()
            sent = [flooder.publish(READINGS, payload(n), qos=1) for n in range(4_000)]
            await wait_until_async(sent[-1].is_published, "the broker has them all", 20)
            quiet.publish("park/binhai/gw-1/r/p/a", b"49.9", qos=1).wait_for_publish(5)
            sink.door.set()
            await wait_until_async(lambda: len(values(sink)) == 4_001, "nothing is lost", 20)
    at = [point for point, _, _ in sink.rows()].index(1)
    assert at <= most
    assert own or at > RECEIVE_MAX  # What one connection for all would cost.
