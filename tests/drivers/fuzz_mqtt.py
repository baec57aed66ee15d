"""What comes from a broker: payloads, the messages of a gateway, and MQTT 5 itself."""

from __future__ import annotations

import hashlib
import json
import struct
from collections import Counter
from random import Random

import numpy as np
from fuzz_field import judged
from mangling import mangled

from parkwatch.drivers.config import Gateway, Mapped
from parkwatch.drivers.mqtt import mapped, packed, payload, seal
from parkwatch.drivers.mqtt.gateway import GatewayDesk, Message
from parkwatch.drivers.mqtt.parts import Part, alike_parts, merged
from parkwatch.drivers.mqtt.payload import Decoded, Refused
from parkwatch.drivers.mqtt.singles import Singles
from parkwatch.drivers.mqtt.wire import Arrived, Broken, Packet, Reader, connected, subscribed
from parkwatch.rules.site import SECOND_NS

NOW = 1_764_050_580 * SECOND_NS
MESSAGES, INPUTS = 40, 40
TOKENS = (
    b"NaN", b"-Infinity", b"1e999", b"-0", b"null", b"true", b'"24.6"', b"[", b"{", b"[" * 99,
    b"]", b"}", b'"', b"\\ud800", b"\\u0000", b"\xff\xfe", b"\xed\xa0\x80", "位号".encode(),
    b"9" * 20, b"9" * 500, b"9" * 5_000, b"-9223372036854775809", b"18446744073709551616", b",",
    b":", b'"dt":[0,0]', b'"late":true', b'"x":{"y":[[[1]]]}', b"\0", b"1.5", b"256", b"-1",
)  # fmt: skip
NAMES = ("p/a", "p/b", "q/c", "x/y", "")
MAPPED = (
    Mapped("m", "a.0.b", 0, time_path="t"), Mapped("m", "", 1, scale=1e300), Mapped("m", "v", 2),
)  # fmt: skip
KEY = bytes(range(16))


def text(rng: Random) -> bytes:
    """A payload of one of our shapes as it should be."""
    ids, ms = rng.choices(NAMES, k=rng.randrange(4)), NOW // 1_000_000 + rng.randrange(-9999, 9999)
    shapes: list[object] = [
        {
            "v": 1, "boot": rng.randrange(3), "seq": rng.randrange(9), "t": ms, "id": ids,
            "val": [rng.uniform(-10, 100) for _ in ids], "q": [0 for _ in ids],
            "dt": [rng.randrange(-5, 5) for _ in ids], "late": rng.random() < 0.2,
        },
        {"v": 1, "boot": rng.randrange(3), "id": ids},
        {"v": 1, "boot": 1, "state": rng.choice(("online", "offline")), "devices": {"p": 1.5}},
        rng.uniform(-10, 100),
        {"val": rng.uniform(-10, 100), "t": ms, "q": rng.randrange(256)},
        {"a": [{"b": 1.5}], "v": "7", "t": ms},
    ]  # fmt: skip
    return json.dumps(rng.choice(shapes), separators=(",", ":")).encode()


def binary(rng: Random, listed: bytes) -> bytes:
    """A packed batch as it should be."""
    head = struct.pack(
        "<2sHIQq8s", packed.MAGIC, rng.randrange(2), rng.randrange(3), rng.randrange(9),
        NOW + rng.randrange(-9, 9) * SECOND_NS, hashlib.sha256(listed).digest()[:8],
    )  # fmt: skip
    records = (
        struct.pack("<IId", rng.randrange(4) | rng.choice((0, 64, 129)) << 24, 5, rng.random())
        for _ in range(rng.randrange(4))
    )
    return head + b"".join(records)


def checked(decoded: Decoded) -> None:
    assert len(decoded.values) == len(decoded.qualities) == len(decoded.times) == len(decoded.place)
    assert all(0 <= place < len(decoded.ids) for place in decoded.place)
    for value, quality in zip(decoded.values.tolist(), decoded.qualities.tolist(), strict=True):
        # A sender may call a number bad; nobody may call what is none good.
        assert np.isfinite(value) or quality >= 128, (value, quality)


def payloads(rng: Random) -> int:
    """Every payload decoder on payloads that were hurt."""
    listed = b'{"v":1,"boot":1,"id":["p/a","p/b"]}'
    known = packed.PointList.of(listed)
    decoders = (
        payload.readings, lambda data: payload.single("p/a", data, NOW),
        lambda data: mapped.decode(MAPPED, data, NOW),
        lambda data: packed.decode(data, packed.header(data), known),
    )  # fmt: skip
    for _ in range(INPUTS):
        data = mangled(rng, binary(rng, listed) if rng.random() < 0.25 else text(rng), TOKENS)
        for decode in decoders:
            try:
                checked(decode(data))
            except Refused as refused:
                said(refused)
        for other in (payload.points, payload.status, lambda d: seal.opened("park/t", d, KEY)):
            try:
                other(data)
            except Refused as refused:
                said(refused)
        payload.quick(data)
        if data:
            assert seal.opened("park/t", seal.sealed("park/t", b"{}", KEY), KEY) == b"{}"
    return INPUTS * (len(decoders) + 4)


