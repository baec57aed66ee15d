"""`/live`: what changed, to each console under its own rights, in frames numbered without holes.

A console that does not read is given a `gap` and a fresh snapshot, never a silent hole.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections import deque
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from parkwatch.daemon.pipeline.link import LinkFault
from parkwatch.daemon.web import views
from parkwatch.daemon.web.auth import Auth
from parkwatch.daemon.web.commands import command
from parkwatch.daemon.web.policy import ACK, SEE, Viewer, enterprise_of, may, sees
from parkwatch.daemon.web.refusal import Refusal, bad_request, encode, not_live
from parkwatch.rules.fault import Fault

OUT_MAX = 2_000
VALUES_S = 0.25
HEALTH_S = 1.0
MANNED_EVERY = 10  # in beats of HEALTH_S: a daemon that started again learns it, too
SEND_S = 10.0
COMMANDS_AT_ONCE_MAX = 8
CONNECTIONS_MAX = 200
TEXT_MAX = 512 * 1024
POINTS_MAX = 20_000
CLOSE_SESSION = 4401


class Connection:
    """One console. What waits for it is bounded; `n` is given when a frame is sent."""

    def __init__(self, socket: WebSocket, viewer: Viewer, auth: Auth) -> None:
        self.viewer = viewer
        self._auth = auth
        self.console = secrets.token_hex(4)
        self._socket = socket
        self._mirror = auth.mirror
        self._out: deque[dict[str, Any]] = deque()
        self._wake = asyncio.Event()
        self._n = 0
        self._prev: int | None = None
        self._points: frozenset[str] | None = None
        self._pending: dict[int, None] = {}
        self._values_at = 0.0
        self._commands: set[asyncio.Task[None]] = set()
        self._ending = 0

    # What the mirror tells -----------------------------------------------------------------

    def transition(self, sequence: int, item: Mapping[str, Any]) -> None:
        """A change of one alarm, if it is this viewer's."""
        if self._prev is None or not views.alarm_seen(self.viewer, item):
            return
        shown = self._mirror.with_value(item)
        frame = {"type": "transition", "sequence": sequence, "prev": self._prev, **shown}
        self._prev = sequence
        self._put(frame)

    def unrecorded(self, item: Mapping[str, Any]) -> None:
        """A change that the journal does not hold: never among the numbered ones."""
        if self._prev is not None and views.alarm_seen(self.viewer, item):
            self._put({"type": "unrecorded", "item": self._mirror.with_value(item)})

    def values(self, when: str, indices: Sequence[int]) -> None:  # noqa: ARG002
        """Points changed; the newest value of each goes out with the next `values` frame."""
        if self._prev is None:
            return
        self._pending.update(dict.fromkeys(indices))
        self._wake.set()

    def resync(self) -> None:
        """The mirror was loaded anew: rights and alarms may have changed."""
        self._refresh()
        if self._prev is not None and not self._ending:
            self._gap(self._prev)

    def beat(self) -> None:
        """Once a second: health, and whether this session still holds."""
        self._refresh()
        self._put({"type": "health", **views.health(self._mirror, self.viewer)})

    def end(self) -> None:
        """The session is over: nothing more is sent."""
        self._ending = CLOSE_SESSION
        self._wake.set()

    def _refresh(self) -> None:
        viewer = self._auth.known(self.viewer.session)
        if viewer is None or not may(viewer, SEE):
            self.end()
        else:
            self.viewer = viewer

    # Sending -------------------------------------------------------------------------------

    def greet(self) -> None:
        """The first frame."""
        about = views.hello(self._mirror, self.viewer)
        sequence = self._mirror.sequence
        self._put({"type": "hello", "sequence": sequence, "console": self.console, **about})

    async def send(self) -> None:
        """Send what waits until the connection ends."""
        loop = asyncio.get_running_loop()
        while not self._ending:
            pause = None
            if self._pending:
                pause = max(0.0, self._values_at + VALUES_S - loop.time())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            self._wake.clear()
            while self._out and not self._ending:
                await self._send(self._out.popleft())
            if self._pending and loop.time() >= self._values_at + VALUES_S:
                self._values_at = loop.time()
                await self._send_values()
        await self._socket.close(self._ending)

    async def _send(self, frame: dict[str, Any]) -> None:
        kind = frame.pop("type")
        text = encode({"type": kind, "n": self._n, **frame})
        self._n += 1
        async with asyncio.timeout(SEND_S):
            await self._socket.send_text(text)

    async def _send_values(self) -> None:
        rows, points = [], self._mirror.points
        for index in self._pending:
            if index >= len(points):
                continue  # the site became smaller meanwhile
            item = points[index]
            wanted = self._points is None or item["id"] in self._points
            if wanted and sees(self.viewer, enterprise_of(item["id"])):
                keys = ("id", "value", "quality", "reason", "time", "received")
                rows.append([item[key] for key in keys])
        self._pending.clear()
        if rows:
            await self._send({"type": "values", "time": self._mirror.time, "points": rows})

    def _put(self, frame: dict[str, Any]) -> None:
        if len(self._out) >= OUT_MAX:
            lost = next((f["prev"] for f in self._out if "prev" in f), self._prev)
            self._out.clear()
            if self._prev is not None:
                self._gap(lost)
        else:
            self._out.append(frame)
        self._wake.set()

    def _gap(self, since: int | None) -> None:
        self._put({"type": "gap", "from": since, "to": self._mirror.sequence})
        self._snapshot()

    def _snapshot(self) -> None:
        self._prev = self._mirror.sequence
        items = views.alarms(self._mirror, self.viewer)
        self._put({"type": "snapshot", "sequence": self._prev, "items": items})
        for item in self._mirror.unrecorded.values():
            self.unrecorded(item)

    # What the console says -----------------------------------------------------------------

    async def receive(self) -> None:
        """Take what the console sends until it goes; what is no frame ends the connection."""
        while not self._ending:
            text = await self._socket.receive_text()
            try:
                frame = json.loads(text)
            except (ValueError, RecursionError):
                frame = None
            kind = frame.get("type") if isinstance(frame, dict) else None
            if kind == "subscribe":
                self._subscribe(frame)
            elif kind == "command":
                self._command(frame)
            else:
                await self._socket.close(1003)
                return

    def _subscribe(self, frame: Mapping[str, Any]) -> None:
        points = frame.get("points")
        if isinstance(points, list):
            self._choose(frozenset(str(point) for point in points[:POINTS_MAX]))
        since = frame.get("since")
        if since is not None and self._prev is not None:
            return  # only the points changed: what was sent goes on from there
        missed = None
        if isinstance(since, int) and not isinstance(since, bool):
            missed = self._mirror.since(since)
        if missed is None:
            if since is not None:
                self._gap(since if isinstance(since, int) else None)
            else:
                self._snapshot()
            return
        self._prev = int(since or 0)
        for sequence, item in missed:
            self.transition(sequence, item)

    def _choose(self, points: frozenset[str]) -> None:
        """Values of these points from now on, and at once: they may not change for a long time."""
        index = self._mirror.point_index
        fresh = points if self._points is None else points - self._points
        self._points = points
        self._pending.update(dict.fromkeys(index[point] for point in fresh if point in index))
        self._wake.set()

    def _command(self, frame: Mapping[str, Any]) -> None:
        if len(self._commands) >= COMMANDS_AT_ONCE_MAX:
            busy = bad_request(
                "命令过多 too many commands at once", "稍候再试 wait for the answers"
            )
            self._put(_refused(frame, busy))
            return
        task = asyncio.create_task(self._carry(frame), name="live.command")
        self._commands.add(task)
        task.add_done_callback(self._commands.discard)

    async def _carry(self, frame: Mapping[str, Any]) -> None:
        try:
            if not self._mirror.live:
                raise not_live()
            item = await command(
                self._auth,
                self.viewer,
                str(frame.get("action")),
                str(frame.get("alarm")),
                {"console": self.console, **frame},
                f"console:{self.console}",
            )
            self._put(
                {"type": "result", "command": frame.get("command"), "ok": True, "code": "",
                 "item": item}
            )  # fmt: skip
        except Fault as fault:
            self._put(_refused(frame, fault))

    async def close(self) -> None:
        """Forget what is under way; the daemon's answer would reach nobody."""
        for task in list(self._commands):
            task.cancel()
        await asyncio.gather(*self._commands, return_exceptions=True)


