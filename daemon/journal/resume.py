"""Going on after a loss: the journal is gone for good, and a person says so.

The new file goes on from the last head that is known, with a `gap` record of what is missing: it
never begins at 1 again, and `verify` names the missing records for ever.
"""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

from parkwatch.daemon.journal.anchor import Anchor
from parkwatch.daemon.journal.archive import CURRENT, archived
from parkwatch.daemon.journal.journal import Entry, Journal
from parkwatch.daemon.journal.ready import last_known
from parkwatch.daemon.journal.rotate import SIDE, Asked, recover
from parkwatch.daemon.journal.verify import Witnesses
from parkwatch.daemon.store.database import JournalFault, open_writer, transaction
from parkwatch.daemon.store.switch import put


def resume(folder: Path, key: bytes, asked: Asked, witnesses: Witnesses) -> Anchor:
    """Begin a `journal.db` after the last known head; the folder's lock is held.

    JournalFault JNL-009 where a journal is there, or none ever was. OSError and sqlite3.Error.
    """
    recover(folder)
    known, where = last_known(folder, witnesses)
    if (folder / CURRENT).exists() or known is None:
        raise JournalFault(
            "JNL-009",
            "日志并未丢失 no journal is missing here",
            "直接启动 start the daemon: parkwatch run",
        )
    kept = max((part.last for part in archived(folder)), default=0)
    gap = {
        "who": asked.who, "what": "journal.db", "why": asked.why, "from": kept + 1,
        "to": known.seq, "known": where, "points": [],
    }  # fmt: skip
    with closing(open_writer(folder / SIDE)) as db:
        journal = Journal(db, key)
        journal.rewind((known.seq, known.time, known.hash))
        with transaction(db):
            entries = [Entry("start", {"why": "resumed", "who": asked.who}), Entry("gap", gap)]
            journal.append(entries, max(known.time, time.time_ns()))
        db.execute("PRAGMA journal_mode=DELETE")
    put(folder / SIDE, folder / CURRENT)
    return Anchor(journal.seq, journal.head, journal.time)
