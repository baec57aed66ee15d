"""A client of the broker under test, as a gateway, a spy or the daemon."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion


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