def _refused(frame: Mapping[str, Any], fault: Fault) -> dict[str, Any]:
    told: dict[str, Any] = {
        "type": "result",
        "command": frame.get("command"),
        "ok": False,
        "code": fault.code,
        "what": fault.what,
        "remedy": fault.remedy,
        "status": fault.status if isinstance(fault, LinkFault | Refusal) else 503,
    }
    if isinstance(fault, LinkFault) and fault.item is not None:
        told["item"] = fault.item
    return told


def _manned(connection: Connection) -> bool:
    viewer = connection.viewer
    return not viewer.enterprise and may(viewer, ACK)


class Hub:
    """All consoles; a beat each second tells each of health, and ends those whose session did."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth
        self.connections: set[Connection] = set()
        self._told = -1

    async def run(self) -> None:
        """Beat until cancelled."""
        beat = 0
        while True:
            await asyncio.sleep(HEALTH_S)
            for connection in list(self.connections):
                connection.beat()
            manned = sum(map(_manned, self.connections))
            if manned != self._told or beat % MANNED_EVERY == 0:
                await self._tell(manned)
            beat += 1

    async def _tell(self, manned: int) -> None:
        """How many consoles of people who may act there are; a lost link is told of by itself."""
        with contextlib.suppress(LinkFault, TimeoutError):
            async with asyncio.timeout(HEALTH_S):
                await self._auth.mirror.call("consoles", manned=manned)
            self._told = manned

    def drop(self, session: str) -> None:
        """End the consoles of a session that was closed."""
        for connection in self.connections:
            if connection.viewer.session == session:
                connection.end()

    async def serve(self, socket: WebSocket, viewer: Viewer) -> None:
        """One console from its first frame to its end."""
        await socket.accept()
        connection = Connection(socket, viewer, self._auth)
        connection.greet()
        self.connections.add(connection)
        self._auth.mirror.watchers.add(connection)
        try:
            await _first_of(connection.send(), connection.receive())
        finally:
            self._auth.mirror.watchers.discard(connection)
            self.connections.discard(connection)
            await connection.close()


async def _first_of(*work: Awaitable[None]) -> None:
    """Run until one ends; how the other side left is no fault of ours."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            # RuntimeError: Starlette's word for sending on, or closing, what is closed already.
            with contextlib.suppress(WebSocketDisconnect, TimeoutError, OSError, RuntimeError):
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
