"""MQTT 5 as a subscriber speaks it, without I/O: packets to send, and a reader of what comes.

Nothing but Broken leaves the reader, whatever the bytes are. A PUBLISH is read without decoding its
topic: it is looked up as bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from struct import Struct

PACKET_MAX = 16 * 1_048_576
"""A payload that is too large shall be named; what is larger than this the broker keeps."""
VARINT_MAX = 268_435_455
CONNACK, PUBLISH, SUBACK, PINGRESP, DISCONNECT = 2, 3, 9, 13, 14
PING, BYE = b"\xc0\x00", b"\xe0\x00"
UNSPOKEN = 132
"""The reason of a broker that does not speak this version (1 as 3.1.1 says it)."""
_PUBACK = Struct(">HH")
_REASONS = {
    128: "未说明的错误 unspecified error",
    129: "报文格式错误 malformed packet",
    130: "协议错误 protocol error",
    131: "代理实现不支持 implementation specific error",
    132: "不支持 MQTT 5 unsupported protocol version",
    133: "客户端标识无效 client id not valid",
    134: "用户名或口令错误 bad user name or password",
    135: "未授权 not authorized",
    136: "代理不可用 server unavailable",
    137: "代理繁忙 server busy",
    138: "已被禁止 banned",
    139: "代理正在关闭 server shutting down",
    140: "认证方式错误 bad authentication method",
    141: "保活超时 keep alive timeout",
    142: "会话被接管:另有客户端使用此标识 session taken over: another client has this id",
    143: "主题过滤器无效 topic filter invalid",
    147: "超出接收上限 receive maximum exceeded",
    149: "报文过大 packet too large",
    151: "超出配额 quota exceeded",
    156: "须改用另一代理 use another server",
    157: "代理已迁移 server moved",
    158: "不支持共享订阅 shared subscriptions not supported",
    159: "连接过于频繁 connection rate exceeded",
    162: "不支持通配符订阅 wildcard subscriptions not supported",
}
Arrived = tuple[bytes, bytes, bool, int]
"""Topic, payload, retained, and the packet id (0: needs no acknowledgement)."""


class Broken(Exception):  # noqa: N818 - an end of the connection, with its reason
    """What came is no MQTT 5, or nothing that was asked for."""


@dataclass(frozen=True, slots=True)
class Packet:
    """Anything but a PUBLISH: its kind, and the bytes after the fixed header."""

    kind: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Connected:
    """A CONNACK: what the broker answered, in its words. `keep_alive` replaces ours where given."""

    session_present: bool
    reason: int
    keep_alive: int | None = None


def reason(code: int) -> str:
    """A reason code as people read it."""
    return _REASONS.get(code, f"代码 code {code}")


# To the broker ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hello:
    """A CONNECT that resumes its session. Times in s."""

    client_id: str
    user: str
    password: str
    keep_alive: int
    session_expiry: int
    receive_max: int


def connect(hello: Hello) -> bytes:
    """No clean start, no will, no topic aliases."""
    flags = (0x80 if hello.user else 0) | (0x40 if hello.user and hello.password else 0)
    properties = (
        b"\x11" + hello.session_expiry.to_bytes(4)
        + b"\x21" + hello.receive_max.to_bytes(2)
        + b"\x27" + PACKET_MAX.to_bytes(4)
    )  # fmt: skip
    body = _text("MQTT") + bytes((5, flags)) + hello.keep_alive.to_bytes(2)
    body += _varint(len(properties)) + properties + _text(hello.client_id)
    body += _text(hello.user) if flags & 0x80 else b""
    body += _text(hello.password) if flags & 0x40 else b""
    return _framed(0x10, body)


def subscribe(packet_id: int, topics: Iterable[str]) -> bytes:
    """At most QoS 1; the retain flag says what was retained, not what was published so."""
    body = packet_id.to_bytes(2) + b"\x00" + b"".join(_text(topic) + b"\x01" for topic in topics)
    return _framed(0x82, body)


def acknowledgements(packet_ids: Iterable[int]) -> bytes:
    """One PUBACK each, success."""
    return b"".join([_PUBACK.pack(0x4002, packet_id) for packet_id in packet_ids])


def _framed(head: int, body: bytes) -> bytes:
    return bytes((head,)) + _varint(len(body)) + body


def _text(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(2) + encoded


def _varint(number: int) -> bytes:
    assert 0 <= number <= VARINT_MAX
    made = bytearray()
    while True:
        number, low = divmod(number, 128)
        made.append(low | (0x80 if number else 0))
        if not number:
            return bytes(made)


# From the broker ----------------------------------------------------------------------------------


class Reader:
    """Bytes as they come, in; whole packets out. Keeps at most one packet that is not whole."""

    def __init__(self) -> None:
        self._kept: list[bytes] = []
        self._bytes = 0
        self._need = 0

    def feed(self, data: bytes, published: list[Arrived]) -> list[Packet]:
        """Append what was published, return the rest in its order. Raises Broken."""
        if self._kept:
            self._kept.append(data)
            self._bytes += len(data)
            if self._bytes < self._need:
                return []
            data = b"".join(self._kept)
            self._kept.clear()
        try:
            at, others = self._read(data, published)
        except IndexError as error:
            raise Broken("报文长度不符 a packet ends too early") from error
        if at < len(data):
            self._kept.append(data[at:])
            self._bytes = len(data) - at
        return others

    def _read(self, data: bytes, published: list[Arrived]) -> tuple[int, list[Packet]]:
        """Up to which byte whole packets were read, and those that are no PUBLISH."""
        at, end = 0, len(data)
        others: list[Packet] = []
        while at + 1 < end:
            head, size, start = data[at], data[at + 1], at + 2
            if size > 127:
                found = _long(data, at + 1)
                if found is None:
                    self._need = 0
                    return at, others
                size, start = found
                if size > PACKET_MAX:
                    raise Broken(f"报文过大 a packet of {size} bytes")
            stop = start + size
            if stop > end:
                self._need = stop - at
                return at, others
            if head >> 4 == PUBLISH:
                published.append(_published(data, head, start, stop))
            else:
                others.append(Packet(head >> 4, data[start:stop]))
            at = stop
        self._need = 0
        return at, others


def _published(data: bytes, head: int, start: int, stop: int) -> Arrived:
    topic_end = start + 2 + (data[start] << 8 | data[start + 1])
    payload, packet_id = topic_end, 0
    if head & 0x06:
        if head & 0x04:
            raise Broken("QoS 2 未订阅 was not subscribed")
        packet_id = data[payload] << 8 | data[payload + 1]
        payload += 2
        if not packet_id:
            raise Broken("报文标识为 0 a packet id of 0")
    properties = data[payload]
    payload += 1
    if properties > 127:
        found = _long(data, payload - 1)
        if found is None:
            raise Broken("属性长度不符 no length of properties")
        properties, payload = found
    payload += properties
    if payload > stop or topic_end == start + 2:
        raise Broken("PUBLISH 长度不符 its lengths do not fit")
    return data[start + 2 : topic_end], data[payload:stop], bool(head & 1), packet_id


def _long(data: bytes, at: int) -> tuple[int, int] | None:
    """A number of one to four bytes, and what follows it; None where it is not whole yet."""
    number = 0
    for place in range(4):
        if at + place >= len(data):
            return None
        byte = data[at + place]
        number |= (byte & 0x7F) << (7 * place)
        if byte < 128:
            return number, at + place + 1
    raise Broken("长度字段无效 no length that MQTT knows")


def connected(packet: Packet) -> Connected:
    """The answer to CONNECT, in the shape of 3.1.1 too. Raises Broken."""
    body = packet.body
    if packet.kind != CONNACK or len(body) < 2:
        raise Broken(f"未应答 CONNECT answered by packet {packet.kind}")
    code = UNSPOKEN if len(body) == 2 and body[1] == 1 else body[1]
    if len(body) == 2 and 1 < code < 128:
        code = {2: 133, 3: 136, 4: 134, 5: 135}.get(code, 128)
    return Connected(bool(body[0] & 1), code, _keep_alive(body[2:]))


# Length of a property's value; -1: text or bytes with their length before, -2: two of them.
_LENGTHS = {17: 4, 33: 2, 36: 1, 37: 1, 39: 4, 18: -1, 34: 2, 31: -1, 38: -2, 40: 1, 41: 1, 42: 1,
            19: 2, 26: -1, 28: -1, 21: -1, 22: -1}  # fmt: skip
_KEEP_ALIVE = 19


def _keep_alive(properties: bytes) -> int | None:
    """The broker's keep alive, where it names one. Raises Broken."""
    found = _long(properties, 0) if properties else None
    if found is None:
        return None
    at, end = found[1], found[1] + found[0]
    told: int | None = None
    while at < min(end, len(properties)):
        length = _LENGTHS.get(properties[at])
        if length is None:
            raise Broken(f"未知属性 unknown property {properties[at]}")
        name, at = properties[at], at + 1
        for _ in range(max(1, -length)):
            size = length if length > 0 else 2 + int.from_bytes(properties[at : at + 2])
            if name == _KEEP_ALIVE:
                told = int.from_bytes(properties[at : at + size])
            at += size
    return told


def subscribed(packet: Packet) -> Sequence[int]:
    """The reason codes of a SUBACK. Raises Broken."""
    found = _long(packet.body, 2) if len(packet.body) > 2 else None
    if found is None or sum(found) > len(packet.body):
        raise Broken("SUBACK 长度不符 its lengths do not fit")
    return packet.body[sum(found) :]
