"""An alarm storm under kill -9, and what must hold after it.

Points are switched on and off; each state stays until several daemons have read it, so that it was
accepted, whatever died. Some alarms are acknowledged, by commands that are repeated where no answer
came. The journal must then tell each activation once.
"""

from __future__ import annotations

import json
import re
import signal
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from station import HIGH, LOW, Run, Station, let_pass, wait_for
from storming import alarm

from parkwatch.daemon.journal.verify import verify
from parkwatch.daemon.notify.dispatch import TRIES_AT_ONCE
from parkwatch.rules.fault import Fault

SEEN = 4
"""A point is switched again when so many daemons have read its state, several times each."""
SCANS = 3
SWITCHED = 8
INSTANT_S = 0.12
EARLY = 0.3
"""This share of the kills comes at any instant of the start."""
EXEC_EVERY = 20
ACKS = 2
DISTINCT = 30
TRIES = 40
OFTEN = (
    "transition.before", "transition.after", "sending.before", "sending.after", "send.before",
    "send.after", "sent.before", "sent.after", "anchor.fsync", "anchor.written", "anchor.synced",
    "spool.fsync", "spool.synced",
)  # fmt: skip
"""Points that one daemon comes by again and again."""
AT_END = ("snapshot.in", "snapshot.before", "snapshot.after", "stop.before", "stop.after")
POINTS = (*OFTEN, "command.before", "command.after", "start.before", "start.after", *AT_END)
SAID = "json_array(title, text, state, attempt)"
MARK = "(重复 repeat)"
NEWEST = 4_000
PERSON = {"person": "zhangwei", "role": "shift-lead", "source": "chaos"}


@dataclass(slots=True)
class Result:
    """What a storm did, and what did not hold."""

    kills: int = 0
    raised: int = 0
    activations: int = 0
    sends: int = 0
    extra: int = 0
    worst: int = 0
    """The most messages that one kill made go out again."""
    wrong: list[str] = field(default_factory=list)


