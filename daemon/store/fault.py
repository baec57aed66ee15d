"""What is wrong with the journal's file, as a Fault with its code and remedy."""

from __future__ import annotations

from parkwatch.rules.fault import Fault


class JournalFault(Fault):
    """The journal cannot be trusted or written; the daemon goes on only by starting again."""
