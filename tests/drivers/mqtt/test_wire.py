"""MQTT 5 from its bytes: whatever a broker sends is read or is an end of the connection, and no
packet is lost or doubled however TCP cuts it."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from parkwatch.drivers.mqtt import wire
from parkwatch.drivers.mqtt.link import Receipts
from parkwatch.drivers.mqtt.wire import Arrived, Broken, Packet, Reader


def published(topic: bytes, payload: bytes, packet_id: int = 0, retained: bool = False) -> bytes:
    """A PUBLISH, QoS 1 where it has a packet id, with a property that nobody needs."""
    named = packet_id.to_bytes(2) if packet_id else b""
    body = len(topic).to_bytes(2) + topic + named + b"\x02\x01\x01" + payload
    return bytes((0x30 | (2 if packet_id else 0) | retained,)) + length(len(body)) + body


def length(number: int) -> bytes:
    made = b""
    while number > 127:
        made += bytes((number % 128 | 128,))
        number //= 128
    return made + bytes((number,))


def read(*pieces: bytes) -> tuple[list[Arrived], list[Packet]]:
    reader, arrived = Reader(), list[Arrived]()
    others = [packet for piece in pieces for packet in reader.feed(piece, arrived)]
    return arrived, others


MESSAGES = st.lists(
    st.tuples(
        st.binary(min_size=1, max_size=40),
        st.one_of(st.binary(max_size=300), st.just(bytes(20_000))),
        st.integers(0, 65_535),
        st.booleans(),
    ),
    max_size=8,
)


@given(MESSAGES, st.lists(st.integers(1, 400), max_size=40))
def test_however_tcp_cuts_them_the_messages_are_the_same(
    messages: list[tuple[bytes, bytes, int, bool]], cuts: list[int]
) -> None:
    stream = b"".join(published(t, p, i, r) for t, p, i, r in messages) + b"\xd0\x00"
    pieces = []
    for cut in cuts:
        pieces.append(stream[:cut])
        stream = stream[cut:]
    arrived, others = read(*pieces, stream)
    assert arrived == [(t, p, r, i) for t, p, i, r in messages]
    assert others == [Packet(wire.PINGRESP, b"")]


@given(st.lists(st.binary(max_size=60), max_size=6))
@example([b"\x32\x05\x00\x03a"])
@example([b"\x20\x00", b"\x90\x02\x00\x01"])
@example([b"\x30\xff\xff\xff\x7f"])
def test_any_bytes_are_packets_or_the_end(pieces: list[bytes]) -> None:
    try:
        _, others = read(*pieces)
        for packet in others:
            wire.connected(packet)
            wire.subscribed(packet)
    except Broken:
        return


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\x34" + length(9) + b"\x00\x01t\x00\x01\x00xyz",  # QoS 2, never asked for
        b"\x32" + length(6) + b"\x00\x01t\x00\x00\x00",  # a packet id of 0
        b"\x30" + length(3) + b"\x00\x00\x00",  # no topic
        b"\x30" + length(4) + b"\x00\x01t\x05",  # properties beyond its end
        b"\x30" + length(wire.PACKET_MAX + 1),
        b"\x30\xff\xff\xff\xff\x01",
    ],
)
def test_what_breaks_the_protocol_ends_the_connection(rubbish: bytes) -> None:
    with pytest.raises(Broken):
        read(rubbish)


def test_a_payload_of_ten_megabytes_comes_whole_so_that_it_can_be_named() -> None:
    whole = published(b"t", bytes(10_000_000), 7)
    pieces = [whole[at : at + 65_536] for at in range(0, len(whole), 65_536)]
    ((topic, body, _, packet_id),), _ = read(*pieces)
    assert (topic, len(body), packet_id) == (b"t", 10_000_000, 7)


def test_a_broker_says_yes_no_or_that_it_does_not_speak_this() -> None:
    def answer(body: bytes) -> wire.Connected:
        return wire.connected(Packet(wire.CONNACK, body))

    keep_alive = b"\x0b\x22\x00\x0a\x13\x00\x1e\x1f\x00\x02ok"  # after an alias limit, before text
    assert answer(b"\x01\x00" + keep_alive) == wire.Connected(True, 0, 30)
    assert answer(b"\x00\x87\x00").reason == 135
    assert answer(b"\x00\x01").reason == wire.UNSPOKEN  # as a broker of 3.1.1 says it
    assert answer(b"\x00\x04").reason == 134
    with pytest.raises(Broken):
        wire.connected(Packet(wire.SUBACK, b"\x00\x00\x00"))


@given(st.permutations(range(1, 9)), st.integers(1, 8))
def test_messages_are_acknowledged_in_the_order_of_arrival(order: list[int], most: int) -> None:
    receipts, told = Receipts(), list[int]()
    names = [receipts.arrived(100 + n) for n in range(8)]
    assert names == list(range(1, 9))
    for at in range(0, 8, most):
        told += receipts.safe(order[at : at + most])
        unsafe = set(order[at + most :])
        assert told == [99 + n for n in range(1, min(unsafe, default=9))]
    assert len(receipts) == 0