def said(refused: Refused) -> None:
    """It is shown to people: short, and printable on every screen."""
    assert len(refused.text) < 300
    assert refused.text.isprintable(), refused.text


def gateways(rng: Random) -> int:
    """A gateway's messages in any order, by both ways; each is acknowledged at most once, and once
    unless the broker sent it again."""
    points = {"p/a": 0, "p/b": 1, "q/c": 2}
    gateway = Gateway("hd/gw-1", "hd", "gw-1", points, MAPPED, KEY if rng.random() < 0.2 else b"")
    desk = GatewayDesk(gateway, lambda kind, text: None)
    acknowledged: Counter[int] = Counter()
    singles = Singles([desk], acknowledged.update)
    desk.connected(NOW, session_present=rng.random() < 0.5)
    now, listed = NOW, b'{"v":1,"boot":1,"id":["p/a","p/b"]}'
    parts: list[Part] = []
    for number in range(1, MESSAGES + 1):
        now += rng.choice((0, 0, SECOND_NS // 10, 20 * SECOND_NS))
        what = rng.choice(("readings", "readings", "points", "status", "m", "r/p/a", "r/x", "+/#"))
        body = listed if rng.random() < 0.1 else text(rng)
        body = binary(rng, listed) if rng.random() < 0.2 else mangled(rng, body, TOKENS)
        topic = f"park/hd/gw-1/{what}"
        if gateway.key and body:
            body = seal.sealed(topic, body, KEY)
        retained = rng.random() < 0.1
        singles.received = now
        short = singles.take((topic.encode(), body, retained, number))
        if short is not None:
            parts += short
            continue
        parts += singles.flush()
        message = Message(topic, what, body, retained, now, _ack(acknowledged, number))
        parts += desk.take(message)
        desk.expire(now)
    parts += singles.flush()
    parts += desk.lost("gone", now)
    for run in alike_parts(parts):
        batch = merged(run)
        assert len(batch.point) == len(batch.value) == len(batch.quality) == len(batch.time)
        for value, quality in zip(batch.value.tolist(), batch.quality.tolist(), strict=True):
            if quality < 128:
                judged(value, quality)
        batch.ack()
    desk.expire(now + 3_600 * SECOND_NS)
    assert max(acknowledged.values(), default=0) <= 1, acknowledged
    return MESSAGES


def _ack(acknowledged: Counter[int], number: int):  # type: ignore[no-untyped-def]
    return lambda: acknowledged.update([number])


# MQTT 5 -------------------------------------------------------------------------------------------


def a_packet(rng: Random) -> bytes:
    """A packet of a broker as it should be."""
    kind = rng.randrange(6)
    if kind == 0:
        properties = rng.choice((b"\0", b"\x03\x13\0\x3c", b"\x05\x22\0\x0a\x2a\1"))
        return framed(0x20, bytes((rng.randrange(2), rng.choice((0, 0, 132, 135)))) + properties)
    if kind == 1:
        return framed(0x90, rng.randbytes(2) + b"\0" + bytes(rng.choices((0, 1, 135), k=2)))
    if kind == 2:
        return rng.choice((b"\xd0\0", b"\xe0\0", b"\xe0\1\x8e"))
    topic, qos = rng.choice((b"park/hd/gw-1/r/p/a", "park/位号".encode())), rng.randrange(2)
    body = len(topic).to_bytes(2) + topic + (rng.randrange(1, 65_536).to_bytes(2) if qos else b"")
    return framed(
        0x30 | qos << 1 | rng.randrange(2), body + b"\0" + rng.randbytes(rng.randrange(400))
    )


def framed(head: int, body: bytes) -> bytes:
    size, made = len(body), bytearray((head,))
    while True:
        size, low = divmod(size, 128)
        made.append(low | (0x80 if size else 0))
        if not size:
            return bytes(made) + body


def wire(rng: Random) -> int:
    """Streams of packets that were hurt: the same in one lump and in pieces, up to where they
    break."""
    packets = [a_packet(rng) for _ in range(rng.randrange(1, 6))]
    data = b"".join(packets)
    if rng.random() < 0.8:
        data = mangled(rng, data, (b"\xff\xff\xff\xff", b"\x80\x80\x80\x80\1", b"\0\0", b"\x30\0"))
    whole, pieces = fed([data]), []
    at = 0
    while at < len(data):
        size = rng.randrange(1, 60)
        pieces.append(data[at : at + size])
        at += size
    assert fed(pieces) == whole
    return 2


def fed(pieces: list[bytes]) -> tuple[list[Arrived], list[Packet], bool]:
    """What was published, what else came, and whether it broke."""
    reader, published, others = Reader(), [], []
    try:
        for piece in pieces:
            found = reader.feed(piece, published)
            others += found
            for packet in found:
                for understand in (connected, subscribed):
                    try:
                        understand(packet)
                    except Broken:
                        continue
    except Broken:
        return published, [], True
    return published, others, False
