"""The web process's mirror of the park: site, alarms, points, health, fed by `live.sock` alone.

What it holds counts as the present only while the stream is younger than LIVE_S; it says so itself.
"""

from __future__ import annotations

import asyncio
import bisect
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from parkwatch.daemon.ledger.floods import Told
from parkwatch.daemon.pipeline.link import Link, LinkFault, not_running
from parkwatch.rules.kpi.folding import fold_of

log = logging.getLogger("parkwatch.web")
LIVE_S = 3.0
SILENT_S = 10.0
RETRY_S = 0.5
RING_MAX = 5_000
CLOSED_MAX = 1_000
_DISPOSITION = (
    "state", "person", "second", "cause", "measure", "evidence", "sha256", "overdue", "revision",
)  # fmt: skip
RELOAD_KINDS = frozenset({"config", "migration", "bump"})
"""Records after which the site, or what is armed of it, may be another."""


class Watcher(Protocol):
    """Whoever is told of what changes, in the order in which the mirror learns it."""

    def transition(self, sequence: int, item: Mapping[str, Any]) -> None:
        """One alarm changed."""

    def unrecorded(self, item: Mapping[str, Any]) -> None:
        """One alarm changed and the journal does not hold it: it has no sequence."""

    def values(self, when: str, indices: Sequence[int]) -> None:
        """Points changed; their values are in `Mirror.points`."""

    def resync(self) -> None:
        """Everything may have changed: look again."""


