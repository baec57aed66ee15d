"""The hash chain over records (contracts.md, Journal): canonical bytes in, seal out."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any

GENESIS = bytes(32)
_TAG = b"parkwatch/1"
_SURROGATE = re.compile("[\ud800-\udfff]")


def canonical(body: Mapping[str, Any]) -> bytes:
    """The exact bytes of a record's body; lone surrogates became U+FFFD.

    >>> canonical({"b": 1, "a": "红"}).decode()
    '{"a":"红","b":1}'
    """
    text = json.dumps(
        body, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    )
    return _SURROGATE.sub("�", text).encode()


def seal(prev: bytes, seq: int, time: int, kind: str, body: bytes, key: bytes = b"") -> bytes:
    """The record's hash: SHA-256, or HMAC-SHA-256 where a key is configured."""
    name = kind.encode()
    message = b"".join(
        (
            _TAG,
            prev,
            seq.to_bytes(8),
            time.to_bytes(8, signed=True),
            len(name).to_bytes(2),
            name,
            len(body).to_bytes(4),
            body,
        )
    )
    if key:
        return hmac.new(key, message, hashlib.sha256).digest()
    return hashlib.sha256(message).digest()


def key_id(key: bytes) -> str:
    """What a `start` record says of the key: enough to know it again, nothing to guess it by."""
    return hashlib.sha256(b"parkwatch/key-id/1" + key).hexdigest()[:16] if key else ""
