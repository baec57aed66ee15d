"""Single readings have a short way and a long one: what people see does not depend on the way."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from listening import Listener

from parkwatch.drivers.config import Broker, Gateway, Mapped
from parkwatch.drivers.mqtt import line
from parkwatch.drivers.mqtt.gateway import GatewayDesk, Message
from parkwatch.drivers.mqtt.line import MqttLine
from parkwatch.drivers.mqtt.parts import Part, merged
from parkwatch.drivers.mqtt.singles import Singles
from parkwatch.rules.batch import LATE

S = 1_000_000_000
NOW = 1_764_050_580 * S
GATEWAY = Gateway("hd/gw-1", "hd", "gw-1", {"p/a": 0, "p/b": 1, "q/c": 2})
Row = tuple[int, float | None, int, int, int, str]


class Way:
    """A desk behind one of the two ways: what came out, what was told, what acknowledged."""

    def __init__(self, gateway: Gateway = GATEWAY, *, session: bool = True) -> None:
        self.told: list[tuple[str, str]] = []
        self.acknowledged: list[int] = []
        self.desk = GatewayDesk(gateway, lambda kind, text: self.told.append((kind, text)))
        self.desk.connected(NOW, session_present=session)
        self.singles = Singles([self.desk], self._acknowledge)

    def _acknowledge(self, names: Iterable[int]) -> None:
        self.acknowledged += names

    def rows(self, parts: list[Part]) -> list[Row]:
        """All columns, a value that is none as None; and everything is acknowledged."""
        found = []
        for part in parts:
            batch = merged([part])
            columns = (batch.point, batch.value, batch.quality, batch.time, batch.received)
            for p, v, q, t, r in zip(*(c.tolist() for c in columns), strict=True):
                found.append((p, None if math.isnan(v) else v, q, t, r, batch.origin))
            batch.ack()
        return found

    def long(self, name: str, body: bytes, at: int, number: int) -> list[Row]:
        topic = f"park/hd/gw-1/r/{name}"
        message = Message(
            topic, f"r/{name}", body, False, at, lambda: self.acknowledged.append(number)
        )
        return self.rows(self.desk.take(message))

    def short(self, name: str, body: bytes, at: int, number: int) -> list[Row]:
        self.singles.received = at
        parts = self.singles.take((f"park/hd/gw-1/r/{name}".encode(), body, False, number))
        if parts is None:
            return self.rows(self.singles.flush()) + self.long(name, body, at, number)
        return self.rows(parts)

    def rest(self) -> list[Row]:
        return self.rows(self.singles.flush())


BODIES = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(lambda v: f"{v!r}".encode()),
    st.tuples(st.floats(0, 100), st.integers(-1, 256), st.integers(-90, 90)).map(
        lambda t: f'{{"val":{t[0]},"q":{t[1]},"t":{(NOW // S + t[2]) * 1000}}}'.encode()
    ),
    st.integers(-90, 90).map(lambda t: f'{{"val":1,"t":{(NOW // S + t) * 1000}}}'.encode()),
    st.sampled_from([b'"7"', b"null", b"NaN", b"1e999", b"{}", b"[1]", b"{", b"\xff", b"1 2", b""]),
)
SENT = st.lists(
    st.tuples(st.sampled_from(["p/a", "p/b", "q/c", "x/y"]), BODIES, st.integers(0, 3)), max_size=12
)


@given(SENT)
@example([("p/a", b"1.5", 0), ("p/a", b"2", 2), ("p/b", b'{"val":3,"q":300}', 0)])
def test_both_ways_say_the_same(sent: list[tuple[str, bytes, int]]) -> None:
    short, long = Way(), Way()
    by_short: list[Row] = []
    by_long: list[Row] = []
    at = NOW
    for number, (name, body, pause_s) in enumerate(sent, start=1):
        if pause_s:
            by_short += short.rest()  # A take ends with what was received at one time.
        at += pause_s * S
        by_short += short.short(name, body, at, number)
        by_long += long.long(name, body, at, number)
    by_short += short.rest()
    assert by_short == by_long
    assert short.told == long.told
    assert sorted(short.acknowledged) == sorted(long.acknowledged) == [*range(1, len(sent) + 1)]


@pytest.mark.parametrize(
    "gateway",
    [
        Gateway("hd/gw-1", "hd", "gw-1", GATEWAY.points, key=bytes(16)),
        Gateway("hd/gw-1", "hd", "gw-1", GATEWAY.points, (Mapped("r/p/a", "v", 0),)),
    ],
    ids=["a key", "declared paths"],
)
def test_what_needs_more_than_a_look_never_takes_the_short_way(gateway: Gateway) -> None:
    way = Way(gateway)
    assert way.singles.take((b"park/hd/gw-1/r/p/a", b"49.9", False, 1)) is None


def test_a_retained_single_is_history() -> None:
    way = Way()
    assert way.singles.take((b"park/hd/gw-1/r/p/a", b"49.9", True, 1)) is None
    message = Message("park/hd/gw-1/r/p/a", "r/p/a", b"49.9", True, NOW, lambda: None)
    assert [row[-1] for row in way.rows(way.desk.take(message))] == [LATE]


async def test_whoever_floods_waits_for_his_own_readings_and_for_no_longer_than_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(line, "WINDOW_S", 0.05)
    monkeypatch.setattr(line, "WINDOW_ROWS", 3)
    sink = Listener(acknowledging=False)
    desk = GatewayDesk(GATEWAY, lambda kind, text: None)
    made = MqttLine(Broker("b", "h"), [desk], sink, lambda: NOW, lambda why: None, 1)
    singles = Singles([desk], lambda names: None)
    part = []
    for _ in range(2):
        singles.take((b"park/hd/gw-1/r/p/a", b"1", False, 0))
        singles.take((b"park/hd/gw-1/r/p/b", b"1", False, 0))
        part += singles.flush()
    first = asyncio.create_task(made.deliver(part[:1]))
    await first
    second = asyncio.create_task(made.deliver(part[1:]))
    await asyncio.sleep(0)
    assert len(sink.batches) == 1  # two are on their way, two more would be four
    sink.batches[0].ack()
    await second
    assert len(sink.batches) == 2
    await made.deliver(part[:1])  # What never becomes safe holds nobody for ever.
    assert len(sink.batches) == 3
