"""A verifier of the journal that imports nothing of ours: verify_journal.py [-k KEY-FILE] FILE…

The archived files first, in order: archive/journal-1-500.db archive/journal-501-900.db journal.db
"""

import hashlib
import hmac
import sqlite3
import sys

files, key = sys.argv[1:], b""
if files[0] == "-k":
    key, files = open(files[1], "rb").read().strip(), files[2:]
first, last, last_time, prev = 0, 0, 0, bytes(32)
for path in files:
    rows = sqlite3.connect(f"file:{path}?mode=ro", uri=True).execute(
        "SELECT seq, time, kind, body, prev, hash FROM record ORDER BY seq"
    )
    for seq, time, kind, body, claimed, hashed in rows:
        if not first:  # The oldest file given goes on from what is not here.
            first, last, prev = seq, seq - 1, claimed if seq > 1 else prev
        name = kind.encode()
        message = b"parkwatch/1" + prev + seq.to_bytes(8, "big")
        message += time.to_bytes(8, "big", signed=True) + len(name).to_bytes(2, "big") + name
        message += len(body).to_bytes(4, "big") + body
        plain = hashlib.sha256(message).digest()
        found = hmac.new(key, message, hashlib.sha256).digest() if key else plain
        if seq != last + 1 or claimed != prev or found != hashed or time < last_time:
            sys.exit(f"record {last + 1} is missing or was changed ({path})")
        prev, last, last_time = hashed, seq, time
print(f"records {first} to {last}, the chain is whole, head {prev.hex()}")
