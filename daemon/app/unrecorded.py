"""The journal cannot be written: for a bounded time alarms go on, shown and told from memory with
the mark `not recorded`; then the daemon ends with 70 and starts again.

Nothing here waits for the disk. Red and orange messages get one try each over each channel, keys as
always; the same alarm is told to the same person over the same channel once in a while only, over
any number of restarts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from parkwatch.daemon.app.beside import Beside
from parkwatch.daemon.notify import ways, words
from parkwatch.daemon.notify.chain import ChainPolicy
from parkwatch.daemon.outbox.messages import Message
from parkwatch.daemon.pipeline.turn import Work
from parkwatch.daemon.pipeline.writer import Group
from parkwatch.daemon.store.database import JournalFault
from parkwatch.rules.alarms.shadow import SHADOW
from parkwatch.rules.grade import Grade
from parkwatch.rules.site import SECOND_NS

log = logging.getLogger("parkwatch.unrecorded")
ALARM = "system/journal:unrecorded"
LEAST_S, BLIND_LEAST_S = 2.0, 20.0
"""So long it goes on at least; longer where nothing was ever committed: the next start will find
the same disk, and between two starts nobody watches."""
MOST_S = 20.0
"""Beyond that no answer of a provider is waited for."""
AGAIN_NS = 5 * 60 * SECOND_NS
TOLD = frozenset({"red", "orange"})
TRIES_AT_ONCE = 2
MARK = f"{words.UNRECORDED.zh} {words.UNRECORDED.en}"
Shown = Callable[[Sequence[Mapping[str, Any]]], None]


class Unrecorded:
    """What the journal can hold no more; at rest until `begin`."""

    def __init__(
        self,
        data: Path,
        policy: ChainPolicy,
        now: Callable[[], int],
        item: Callable[[str], dict[str, Any]],
        shown: Shown,
    ) -> None:
        self._data = data
        self._policy = policy
        self._now = now
        self._item = item
        self._shown = shown
        self._beside: Beside | None = None
        self._threads: dict[str, ThreadPoolExecutor] = {}
        self._tries: set[asyncio.Task[None]] = set()
        self._left: dict[str, int] = {}
        self._last: dict[tuple[str, str, str], tuple[int, int]] = {}
        self.fault: JournalFault | None = None
        self.since = 0
        self.alarms: set[str] = set()
        """Alarms whose state the journal does not hold."""

    def remember(self, announced: Iterable[Mapping[str, Any]]) -> None:
        """What earlier runs announced unrecorded: not again before AGAIN_NS."""
        for body in announced:
            parts = str(body.get("key", "")).split("|")
            grade = str(body.get("grade", ""))
            if len(parts) >= 8 and grade in TOLD:
                who = (parts[0], parts[-2], parts[-1])
                self._last[who] = (Grade(grade).urgency, int(body.get("at", 0)))

    def begin(self, fault: JournalFault, waiting: Sequence[Message]) -> None:
        """From here on; `waiting` are messages that were committed and not sent yet."""
        if self.fault is not None:
            return
        self.fault, self.since = fault, self._now()
        self._beside = Beside(self._data)
        self._beside.put({"what": "begin", "at": self.since, "why": f"{fault.code} {fault.what}"})
        self._left = {c.id: c.per_minute for c in self._policy.channels.values()}
        self._threads = {
            channel: ThreadPoolExecutor(TRIES_AT_ONCE, f"unrecorded.{channel}")
            for channel in self._policy.channels
        }
        self._tell(waiting, mark="")

    def lost(self, work: Work, group: Group) -> None:
        """A turn that could not be committed: shown, noted beside, told."""
        assert self._beside is not None, "the committer tells of its fault before"
        frames = []
        for t in work.transitions:
            if t.origin == SHADOW:
                continue
            self.alarms.add(t.alarm)
            self._beside.put({"what": "transition", **t.body()})
            frames.append({"type": "unrecorded", "event": t.event, "item": self.marked(t.alarm)})
        self._shown(frames)
        self._tell(group.messages, mark=f" {MARK}")

    def marked(self, alarm: str) -> dict[str, Any]:
        """An alarm's item as it is in memory, with the mark."""
        return {**self._item(alarm), "unrecorded": True}

    def state(self) -> dict[str, Any] | None:
        """For the health page; None while the journal can be written."""
        if self.fault is None:
            return None
        return {"since": str(self.since), "why": str(self.fault), "alarms": len(self.alarms)}

    async def over(self, least_s: float) -> None:
        """Until everything was told and `least_s` have passed; MOST_S longer at most."""
        await asyncio.sleep(least_s)
        loop = asyncio.get_running_loop()
        end = loop.time() + MOST_S
        while self._tries and loop.time() < end:
            await asyncio.wait(self._tries, timeout=end - loop.time())

    async def close(self) -> None:
        """End the tries; what is beside gets a moment to be written."""
        for task in list(self._tries):
            task.cancel()
        await asyncio.gather(*self._tries, return_exceptions=True)
        for threads in self._threads.values():
            threads.shutdown(wait=False, cancel_futures=True)
        if self._beside is not None:
            await asyncio.to_thread(self._beside.close)

    # Telling -------------------------------------------------------------------------------

    def _tell(self, messages: Iterable[Message], mark: str) -> None:
        """One try each over each channel of the person, red first."""
        wanted = [m for m in messages if m.grade in TOLD and not m.drill]
        for message in sorted(wanted, key=lambda m: m.grade != "red"):
            each: Message | None = message
            while each is not None:
                self._start(replace(each, text=f"{each.text}{mark}"))
                # Red goes out over all channels anyway: each is a message of its own.
                each = None if each.grade == "red" else self._policy.instead(each, self._now())

    def _start(self, message: Message) -> None:
        channel = self._policy.channels.get(message.channel)
        who = (message.alarm, message.channel, message.person)
        urgency, at = self._last.get(who, (0, 0))
        told = Grade(message.grade).urgency <= urgency and self._now() - at < AGAIN_NS
        if channel is None or told or self._left[channel.id] <= 0:
            return
        self._left[channel.id] -= 1
        self._last[who] = (Grade(message.grade).urgency, self._now())
        task = asyncio.create_task(self._try(message), name=f"unrecorded.{message.key}")
        self._tries.add(task)
        task.add_done_callback(self._tries.discard)

    async def _try(self, message: Message) -> None:
        channel, to = self._policy.channels[message.channel], self._policy.address(message)
        threads = self._threads[channel.id]
        loop = asyncio.get_running_loop()
        result = await loop.run_in_executor(threads, ways.send, channel, message, to)
        log.warning("unrecorded: %s: %s", message.key, result.text)
        assert self._beside is not None
        self._beside.put({
            "what": "announced", "key": message.key, "grade": message.grade, "at": self._now(),
            "attempt": message.attempt + 1, "state": "sent" if result.ok else "failed",
            "result": result.text, "provider": channel.kind,
        })  # fmt: skip