class Storm:
    """Cycles of start, storm and kill on one folder."""

    def __init__(self, station: Station, seed: int) -> None:
        self._station = station
        self._rng = Random(seed)
        points = station.panels.points
        self._on = [False] * points
        self._seen = [SEEN] * points
        self._intervals: Counter[int] = Counter()
        self._commands: dict[str, dict[str, Any]] = {}
        self._answers: dict[str, list[Any]] = {}
        self._sends: Counter[str] = Counter()
        self.result = Result()

    def cycle(self) -> None:
        """One daemon: started, stormed upon, killed; then its journal is looked at."""
        station, rng, result = self._station, self._rng, self.result
        whole = result.kills % EXEC_EVERY == EXEC_EVERY - 1
        run = station.run() if whole else station.start()
        if rng.random() < EARLY and not whole:
            self._switch()
            let_pass(rng.uniform(0.0, INSTANT_S))
        else:
            station.panels.scanned(SCANS, run.alive)
            self._command(run)
            if run.alive():
                self._seen = [n + 1 for n in self._seen]
            self._switch()
            let_pass(rng.uniform(0.0, INSTANT_S))
        if not run.alive():
            result.wrong.append(f"kill {result.kills}: ended by itself with {run.ended()}")
        run.kill()
        result.kills += 1
        self._looked_at()

    def crash(self, point: str) -> None:
        """One daemon that dies at a named point, reached by what is going on around it."""
        station, at_end = self._station, point in AT_END
        nth = self._rng.randint(1, 3) if point in OFTEN else 1
        run = station.start(point, nth)
        with killing(station, run, point, nth):
            for _ in range(TRIES):
                station.panels.scanned(SCANS, run.alive)
                if not run.alive():
                    break
                self._seen = [n + 1 for n in self._seen]
                self._switch()
                self._command(run)
                if at_end:
                    run.stop()
        if run.alive() or run.ended() != -signal.SIGKILL:
            self.result.wrong.append(f"{point} {nth}: not reached, {run.ended()}")
            run.kill()
        self.result.kills += 1
        self._looked_at()

    def settle(self) -> None:
        """A last daemon that nobody kills: it sees all, sends all and stops in order."""
        station = self._station
        run = station.start()
        station.panels.scanned(SCANS, run.alive)

        def sent() -> bool:
            states = dict(station.rows("SELECT key, state FROM outbox")).values()
            return not {"pending", "sending"} & {*states} or not run.alive()

        wait_for(sent, "all is sent", 60.0)
        self._command(run)
        code = run.stop()
        if code:
            self.result.wrong.append(f"the last daemon ended with {code}")
        verdict = verify(station.data)
        if not verdict.ok:
            self.result.wrong.append(f"the whole journal: {verdict.what}")
        self.result.wrong += self._judged()

    def _switch(self) -> None:
        ready = [i for i, seen in enumerate(self._seen) if seen >= SEEN]
        for i in self._rng.sample(ready, min(len(ready), self._rng.randint(1, SWITCHED))):
            self._on[i], self._seen[i] = not self._on[i], 0
            # Each activation has values of its own, so that its messages are known by their texts.
            self._intervals[i] += self._on[i]
            base = HIGH if self._on[i] else LOW
            self._station.panels.set(i, base + self._intervals[i] % DISTINCT)

    def _command(self, run: Run) -> None:
        """Acknowledge some alarms; a command without an answer is given again as it was."""
        try:
            for item in self._station.ask("alarms")["items"] if not self._commands else ():
                if item["core"] in ("unack_active", "rtn_unack") and len(self._commands) < ACKS:
                    facts = {key: item[key] for key in ("occurrence", "version")}
                    command = {"alarm": item["id"], "action": "ack", **facts, **PERSON}
                    self._commands[str(uuid.UUID(int=self._rng.getrandbits(128)))] = command
            for name, command in list(self._commands.items()):
                answer = self._asked(name, command)
                self._answers.setdefault(name, []).append(answer)
                if self._rng.random() < 0.5:  # else it is repeated after the kill
                    del self._commands[name]
        except Fault:
            return  # Dead, or not there yet: the next one is asked again.

    def _asked(self, name: str, command: dict[str, Any]) -> str:
        try:
            self._station.ask("command", command=name, **command)
        except Fault as refused:
            if refused.code.startswith("SYS"):
                raise
            return refused.code
        return "ok"

    def _looked_at(self) -> None:
        verdict = verify(self._station.data, newest=NEWEST)
        # A daemon killed before its first commit leaves no journal to look at.
        if not verdict.ok and self._station.rows("SELECT 1 FROM record LIMIT 1"):
            self.result.wrong.append(f"kill {self.result.kills}: {verdict.what}")
        sends = Counter(text.replace(MARK, "") for text in self._station.texts())
        extra = sum(n - 1 for n in sends.values())
        before = sum(n - 1 for n in self._sends.values())
        self.result.worst = max(self.result.worst, extra - before)
        if extra - before > TRIES_AT_ONCE:  # What was on its way over the one channel.
            self.result.wrong.append(f"kill {self.result.kills}: {extra - before} extra sends")
        self._sends = sends

    # What must hold ------------------------------------------------------------------------

    def _judged(self) -> Iterator[str]:
        transitions = self._station.transitions()
        yield from self._each_told_once(transitions)
        yield from self._activations(transitions)
        yield from self._sent()
        yield from self._commanded()

    def _each_told_once(self, transitions: list[dict[str, Any]]) -> Iterator[str]:
        keys = Counter((t["alarm"], t["occurrence"], t["version"]) for t in transitions)
        yield from (f"twice in the journal: {key}" for key, n in keys.items() if n > 1)
        by_alarm: dict[str, list[tuple[int, int]]] = {}
        for name, occurrence, version in keys:
            by_alarm.setdefault(name, []).append((occurrence, version))
        for name, versions in by_alarm.items():
            for (o, v), (p, w) in pairwise([(0, 0), *versions]):
                if not ((p == o and w == v + 1) or (p > o and w == 1)):
                    yield f"{name}: version {w} of {p} after {v} of {o}"
        yield from (f"a red of our own: {t['alarm']}" for t in transitions
                    if t["alarm"].startswith("system/journal:"))  # fmt: skip

    def _activations(self, transitions: list[dict[str, Any]]) -> Iterator[str]:
        told: dict[str, list[str]] = {}
        for t in transitions:
            if t["event"] in ("raise", "reraise", "return"):
                told.setdefault(t["alarm"], []).append(t["event"])
        panels = self._station.panels.panels
        for i, wanted in enumerate(self._intervals[i] for i in range(len(self._on))):
            events = told.get(alarm(i, panels), [])
            ups = sum(event != "return" for event in events)
            self.result.activations += wanted
            self.result.raised += ups
            if ups != wanted:
                yield f"{alarm(i, panels)}: {ups} of {wanted} activations in the journal"
            if any((a == "return") == (b == "return") for a, b in pairwise(events)):
                yield f"{alarm(i, panels)}: no order in {events}"

    def _sent(self) -> Iterator[str]:
        # A message that a rotation found on its way is in the next file too: that one counts.
        by_key = dict(self._station.rows(f"SELECT key, {SAID} FROM outbox"))
        rows = [json.loads(said.replace(MARK, "")) for said in by_key.values()]
        known = Counter(f"{title}\n{text}" for title, text, _, _ in rows)
        yield from (f"two messages say the same: {text}" for text, n in known.items() if n > 1)
        seen: Counter[str] = Counter()
        for text in self._station.texts():
            own = text.replace(MARK, "")
            if seen[own] and MARK not in text:
                yield f"sent again without saying so: {text}"
            seen[own] += 1
        yield from (f"no message of ours: {text}" for text in seen if text not in known)
        for title, text, state, attempt in rows:
            n = seen[f"{title}\n{text}"]
            if state == "sent" and not n:
                yield f"said to be sent, never came: {text}"
            if state not in ("sent", "superseded"):
                yield f"{state} at the end: {text}"
            if n > attempt:
                yield f"{n} times at the phone in {attempt} attempts: {text}"
        self.result.sends = sum(seen.values())
        self.result.extra = sum(n - 1 for n in seen.values())
        if self.result.extra > self.result.kills:
            yield f"{self.result.extra} extra sends in {self.result.kills} kills"

    def _commanded(self) -> Iterator[str]:
        rows = self._station.rows("SELECT body FROM record WHERE kind = 'command'")
        bodies = [json.loads(body) for (body,) in rows]
        times = Counter(body["command"] for body in bodies)
        yield from (f"command {name} entered {n} times" for name, n in times.items() if n > 1)
        for name, answers in self._answers.items():
            if len(set(answers)) > 1 or not times[name]:
                yield f"command {name}: answers {answers}, {times[name]} records"


