"""The bare broker's own round trip: publish and receive, with nothing done in between."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from bench.broker import Broker


class Echo:
    """A subscriber that only notes when each message came, and its payload's topic."""

    def __init__(self, broker: Broker, topic: str) -> None:
        self.arrived: list[tuple[int, bytes]] = []
        self._subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, f"echo-{topic.split('/')[1]}")
        self._client.username_pw_set("bench", broker.passwords["bench"])
        self._client.on_message = self._on_message
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        self._client.subscribe(topic, qos=1)
        assert self._subscribed.wait(10), "the broker did not confirm the subscription"

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        self.arrived.append((time.perf_counter_ns(), bytes(message.payload)))

    def take(self, n: int, deadline_s: float = 30.0) -> Sequence[tuple[int, bytes]]:
        """What came since the last call: `n` messages, or as many as came in time."""
        end = time.monotonic() + deadline_s
        while len(self.arrived) < n and time.monotonic() < end:
            time.sleep(0.005)
        taken, self.arrived = self.arrived, []
        return taken

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
