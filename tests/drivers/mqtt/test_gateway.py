"""One gateway's messages: what is live, late, a duplicate, forged; and which waits for its list."""

import hashlib
import json
import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parkwatch.drivers.config import Gateway, Mapped
from parkwatch.drivers.mqtt import packed, seal
from parkwatch.drivers.mqtt.gateway import GatewayDesk, Message
from parkwatch.drivers.mqtt.parts import Part
from parkwatch.drivers.mqtt.payload import Refused
from parkwatch.rules.batch import BURST, LATE, LIVE
from parkwatch.rules.quality import BAD_FAULT, GOOD, UNCERTAIN, Reason

S = 1_000_000_000
NOW = 1_764_050_580 * S
KEY = bytes(range(16))
TOPIC = "park/huadong/gw-1/"
IDS = ["p/a", "p/b"]


class Field:
    """A desk, what it told, and which messages were acknowledged."""

    def __init__(self, **gateway: Any) -> None:
        self.told: list[str] = []
        self.acked: list[str] = []
        points = {"p/a": 0, "p/b": 1}
        self.desk = GatewayDesk(
            Gateway("huadong/gw-1", "huadong", "gw-1", points, **gateway),
            lambda kind, text: self.told.append(kind),
        )

    def send(
        self, what: str, body: bytes, *, at: int = NOW, retained: bool = False, name: str = ""
    ) -> list[Part]:
        def ack() -> None:
            self.acked.append(name or what)

        return self.desk.take(Message(TOPIC + what, what, body, retained, at, ack))