@contextmanager
def killing(station: Station, run: Run, point: str, nth: int) -> Iterator[None]:
    """The phone kills its caller at its n-th call: before it answers, or when it has."""
    calls = iter(range(1, 1_000))

    def kill(*path: str) -> int:
        if next(calls) == nth:
            run.kill()
        return 200

    if point == "send.before":
        station.phone.answer = kill
    elif point == "send.after":
        station.phone.answered = kill
    yield
    station.phone.answer, station.phone.answered = lambda path: 200, lambda: None


def storm(station: Station, kills: int, seed: int) -> Result:
    """So many kills, then the settling and the judgement."""
    made = Storm(station, seed)
    for _ in range(kills):
        made.cycle()
    made.settle()
    return made.result


def crashes(station: Station, points: Sequence[str], times: int, seed: int) -> Result:
    """Each point so many times, in turns, then the settling and the judgement."""
    made = Storm(station, seed)
    for _ in range(times):
        for point in points:
            made.crash(point)
    made.settle()
    return made.result


def log_tail(folder: Path) -> str:
    """The last warnings of the daemons, for a failing test."""
    logs = sorted(folder.glob("*.log"))
    text = "".join(log.read_text(encoding="utf-8", errors="replace") for log in logs)
    return "\n".join(
        re.findall(r"^.*(?:WARNING|CRITICAL|Error|Fault).*$", text, re.MULTILINE)[-20:]
    )
