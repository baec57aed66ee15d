"""Supervision: a fault is retried for ever, a bug ends the daemon and systemd starts it again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from parkwatch.rules.fault import Fault

log = logging.getLogger("parkwatch.supervisor")
PAUSE_S_MAX = 30.0


async def keep(name: str, work: Callable[[], Awaitable[None]], pause_s: float = 1.0) -> None:
    """Run `work` until it returns; after a Fault wait (doubling, half a minute at most), again."""
    wait_s = pause_s
    while True:
        try:
            return await work()
        except Fault as fault:
            log.warning("%s: %s; again in %.0f s", name, fault, wait_s)
        await asyncio.sleep(wait_s)
        wait_s = min(2 * wait_s, PAUSE_S_MAX)
