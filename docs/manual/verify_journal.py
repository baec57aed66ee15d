"""A verifier of the journal that imports nothing of ours: verify_journal.py FILE [KEY-FILE]."""

import hashlib
import hmac
import sqlite3
import sys

path, key = sys.argv[1], open(sys.argv[2], "rb").read().strip() if len(sys.argv) > 2 else b""
first, last, last_time, prev = 0, 0, 0, bytes(32)
rows = sqlite3.connect(f"file:{path}?mode=ro", uri=True).execute(
    "SELECT seq, time, kind, body, prev, hash FROM record ORDER BY seq"
)
for seq, time, kind, body, claimed, hashed in rows:
    if not first:
        # A rotated file begins where the last one ended: look there for the record before it.
        first, last, last_time = seq, seq - 1, time
        prev = claimed if seq > 1 else prev
    name = kind.encode()
    message = b"parkwatch/1" + prev + seq.to_bytes(8, "big") + time.to_bytes(8, "big", signed=True)
    message += len(name).to_bytes(2, "big") + name + len(body).to_bytes(4, "big") + body
    if key:
        found = hmac.new(key, message, hashlib.sha256).digest()
    else:
        found = hashlib.sha256(message).digest()
    if seq != last + 1 or claimed != prev or found != hashed or time < last_time:
        sys.exit(f"record {last + 1} is missing or was changed")
    prev, last, last_time = hashed, seq, time
print(f"records {first} to {last}, the chain is whole, head {prev.hex()}")
