"""Supervision: a fault is retried for ever, a bug ends the daemon and systemd starts it again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from parkwatch.rules.fault import Fault

log = logging.getLogger("parkwatch.supervisor")
PAUSE_S_MAX = 30.0
END_S, END_TRIES = 0.5, 4


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


async def end(tasks: Sequence[asyncio.Task[None]], patience_s: float = END_S) -> None:
    """Cancel tasks until they have ended, END_TRIES times at most: pymodbus takes a cancellation
    for a request without answer, and its poller goes on. What is left ends with the process."""
    left = set(tasks)
    for _ in range(END_TRIES):
        for task in left:
            task.cancel()
        if left:
            _, left = await asyncio.wait(left, timeout=patience_s)
    for task in left:
        log.error("%s does not end", task.get_name())
    await asyncio.gather(*(task for task in tasks if task not in left), return_exceptions=True)