def columns(seq: int, value: float = 24.6, at: int = NOW, **more: Any) -> bytes:
    head = {"v": 1, "boot": 7, "seq": seq, "t": at // 1_000_000, "id": ["p/a"], "val": [value]}
    return json.dumps({**head, **more}, separators=(",", ":")).encode()


def point_list(boot: int = 7) -> bytes:
    return json.dumps({"v": 1, "boot": boot, "id": IDS}).encode()


def packed_batch(seq: int, rows: list[tuple[int, int, float]], flags: int = 0) -> bytes:
    """Rows of place, quality byte and value, one a millisecond."""
    digest = hashlib.sha256(point_list()).digest()[:8]
    head = b"\xb1\x01" + struct.pack("<HIQq", flags, 7, seq, NOW) + digest
    records = [
        struct.pack("<IId", place | quality << 24, n * 1_000, value)
        for n, (place, quality, value) in enumerate(rows)
    ]
    return head + b"".join(records)


def test_packed_readings_are_those_of_their_list() -> None:
    field = Field()
    field.send("points", point_list(), retained=True)
    (part,) = field.send("readings", packed_batch(0, [(0, 0, 24.6), (1, 0x4A, 1.0)]))
    assert part.point.tolist() == [0, 1]
    assert part.value.tolist() == [24.6, 1.0]
    assert part.quality.tolist() == [GOOD, 0x4A]
    assert part.time.tolist() == [NOW, NOW + 1_000_000]
    assert part.origin == LIVE


def test_packed_readings_wait_for_their_list_and_are_acknowledged_with_it() -> None:
    field = Field()
    assert field.send("readings", packed_batch(0, [(1, 0, 3.0)])) == []
    assert field.acked == []
    (part,) = field.send("points", point_list(), retained=True)
    assert part.value.tolist() == [3.0]
    part.ack()
    assert field.acked == ["points", "readings"]


def test_a_list_that_never_comes_is_a_refusal_after_ten_seconds() -> None:
    field = Field()
    field.send("readings", packed_batch(0, [(1, 0, 3.0)]))
    field.desk.expire(NOW + 10 * S - 1)
    assert field.told == []
    field.desk.expire(NOW + 10 * S)
    assert field.told == ["refused"]
    assert field.acked == ["readings"]


@pytest.mark.parametrize(
    "body",
    [packed_batch(0, [(0, 0, 1.0)])[:-1], packed_batch(0, [], flags=2), b"\xb1\x01", b"\xb1\x02"],
)
def test_a_broken_packed_batch_is_refused_and_acknowledged(body: bytes) -> None:
    field = Field()
    assert field.send("readings", body) == []
    assert field.told == ["refused"]
    assert field.acked == ["readings"]


@given(st.binary(max_size=120))
def test_any_packed_bytes_are_read_or_refused(body: bytes) -> None:
    field = Field()
    field.send("points", point_list(), retained=True)
    field.send("readings", b"\xb1\x01" + body)
    assert field.desk.refused in (0, 1)


@pytest.mark.parametrize("body", [columns(1), packed_batch(1, [(0, 0, 1.0)])])
def test_a_seal_fits_its_topic_its_key_and_every_byte(body: bytes) -> None:
    whole = seal.sealed(TOPIC + "readings", body, KEY)
    assert seal.opened(TOPIC + "readings", whole, KEY) == body
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 1
        with pytest.raises(Refused):
            seal.opened(TOPIC + "readings", bytes(changed), KEY)
    for topic, key in ((TOPIC + "status", KEY), (TOPIC + "readings", KEY[::-1])):
        with pytest.raises(Refused):
            seal.opened(topic, whole, key)


def test_where_a_key_is_set_nothing_unsealed_counts() -> None:
    field = Field(key=KEY)
    assert field.send("readings", columns(1)) == []
    assert field.send("r/p/a", b"24.6") == []
    assert field.told == ["mac", "mac"]
    sealed = seal.sealed(TOPIC + "readings", columns(1), KEY)
    assert len(field.send("readings", sealed)) == 1


def test_a_repeat_is_dropped_but_acknowledged_only_when_the_first_is_safe() -> None:
    field = Field()
    (first,) = field.send("readings", columns(1), name="first")
    assert field.send("readings", columns(1), name="again") == []
    assert field.acked == []
    first.ack()
    assert field.acked == ["again"]  # the copy that the broker waits for
    assert field.send("readings", columns(1), name="third") == []
    assert field.acked == ["again", "third"]


def test_a_hole_is_told_and_its_filling_is_late() -> None:
    field = Field()
    field.send("readings", columns(1))
    field.send("readings", columns(4, at=NOW + 3 * S), at=NOW + 3 * S)
    assert "gap" in field.told
    (part,) = field.send("readings", columns(2, late=True, at=NOW + S), at=NOW + 4 * S)
    assert part.origin == LATE


def test_what_the_broker_kept_is_a_burst_until_the_first_pause() -> None:
    field = Field()
    field.desk.connected(NOW, session_present=True)
    (kept,) = field.send("readings", columns(1), at=NOW + S // 2)
    (fresh,) = field.send("readings", columns(2, at=NOW + 3 * S), at=NOW + 3 * S)
    assert (kept.origin, fresh.origin) == (BURST, LIVE)


@pytest.mark.parametrize("shift_s", [-8 * 3600, -NOW // S, 3600])
def test_a_wrong_clock_marks_and_delays_nothing(shift_s: int) -> None:
    field = Field()
    for n in range(3):
        at = NOW + n * S
        (part,) = field.send("readings", columns(n, at=at + shift_s * S), at=at)
        assert part.origin == LIVE
        assert part.quality.tolist() == [UNCERTAIN | Reason.CLOCK]
        assert part.received == at
    assert "clock" in field.told


def test_a_clock_that_stands_still_is_live() -> None:
    field = Field()
    for n, value in enumerate([1.0, 7.5, 14.1]):
        body = json.dumps({"val": value, "t": NOW // 1_000_000}).encode()
        (part,) = field.send("r/p/a", body, at=NOW + n * S)
        assert (part.origin, part.value.tolist()) == (LIVE, [value])


def test_a_retained_reading_is_history_and_a_retained_online_proves_nothing() -> None:
    field = Field()
    status: Callable[[str], bytes] = lambda state: json.dumps(  # noqa: E731
        {"v": 1, "boot": 7, "state": state, "t": 1}
    ).encode()
    assert field.send("r/p/a", b"24.6", retained=True)[0].origin == LATE
    field.send("status", status("online"), retained=True)
    assert field.desk.online is None
    field.send("status", status("online"))
    assert field.desk.online is True
    (lost,) = field.send("status", status("offline"))
    assert field.desk.online is False
    assert len(lost.point) == 2


def test_declared_paths_read_a_foreign_payload() -> None:
    mapping = (
        Mapped("telemetry", "gas.0.v", 0, 0.1, time_path="ts"),
        Mapped("telemetry", "gas.1.v", 1, 0.1, time_path="ts"),
    )
    field = Field(mapping=mapping)
    body = json.dumps({"ts": NOW // 1_000_000, "gas": [{"v": 246}, {"v": "n/a"}]}).encode()
    (part,) = field.send("telemetry", body)
    assert part.value.tolist()[0] == pytest.approx(24.6)
    assert part.quality.tolist() == [GOOD, BAD_FAULT]
    assert part.time.tolist() == [NOW, NOW]


def test_the_list_hash_is_over_the_exact_payload() -> None:
    assert packed.PointList.of(point_list()).hash == hashlib.sha256(point_list()).digest()[:8]


def test_a_status_names_the_devices_that_the_gateway_has_just_heard_of() -> None:
    field = Field()
    told: list[tuple[str, str]] = []
    field.desk._say = lambda kind, text: told.append((kind, text))
    field.send("readings", columns(1))
    ages = {"panel-1": 2.5, "panel-2": 10.1, "panel-3": -1.0, "panel-4": 10.0}
    body = json.dumps({"v": 1, "boot": 7, "state": "online", "devices": ages}).encode()
    field.send("status", body)
    assert told[-1] == ("alive", "panel-1 panel-4")
    told.clear()
    field.send("status", body, retained=True)  # What the broker kept proves nothing.
    assert told == []


@pytest.mark.parametrize(
    ("what", "body", "told"),
    [
        ("readings", columns(1) + b" " * 10_000_000, "refused"),
        ("r/p/a", b" " * 10_000_000 + b"1", "refused"),
        ("readings", b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "refused"),
        ("readings", b'{"v":1,"boot":7,"seq":1,"t":1,"id":["\xff"],"val":[1]}', "refused"),
        ("r/p/\ufffd", b"1", "foreign"),
        ("r/p/+", b"1", "foreign"),
        ("r/#", b"1", "foreign"),
        ("r/p/b/c", b"1", "foreign"),
        ("+/readings", b"1", "refused"),
        ("#", b"1", "refused"),
    ],
)
def test_what_no_gateway_should_send_is_counted_named_and_acknowledged(
    what: str, body: bytes, told: str
) -> None:
    field = Field()
    assert field.send(what, body, name="it") == []
    assert field.told == [told]
    assert field.desk.refused + field.desk.foreign == 1
    assert field.acked == ["it"]
    (part,) = field.send("readings", columns(1))
    assert part.value.tolist() == [24.6]  # the rest of the work goes on
