"""The demo's MQTT gateway: batched readings once a second, retained list and status, a last will.

Shapes are those of contracts.md (MQTT in). What cannot be sent waits in a bounded buffer and goes
out marked late once the broker is back; when the buffer is full the oldest batch is lost, which
the daemon sees as a hole in `seq`.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiomqtt import Client, MqttError, Will

log = logging.getLogger("parkwatch.simulator.gateway")
PERIOD_S = 1.0
BUFFERED_BATCHES_MAX = 600
RETRY_S = 1.0
TIMEOUT_S = 10.0
NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is and who we are to it."""

    host: str
    port: int
    user: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True)
class GatewaySpec:
    """A gateway: its names, the ids it carries (`DEVICE/SIGNAL`), its devices, this start's boot
    (random u32)."""

    enterprise: str
    gateway: str
    ids: tuple[str, ...]
    devices: tuple[str, ...]
    boot: int

    def topic(self, name: str) -> str:
        return f"park/{self.enterprise}/{self.gateway}/{name}"


def points_payload(spec: GatewaySpec) -> bytes:
    """The retained list of points."""
    return _bytes({"v": 1, "boot": spec.boot, "id": spec.ids})


def status_payload(spec: GatewaySpec, state: str, now_ns: int, buffered: int) -> bytes:
    """The retained birth (`online`) and the last will (`offline`)."""
    ages = dict.fromkeys(spec.devices, 0) if state == "online" else {}
    status = {"state": state, "t": now_ns // NS_PER_MS, "buffered": buffered, "devices": ages}
    return _bytes({"v": 1, "boot": spec.boot, **status})


def readings_payload(
    spec: GatewaySpec, seq: int, now_ns: int, values: Sequence[float]
) -> dict[str, Any]:
    """One batch as JSON columns; the caller marks it late where it is."""
    return {
        "v": 1,
        "boot": spec.boot,
        "seq": seq,
        "t": now_ns // NS_PER_MS,
        "id": spec.ids,
        "val": list(values),
        "q": [0] * len(spec.ids),
    }


def _bytes(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


class GatewayPublisher:
    """Publishes `sample()` each second until cancelled, through every loss of the broker.

    `now` is UTC in ns. `published` counts batches that the broker confirmed, `lost` those that
    fell out of the buffer.
    """

    def __init__(
        self,
        spec: GatewaySpec,
        broker: BrokerAddress,
        sample: Callable[[], Sequence[float]],
        now: Callable[[], int],
    ) -> None:
        self.published = 0
        self.lost = 0
        self._spec = spec
        self._broker = broker
        self._sample = sample
        self._now = now
        self._seq = 0
        self._waiting: deque[dict[str, Any]] = deque()

    async def run(self) -> None:
        """Sample and send until cancelled."""
        async with asyncio.TaskGroup() as group:
            wake = asyncio.Event()
            group.create_task(self._clockwork(wake))
            group.create_task(self._connected(wake))

    async def _clockwork(self, wake: asyncio.Event) -> None:
        """Take a sample each second on the loop's clock, whether or not there is a broker."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            self.take_sample()
            wake.set()
            due = max(due + PERIOD_S, loop.time())
            await asyncio.sleep(due - loop.time())

    def take_sample(self) -> None:
        """Put one batch into the buffer; a full one loses its oldest."""
        self._seq += 1
        if len(self._waiting) >= BUFFERED_BATCHES_MAX:
            self._waiting.popleft()
            self.lost += 1
        batch = readings_payload(self._spec, self._seq, self._now(), self._sample())
        self._waiting.append(batch)

    async def _connected(self, wake: asyncio.Event) -> None:
        while True:
            try:
                await self._session(wake)
            except (MqttError, TimeoutError) as fault:
                log.warning("broker: %s; again in %.0f s", fault, RETRY_S)
            await asyncio.sleep(RETRY_S)

    async def _session(self, wake: asyncio.Event) -> None:
        """One connection: say who we are, then send what waits, oldest first."""
        spec, broker = self._spec, self._broker
        will = status_payload(spec, "offline", self._now(), 0)
        async with Client(
            broker.host,
            broker.port,
            username=broker.user or None,
            password=broker.password or None,
            identifier=f"{spec.enterprise}-{spec.gateway}",
            timeout=TIMEOUT_S,
            will=Will(spec.topic("status"), will, qos=1, retain=True),
        ) as client:
            await client.publish(spec.topic("points"), points_payload(spec), qos=1, retain=True)
            for batch in list(self._waiting)[:-1]:
                batch["late"] = True
            birth = status_payload(spec, "online", self._now(), len(self._waiting))
            await client.publish(spec.topic("status"), birth, qos=1, retain=True)
            while True:
                await self._flush(client)
                wake.clear()
                async with asyncio.timeout(TIMEOUT_S):
                    await wake.wait()

    async def _flush(self, client: Client) -> None:
        while self._waiting:
            batch = self._waiting[0]
            await client.publish(self._spec.topic("readings"), _bytes(batch), qos=1)
            # Confirmed. While we waited a full buffer may have dropped it: then it is not first.
            if self._waiting and self._waiting[0] is batch:
                self._waiting.popleft()
            self.published += 1
