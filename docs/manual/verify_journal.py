"""A verifier of the journal that imports nothing of ours: verify_journal.py FILE [KEY-FILE]."""

import hashlib
import hmac
import sqlite3
import sys

path, key = sys.argv[1], open(sys.argv[2], "rb").read() if len(sys.argv) > 2 else b""
prev, expected = bytes(32), 0
rows = sqlite3.connect(f"file:{path}?mode=ro", uri=True).execute(
    "SELECT seq, time, kind, body, prev, hash FROM record ORDER BY seq"
)
for seq, time, kind, body, claimed, hashed in rows:
    if expected == 0:
        expected, prev = seq, claimed  # a rotated file begins where the last one ended
    name = kind.encode()
    message = b"parkwatch/1" + prev + seq.to_bytes(8, "big") + time.to_bytes(8, "big")
    message += len(name).to_bytes(2, "big") + name + len(body).to_bytes(4, "big") + body
    if key:
        found = hmac.new(key, message, hashlib.sha256).digest()
    else:
        found = hashlib.sha256(message).digest()
    if seq != expected or claimed != prev or found != hashed:
        sys.exit(f"record {expected} is missing or was changed")
    prev, expected = hashed, expected + 1
print(f"{expected - 1} records, the chain is whole, head {prev.hex()}")
