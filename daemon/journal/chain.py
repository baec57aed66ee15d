"""The hash chain over records (contracts.md, Journal): canonical bytes in, seal out."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from parkwatch.daemon.store.text import whole

GENESIS = bytes(32)
VERSION = 1
"""Of the canonical form and the formula; every `start` names it as `schema`."""
_TAG = b"parkwatch/1"
_HEAD = struct.Struct(">11s32sQqH").pack
_LENGTH = struct.Struct(">I").pack
_BLOCK = 64
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


def canonical(body: Mapping[str, Any]) -> bytes:
    """The exact bytes of a record's body; lone surrogates became U+FFFD.

    Raises ValueError for NaN and infinities, TypeError for what JSON has no form for.

    >>> canonical({"b": 1, "a": "红"}).decode()
    '{"a":"红","b":1}'
    """
    try:
        return _FORM.encode(body).encode()
    except UnicodeEncodeError:
        return _FORM.encode(_whole(body)).encode()


_FORM = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
"""`json.dumps` with these arguments, without making its encoder for each record."""


def _whole(value: Any) -> Any:
    """Before dumping, not after: keys are sorted, and meet each other, as they will be read."""
    if isinstance(value, str):
        return whole(value)
    if isinstance(value, Mapping):
        return {_whole(key): _whole(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(item) for item in value]
    return value


Sealer = Callable[[bytes, int, int, bytes | bytearray, bytes], bytes]


def sealer(key: bytes = b"") -> Sealer:
    """The function that seals: prev, seq, time, kind in UTF-8 and body give the record's hash.

    SHA-256, or HMAC-SHA-256 where there is a key. A copied state and four updates are the quickest
    way that hashlib has; the formula stands here once, for who writes and for who verifies.
    """
    block = (sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    inner = sha256(block.translate(_INNER) if key else b"")
    outer = sha256(block.translate(_OUTER))

    def plain(prev: bytes, seq: int, time: int, kind: bytes | bytearray, body: bytes) -> bytes:
        digest = inner.copy()
        digest.update(_HEAD(_TAG, prev, seq, time, len(kind)))
        digest.update(kind)
        digest.update(_LENGTH(len(body)))
        digest.update(body)
        return digest.digest()

    def keyed(prev: bytes, seq: int, time: int, kind: bytes | bytearray, body: bytes) -> bytes:
        mac = outer.copy()
        mac.update(plain(prev, seq, time, kind, body))
        return mac.digest()

    return keyed if key else plain


def seal(prev: bytes, seq: int, time: int, kind: str, body: bytes, key: bytes = b"") -> bytes:
    """One record's hash; see `sealer`. struct.error for a number that has no place in the form."""
    return sealer(key)(prev, seq, time, kind.encode(), body)


def key_id(key: bytes) -> str:
    """What a `start` record says of the key: enough to know it again, nothing to guess it by."""
    return hashlib.sha256(b"parkwatch/key-id/1" + key).hexdigest()[:16] if key else ""