class Mirror:
    """Site, alarms, points and health as the daemon last told them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._link: Link | None = None
        self._heard = -1e9
        self._ring: deque[tuple[int, Mapping[str, Any]]] = deque(maxlen=RING_MAX)
        self.floor = 0
        self.ready = asyncio.Event()
        self.watchers: set[Watcher] = set()
        self.site: dict[str, Any] = {}
        self.people: dict[str, dict[str, Any]] = {}
        self.alarms: dict[str, dict[str, Any]] = {}
        self.closed: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self.unrecorded: dict[str, dict[str, Any]] = {}
        """Alarms as the daemon has them in memory only, while its journal cannot be written."""
        self.points: list[dict[str, Any]] = []
        self.point_index: dict[str, int] = {}
        self.point_ids: list[str] = []
        self.health: dict[str, Any] = {}
        self.sequence = 0
        self.journal_sequence = 0
        self.time = "0"
        self.floods: dict[str, Told] = {}
        self.unarmed: list[int] = []
        """Positions of the points that are not in service."""

    @property
    def age_s(self) -> float:
        """Seconds since the daemon was last heard."""
        return time.monotonic() - self._heard

    @property
    def live(self) -> bool:
        """Whether what is held here may be shown as the present."""
        return self.ready.is_set() and self._link is not None and self.age_s < LIVE_S

    async def call(self, op: str, **fields: Any) -> Any:
        """Ask the daemon; LinkFault where it refuses or is not there."""
        if self._link is None:
            raise not_running(self._path)
        return await self._link.call(op, **fields)

    async def run(self) -> None:
        """Follow the daemon until cancelled, over any number of connections."""
        while True:
            try:
                link = await Link.connect(self._path)
                try:
                    await self._follow(link)
                finally:
                    self._link = None
                    await link.close()
            except (LinkFault, TimeoutError) as error:
                log.info("live.sock: %s", error or "silent")
            await asyncio.sleep(RETRY_S)

    async def _follow(self, link: Link) -> None:
        # Subscribed before asking: what changes in between is waiting in the stream.
        await link.call("subscribe", since=None)
        await self._load(link)
        self._link = link
        frames = link.frames()
        while True:
            try:
                async with asyncio.timeout(SILENT_S):
                    frame = await anext(frames)
            except StopAsyncIteration:
                return
            self._heard = time.monotonic()
            if self._take(frame):
                await self._load(link)

    async def _load(self, link: Link) -> None:
        site = await link.call("site")
        points = (await link.call("points"))["items"]
        alarms = await link.call("alarms")
        self.health = await link.call("health")
        self.time = str(self.health["engine"])
        self.journal_sequence = self.health.get("journal", {}).get("seq", 0)
        self.site = site
        self.people = {person["id"]: person for person in site["people"]}
        self.points = points
        self.point_index = {item["id"]: n for n, item in enumerate(points)}
        self.point_ids = sorted(self.point_index)
        self.unarmed = [n for n, item in enumerate(points) if item["armed"] == "unarmed"]
        told = {item["id"]: _foldable(item) for item in alarms["items"]}
        self.unrecorded = {k: item for k, item in told.items() if item.get("unrecorded")}
        self.alarms = {k: item for k, item in told.items() if k not in self.unrecorded}
        self.sequence = self.floor = alarms["sequence"]
        self._ring.clear()
        self._heard = time.monotonic()
        self.ready.set()
        for watcher in list(self.watchers):
            watcher.resync()

    def _take(self, frame: Mapping[str, Any]) -> bool:
        """Apply one frame; True where everything must be asked again."""
        match frame["type"]:
            case "transition":
                self._transition(frame["sequence"], frame["item"])
            case "unrecorded":
                item = self.unrecorded[frame["item"]["id"]] = frame["item"]
                for watcher in list(self.watchers):
                    watcher.unrecorded(item)
            case "values":
                self._values(frame["time"], frame["points"])
            case "health":
                self.health = {key: value for key, value in frame.items() if key != "type"}
                self.time = str(frame["engine"])
            case "record":
                self.journal_sequence = frame["seq"]
                if frame["kind"] == "disposition":
                    self._disposed(frame["body"])
                return frame["kind"] in RELOAD_KINDS or bool(frame["body"].get("proves"))
        return False

    def _transition(self, sequence: int, item: dict[str, Any]) -> None:
        if sequence <= self.sequence:
            return  # the list that was loaded holds it already
        self.sequence = sequence
        if item["state"] == "normal":
            # The daemon names only the state of what became normal: what it was is known here.
            item = {**self.closed.get(item["id"], {}), **self.alarms.pop(item["id"], {}), **item}
            self.closed[item["id"]] = item
            self.closed.move_to_end(item["id"])
            while len(self.closed) > CLOSED_MAX:
                self.closed.popitem(last=False)
        else:
            item = _foldable(item)
            self.alarms[item["id"]] = item
            self.closed.pop(item["id"], None)
        self._ring.append((sequence, item))
        if len(self._ring) == RING_MAX:
            self.floor = self._ring[0][0]
        for watcher in list(self.watchers):
            watcher.transition(sequence, item)

    def _disposed(self, body: Mapping[str, Any]) -> None:
        """What became of an occurrence changes no state of its alarm; its item shows it."""
        item = self.alarms.get(body["alarm"], {})
        if "revision" in body and item.get("occurrence") == str(body["occurrence"]):
            shown = {key: body[key] for key in _DISPOSITION}
            self.alarms[item["id"]] = {**item, "disposition": {**shown, "due": str(body["due"])}}

    def _values(self, when: str, rows: Sequence[Sequence[Any]]) -> None:
        self.time = when
        changed = []
        # A loop over points: rows of JSON become dicts, there is no column to keep.
        for index, value, quality, taken, received, reason, over in rows:
            item = self.points[index]
            if int(received) < int(item["received"]):
                continue  # older than what was loaded
            item["value"], item["quality"], item["reason"] = value, quality, reason
            item["time"], item["received"] = taken, received
            item.pop("over", None)
            if over:
                item["over"] = over
            changed.append(index)
        for watcher in list(self.watchers):
            watcher.values(when, changed)

    # Reading it ----------------------------------------------------------------------------

    def since(self, sequence: int) -> list[tuple[int, Mapping[str, Any]]] | None:
        """The transitions after a sequence, or None where they are no longer all held."""
        if not self.floor <= sequence <= self.sequence:
            return None
        return [entry for entry in self._ring if entry[0] > sequence]

    def alarm(self, alarm: str) -> dict[str, Any] | None:
        """An alarm with the live value of its point; also one that has become normal lately."""
        item = self.alarms.get(alarm) or self.closed.get(alarm)
        return None if item is None else self.with_value(item)

    def with_value(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """The item with the live value, quality and time of its point, where it has one."""
        point = self.point(item["id"].rpartition(":")[0])
        if point is None:
            return dict(item)
        live = {key: point[key] for key in ("value", "quality", "reason", "time")}
        return {**item, **live}

    def point(self, point: str) -> dict[str, Any] | None:
        """A point's latest reading."""
        index = self.point_index.get(point)
        return None if index is None else self.points[index]

    def points_after(self, after: str) -> Sequence[str]:
        """Ids of points in order, those after the given one."""
        return self.point_ids[bisect.bisect_right(self.point_ids, after) :]

    def described(self, point: str) -> Mapping[str, Any] | None:
        """What the site says of a point: unit, limits, zone, range."""
        index = self.point_index.get(point)
        described = self.site["points"]
        return described[index] if index is not None and index < len(described) else None


def _foldable(item: dict[str, Any]) -> dict[str, Any]:
    """With the row where a flood folds it to; a page decides only whether it is open."""
    key = fold_of(item["id"], item["grade"], item.get("zone", ""), item.get("cause", {}))
    return {**item, "fold": key}
