"""The second check of who speaks: an HMAC-SHA-256 over topic and payload, where a key is set.

JSON ends in `,"mac":"<64 lower-case hex>"}`, packed batches in 32 bytes (contracts.md, MQTT in).
"""

from __future__ import annotations

import hashlib
import hmac
import re

from parkwatch.drivers.mqtt.packed import MAGIC
from parkwatch.drivers.mqtt.payload import Refused

_JSON_SEAL = re.compile(rb',"mac":"([0-9a-f]{64})"\}\Z')
_PACKED_SEAL_BYTES = 32


def opened(topic: str, payload: bytes, key: bytes) -> bytes:
    """The payload without its seal; as it is where `key` is empty. Raises Refused (`mac`)."""
    if not key:
        return payload
    if payload[:2] == MAGIC:
        body, seal = payload[:-_PACKED_SEAL_BYTES], payload[-_PACKED_SEAL_BYTES:]
    else:
        found = _JSON_SEAL.search(payload, max(0, len(payload) - 80))
        if found is None:
            raise Refused("mac", "没有签名 the payload is not sealed")
        body, seal = payload[: found.start()] + b"}", bytes.fromhex(found[1].decode())
    if not hmac.compare_digest(_mac(topic, body, key), seal):
        raise Refused("mac", "签名不符 the seal does not fit")
    return body


def sealed(topic: str, payload: bytes, key: bytes) -> bytes:
    """The payload with its seal, as a gateway sends it. JSON payloads are objects."""
    mac = _mac(topic, payload, key)
    if payload[:2] == MAGIC:
        return payload + mac
    return payload[:-1] + b',"mac":"' + mac.hex().encode() + b'"}'


def _mac(topic: str, body: bytes, key: bytes) -> bytes:
    return hmac.digest(key, topic.encode() + b"\0" + body, hashlib.sha256)
