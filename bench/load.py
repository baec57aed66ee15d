"""The load tool, a process of its own: HOST PORT USER PASSWORD, then one JSON job a line.

`paced`: `rate` readings a second for `seconds`, `batch` readings a message; every `every`-th
message moves one probe across the limit. `flood`: `n` messages as fast as the broker takes them.
Answers tell when each message and each change of a probe was handed to the client, in
perf_counter ns (one clock for all processes).
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from bench.layout import DEVICE, GATEWAY_TOPIC, LIMIT, POINTS, PROBES, signal

UP, DOWN = 60.0, 20.0
INFLIGHT_MAX = 1_000
ACK_S = 60.0


class Source:
    """A simulated gateway under one topic prefix: what each of its points shows."""

    def __init__(self, client: paho.Client, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._rest()
        self._boot, self._seq = secrets.randbits(32), 0
        self._plain = 0
        self._last: paho.MQTTMessageInfo | None = None
        self.sent: list[int] = []
        self.probes: list[tuple[int, str, bool]] = []
        self.over: list[int] = []

    def _rest(self) -> None:
        """The second half of the probes begins above the limit: so every second move is a rise."""
        self._up = [i >= PROBES // 2 for i in range(PROBES)]
        self._values = [UP if i < PROBES and self._up[i] else DOWN for i in range(POINTS)]
        self.moves = 0

    def start(self) -> None:
        """Begin to note anew."""
        self.sent, self.probes, self.over = [], [], []

    def message(self, batch: int, *, move: bool) -> None:
        """The next message, in which a probe crosses the limit where it shall `move`."""
        if move:
            index = (self.moves // 2 + self.moves % 2 * PROBES // 2) % PROBES
            self.moves += 1
            self._up[index] = not self._up[index]
            self._values[index] = UP if self._up[index] else DOWN
        else:
            index = PROBES + self._plain % (POINTS - PROBES)
            self._plain += 1
            self._values[index] = 10.0 + self._plain % 300 / 10
        if batch == 1:
            topic = f"{self._prefix}/r/{DEVICE}/{signal(index)}"
            payload = json.dumps({"val": self._values[index], "q": 0})
            over = self._values[index] >= LIMIT
        else:
            topic = f"{self._prefix}/readings"
            payload, over = self._columns(index, batch)
        at = time.perf_counter_ns()
        self._last = self._client.publish(topic, payload, qos=1)
        self.sent.append(at)
        if over:
            self.over.append(at)
        if move:
            self.probes.append((at, signal(index), self._up[index]))

    def _columns(self, index: int, batch: int) -> tuple[str, bool]:
        """The moved point and those after it; only that one changed."""
        self._seq += 1
        at = [(index + k) % POINTS for k in range(batch)]
        values = [self._values[i] for i in at]
        columns = {"v": 1, "boot": self._boot, "seq": self._seq, "t": time.time_ns() // 1_000_000,
                   "id": [f"{DEVICE}/{signal(i)}" for i in at], "val": values,
                   "q": [0] * batch}  # fmt: skip
        return json.dumps(columns, separators=(",", ":")), max(values) >= LIMIT

    def prime(self) -> None:
        """Show every point once: none is unknown any more."""
        self._rest()
        self._seq += 1
        ids = [f"{DEVICE}/{signal(i)}" for i in range(POINTS)]
        columns = {"v": 1, "boot": self._boot, "seq": self._seq, "t": time.time_ns() // 1_000_000,
                   "id": ids, "val": self._values}  # fmt: skip
        self._last = self._client.publish(f"{self._prefix}/readings", json.dumps(columns), qos=1)

    def settle(self) -> None:
        """Until the broker has confirmed the last message."""
        if self._last is not None:
            self._last.wait_for_publish(ACK_S)
            assert self._last.is_published(), "the broker did not confirm in time"


def paced(source: Source, job: dict[str, Any]) -> dict[str, Any]:
    """Messages on a schedule that does not wait for answers; tells how late it ran."""
    rate = job["rate"] / job["batch"]
    n = max(1, round(rate * job["seconds"]))
    start = time.perf_counter()
    late = 0.0
    for i in range(n):
        pause = start + i / rate - time.perf_counter()
        if pause > 0:
            time.sleep(pause)
        late = max(late, -pause)
        source.message(job["batch"], move=i % job["every"] == 0)
    took = time.perf_counter() - start
    source.settle()
    return {"late_ms": late * 1000, "rate": n * job["batch"] / max(took, (n - 1) / rate, 1e-9)}


def flood(source: Source, job: dict[str, Any]) -> dict[str, Any]:
    """All at once; the last message is a rise, so that every consumer tells of its end."""
    n, every = job["n"], job["every"]
    one_more = (source.moves + -(-n // every)) % 2 == 0
    for i in range(n):
        move = (n - 1 - i) % every == 0 or (i == 0 and one_more)
        source.message(job["batch"], move=move)
    source.settle()
    return {}


def main(host: str, port: int, user: str, password: str) -> None:
    """Serve jobs until stdin ends."""
    client = paho.Client(CallbackAPIVersion.VERSION2, f"bench-load-{os.getpid()}")
    client.username_pw_set(user, password)
    client.max_inflight_messages_set(INFLIGHT_MAX)
    client.connect(host, port)
    client.loop_start()
    sources: dict[str, Source] = {}
    print("ready", flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        prefix = job.get("prefix", GATEWAY_TOPIC)
        source = sources.setdefault(prefix, Source(client, prefix))
        source.start()
        told: dict[str, Any] = {}
        if job["kind"] == "prime":
            source.prime()
            source.settle()
        else:
            told = (paced if job["kind"] == "paced" else flood)(source, job)
        told |= {"sent": source.sent, "probes": source.probes, "over": source.over}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4])
