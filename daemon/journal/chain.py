"""The hash chain over records (contracts.md, Journal): canonical bytes in, seal out."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from parkwatch.daemon.store.text import whole

GENESIS = bytes(32)
_TAG = b"parkwatch/1"


def canonical(body: Mapping[str, Any]) -> bytes:
    """The exact bytes of a record's body; lone surrogates became U+FFFD.

    Raises ValueError for NaN and infinities, TypeError for what JSON has no form for.

    >>> canonical({"b": 1, "a": "红"}).decode()
    '{"a":"红","b":1}'
    """
    try:
        return _dump(body).encode()
    except UnicodeEncodeError:
        return _dump(_whole(body)).encode()


def _dump(body: Any) -> str:
    return json.dumps(
        body, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    )


def _whole(value: Any) -> Any:
    """Before dumping, not after: keys are sorted, and meet each other, as they will be read."""
    if isinstance(value, str):
        return whole(value)
    if isinstance(value, Mapping):
        return {_whole(key): _whole(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(item) for item in value]
    return value


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
