"""The shipped broker files: nobody anonymous, nobody in another tenant's topics, nothing lost."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

pytestmark = pytest.mark.mosquitto

Wait = Callable[..., None]


class Client:
    """A client of the broker that remembers what came."""

    def __init__(self, broker: Any, user: str | None, *, tls: bool = False, **options: Any) -> None:
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311, **options
        )
        if user is not None:
            self.client.username_pw_set(user, broker.users.get(user, "wrong"))
        if tls:
            self.client.tls_set(ca_certs=str(broker.ca))
        self.answered = threading.Event()
        self.subscribed = threading.Event()
        self.refused = False
        self.gone = 0
        self.messages: list[tuple[str, bytes]] = []
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = self._on_disconnect
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        self.client.on_message = self._on_message
        self.client.connect(broker.host, broker.tls_port if tls else broker.port)
        self.client.loop_start()
        assert self.answered.wait(10)

    def _on_connect(self, *args: Any) -> None:
        self.refused = args[3].is_failure
        self.answered.set()

    def _on_disconnect(self, *_: Any) -> None:
        self.gone += 1

    def _on_message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        self.messages.append((message.topic, bytes(message.payload)))

    def subscribe(self, topic: str) -> None:
        """Returns when the broker has answered."""
        self.subscribed.clear()
        self.client.subscribe(topic, qos=1)
        assert self.subscribed.wait(10)

    def publish(self, topic: str, payload: bytes) -> None:
        """Returns when the broker has acknowledged."""
        self.client.publish(topic, payload, qos=1).wait_for_publish(10)

    def close(self) -> None:
        """Leave in order."""
        self.client.disconnect()
        self.client.loop_stop()


@contextmanager
def client(broker: Any, user: str | None, **options: Any) -> Iterator[Client]:
    one = Client(broker, user, **options)
    try:
        yield one
    finally:
        one.close()


def test_without_a_name_or_with_a_wrong_password_nobody_comes_in(mosquitto: Any) -> None:
    with client(mosquitto, None, client_id="nobody") as nobody:
        assert nobody.refused
    with client(mosquitto, "stranger") as stranger:
        assert stranger.refused


def test_a_tenant_writes_below_its_own_name_only(mosquitto: Any, wait_until: Wait) -> None:
    with client(mosquitto, "parkwatch") as daemon, client(mosquitto, "huadong") as tenant:
        daemon.subscribe("park/#")
        for topic in ("park/binhai/gw-1/readings", "park/readings", "other/huadong", "$SYS/x"):
            tenant.publish(topic, b"foreign")
        tenant.publish("park/huadong/gw-1/readings", b"own")
        wait_until(lambda: daemon.messages, "the tenant's own message arrives")
        assert daemon.messages == [("park/huadong/gw-1/readings", b"own")]


def test_a_gateway_writes_below_its_own_gateway_only(mosquitto: Any, wait_until: Wait) -> None:
    with client(mosquitto, "parkwatch") as daemon, client(mosquitto, "huadong/gw-1") as gateway:
        daemon.subscribe("park/#")
        gateway.publish("park/huadong/gw-2/readings", b"foreign")
        gateway.publish("park/huadong/gw-1/readings", b"own")
        wait_until(lambda: daemon.messages, "the gateway's own message arrives")
        assert daemon.messages == [("park/huadong/gw-1/readings", b"own")]


@pytest.mark.parametrize("topic", ["park/binhai/#", "#", "park/+/gw-1/readings", "$SYS/#"])
def test_a_tenant_reads_nothing(mosquitto: Any, wait_until: Wait, topic: str) -> None:
    with (
        client(mosquitto, "parkwatch") as daemon,
        client(mosquitto, "huadong") as spy,
        client(mosquitto, "binhai") as other,
    ):
        daemon.subscribe("park/#")
        spy.subscribe(topic)
        other.publish("park/binhai/gw-1/readings", b"secret")
        wait_until(lambda: daemon.messages, "the message went through the broker")
        # Acknowledged after the other one was handed out: what the spy should get, it has by now.
        spy.publish("park/huadong/gw-1/readings", b"mine")
        assert spy.messages == []


def test_the_daemon_writes_nothing(mosquitto: Any, wait_until: Wait) -> None:
    with client(mosquitto, "parkwatch") as daemon, client(mosquitto, "huadong") as tenant:
        daemon.subscribe("park/#")
        daemon.publish("park/huadong/gw-1/readings", b"never")
        tenant.publish("park/huadong/gw-1/readings", b"last")
        wait_until(lambda: daemon.messages, "the tenant's message arrives")
        assert [payload for _, payload in daemon.messages] == [b"last"]


def test_no_tenant_can_take_over_another_ones_session(mosquitto: Any, wait_until: Wait) -> None:
    with (
        client(mosquitto, "huadong", client_id="gateway-1", tls=True) as victim,
        client(mosquitto, "binhai", client_id="gateway-1", tls=True) as thief,
        client(mosquitto, "parkwatch") as daemon,
    ):
        daemon.subscribe("park/#")
        assert not thief.refused
        assert victim.gone == 0
        victim.publish("park/huadong/gw-1/readings", b"still here")
        wait_until(lambda: daemon.messages, "the victim still publishes")
        assert victim.gone == 0


def test_what_is_too_big_is_not_handed_on(mosquitto: Any, wait_until: Wait) -> None:
    with client(mosquitto, "parkwatch") as daemon, client(mosquitto, "huadong") as tenant:
        daemon.subscribe("park/#")
        tenant.publish("park/huadong/gw-1/readings", bytes(1_048_577))
        tenant.publish("park/huadong/gw-1/readings", bytes(1_048_576))
        wait_until(lambda: daemon.messages, "the message of the greatest size arrives")
        assert [len(payload) for _, payload in daemon.messages] == [1_048_576]


def test_gateways_come_in_over_tls(mosquitto: Any, wait_until: Wait) -> None:
    with (
        client(mosquitto, "parkwatch") as daemon,
        client(mosquitto, "huadong/gw-1", tls=True) as gateway,
    ):
        daemon.subscribe("park/#")
        gateway.publish("park/huadong/gw-1/readings", b"over TLS")
        wait_until(lambda: daemon.messages, "the message arrives")


def test_what_comes_while_the_daemon_is_away_is_kept_over_a_restart(
    mosquitto: Any, wait_until: Wait
) -> None:
    count = 3000  # three times what an unconfigured broker keeps
    with client(mosquitto, "parkwatch", client_id="pw", clean_session=False) as daemon:
        daemon.subscribe("park/#")
    with client(mosquitto, "huadong") as tenant:
        sent = [
            tenant.client.publish("park/huadong/gw-1/readings", b"%d" % n, qos=1)
            for n in range(count)
        ]
        for one in sent:
            one.wait_for_publish(20)
    mosquitto.stop()
    mosquitto.start()
    with client(mosquitto, "parkwatch", client_id="pw", clean_session=False) as daemon:
        wait_until(lambda: len(daemon.messages) >= count, "all kept messages arrive", 20)
        assert [payload for _, payload in daemon.messages] == [b"%d" % n for n in range(count)]
