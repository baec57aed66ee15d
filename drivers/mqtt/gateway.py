"""What the messages of one MQTT gateway mean; no I/O.

Every message is acknowledged exactly once: at once where nothing of it needs to be kept, else with
the part that carries its readings.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from parkwatch.drivers.config import Gateway
from parkwatch.drivers.mqtt import mapped, packed, payload, seal
from parkwatch.drivers.mqtt.parts import Ack, Part
from parkwatch.drivers.mqtt.payload import Decoded, Refused, plain
from parkwatch.drivers.mqtt.sourceclock import Offset, Skew, SourceClock, words
from parkwatch.drivers.mqtt.tracker import Arrival, Judged, Stamp, Tracker
from parkwatch.rules.batch import BURST, LATE, LIVE, nothing_to_tell
from parkwatch.rules.quality import BAD_COMMS, GOOD, UNCERTAIN, Reason

FRESH_S = 10.0
"""A device that its gateway heard of longer ago is not proven to be alive."""
LIST_WAIT_NS = 10_000_000_000
LISTS = 2
WAITING_MAX = 100
CLOCKS_MAX = 1_000
BURST_PAUSE_NS = 1_000_000_000
"""The first pause of a gateway ends the burst in which the broker hands over what it kept."""
Say = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Message:
    """An arrived message: `what` is its topic after `park/ENTERPRISE/GATEWAY/`."""

    topic: str
    what: str
    payload: bytes
    retained: bool
    received: int
    ack: Ack


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A packed batch whose list of points has not come yet; already judged."""

    message: Message
    body: bytes
    head: packed.Header
    origin: str
    ack: Ack
    until: int


class GatewayDesk:
    """One gateway's memory and meaning; `say(kind, text)` tells of its link."""

    def __init__(self, gateway: Gateway, say: Say) -> None:
        self.gateway = gateway
        self.tracker = Tracker()
        self.online: bool | None = None
        self.refused = self.foreign = 0
        self._say = say
        self._lists: deque[packed.PointList] = deque(maxlen=LISTS)
        self._waiting: deque[_Waiting] = deque()
        self._inflight: dict[tuple[int, int], Ack] = {}
        self._burst = False
        self._arrived = 0
        self._clocks: dict[str, SourceClock] = {}
        self._offset = Offset()
        self._declared: dict[str, list[int]] = {}
        for i, declared in enumerate(gateway.mapping):
            self._declared.setdefault(declared.topic, []).append(i)
        self._names: tuple[Sequence[str], NDArray[np.int32]] = ([], np.empty(0, np.int32))

    def restart(self) -> None:
        """Forget what was begun under an earlier connection loop: it will be sent again."""
        self._inflight.clear()
        self._waiting.clear()
        self.tracker.forget_unsettled()

    def connected(self, now: int, *, session_present: bool) -> None:
        """A new connection: what the broker kept for us comes at once, its lists of points too."""
        self._burst, self._arrived = session_present, now
        self._waiting = deque(replace(w, until=now + LIST_WAIT_NS) for w in self._waiting)

    def take(self, message: Message) -> list[Part]:
        """The readings of a message, and of those that had waited for it."""
        self._arrive(message.received)
        try:
            return self._understood(message)
        except Refused as refusal:
            self._refuse(message.what, refusal)
            message.ack()
            return []

    def declares(self, what: str) -> bool:
        """Whether declared paths read this topic."""
        return what in self._declared

    def came(self, received: int) -> str:
        """The origin of a single reading without a time of its own, which came now."""
        self._arrive(received)
        if self.online is not True:
            self._seen()
        return BURST if self._burst else LIVE

    def came_at(self, source: str, time: int, received: int, quality: int) -> tuple[str, int]:
        """The origin and the quality byte of one that its source gave a time."""
        self._arrive(received)
        origin, off = self._timed(source, time, received)
        if off:
            self._say("clock", words(received - time))
            if off is Skew.MARKED and quality == GOOD:
                quality = UNCERTAIN | Reason.CLOCK
        if origin != LATE:
            self._seen()
        return origin, quality

    def expire(self, now: int) -> None:
        """Refuse what has waited too long for its list of points."""
        while self._waiting and self._waiting[0].until <= now:
            waiting = self._waiting.popleft()
            self._refuse("readings", Refused("list", "没有对应的点表 no list of points fits"))
            waiting.ack()

    def lost(self, why: str, now: int) -> list[Part]:
        """Every point of the gateway is out of sight (told once)."""
        if self.online is False:
            return []
        self.online = False
        self._say("link_down", why)
        points = np.array(list(self.gateway.points.values()), dtype=np.int32)
        n = len(points)
        quality = np.full(n, BAD_COMMS, dtype=np.uint8)
        times = np.full(n, now, dtype=np.int64)
        return [Part(points, np.full(n, math.nan), quality, times, now)] if n else []

    def _arrive(self, received: int) -> None:
        if received - self._arrived >= BURST_PAUSE_NS:
            self._burst = False
        self._arrived = received

    # One message -----------------------------------------------------------------------------

    def _understood(self, message: Message) -> list[Part]:
        gateway = self.gateway
        if gateway.key and message.what.startswith("r/"):
            raise Refused("mac", "设了密钥,单条读数不收 single readings are refused with a key")
        payload.check_size(message.payload)
        body = seal.opened(message.topic, message.payload, gateway.key)
        if message.what == "status":
            return self._status(message, body)
        if message.what == "points":
            return self._points(message, body)
        if message.what == "readings" and body[:2] == packed.MAGIC:
            return self._packed(message, body)
        if message.what == "readings":
            decoded = payload.readings(body)
            stamp = Stamp(
                decoded.boot,
                decoded.seq,
                int(decoded.times.max(initial=0)),
                decoded.late,
                message.retained,
            )
            origin, ack = self._judged(message, stamp)
            return self._part(decoded, origin, message, ack) if origin else []
        if message.what in self._declared:
            at = self._declared[message.what]
            declared = [gateway.mapping[i] for i in at]
            decoded = mapped.decode(declared, body, message.received)
            place = np.array([m.point for m in declared], dtype=np.int32)
            origin, decoded = self._unsequenced(message.what, decoded, message)
            return [self._made(place, decoded, origin, message, message.ack)]
        if message.what.startswith("r/"):
            name = message.what[2:]
            decoded = payload.single(name, body, message.received)
            origin, decoded = self._unsequenced(name.partition("/")[0], decoded, message)
            return self._part(decoded, origin, message, message.ack)
        raise Refused("topic", "未知主题 unknown topic")

    def _status(self, message: Message, body: bytes) -> list[Part]:
        """Retained may say offline; online counts only from a message that arrives live."""
        told = payload.status(body)
        parts: list[Part] = []
        boot = self.tracker.boot
        if told.state == "offline":
            # A boot that was left may say its last word late.
            if boot is None or told.boot == boot:
                parts = self.lost("网关遗言 its last will says offline", message.received)
        elif not message.retained:
            if self.tracker.adopt(told.boot):
                self._say("restart", "网关重启 gateway restarted")
            if told.boot == self.tracker.boot:
                self._seen()
                self._heard(told.devices)
        message.ack()
        return parts

    def _heard(self, devices: Mapping[str, float]) -> None:
        """Which devices the gateway has just heard of: what they publish on change is alive."""
        fresh = [plain(name) for name, age in devices.items() if 0 <= age <= FRESH_S]
        if fresh:
            self._say("alive", " ".join(fresh))

    def _points(self, message: Message, body: bytes) -> list[Part]:
        known = packed.PointList.of(body, exact=message.payload)
        message.ack()
        if all(known.hash != other.hash for other in self._lists):
            self._lists.append(known)
        ready = [w for w in self._waiting if w.head.list_hash == known.hash]
        self._waiting = deque(w for w in self._waiting if w.head.list_hash != known.hash)
        parts: list[Part] = []
        for w in ready:
            decoded = packed.decode(w.body, w.head, known)
            # Received when it could be read: engine time never falls within a source.
            parts += self._part(decoded, w.origin, message, w.ack)
        return parts

    def _packed(self, message: Message, body: bytes) -> list[Part]:
        head = packed.header(body)
        stamp = Stamp(head.boot, head.seq, head.time, head.late, message.retained)
        origin, ack = self._judged(message, stamp)
        if not origin:
            return []
        for known in self._lists:
            if known.hash == head.list_hash:
                return self._part(packed.decode(body, head, known), origin, message, ack)
        until = message.received + LIST_WAIT_NS
        self._waiting.append(_Waiting(message, body, head, origin, ack, until))
        if len(self._waiting) > WAITING_MAX:
            self.expire(self._waiting[0].until)
        return []

    # Live, late, or neither --------------------------------------------------------------------

    def _judged(self, message: Message, stamp: Stamp) -> tuple[str, Ack]:
        """Origin, and the acknowledgement that also settles the sequence; no origin: dropped."""
        judged = self.tracker.judge(stamp)
        self._tell(judged, stamp)
        key = (stamp.boot, stamp.seq)
        if judged.arrival is Arrival.DUPLICATE and key in self._inflight:
            # Sent again while the first is on its way: acknowledged when that one is safe.
            self._inflight[key] = message.ack
            return "", nothing_to_tell
        if judged.arrival in (Arrival.DUPLICATE, Arrival.REPLAY):
            message.ack()
            return "", nothing_to_tell
        if message.retained:
            return LATE, message.ack
        self._inflight[key] = message.ack

        def settle() -> None:
            self.tracker.settle(*key)
            self._inflight.pop(key, message.ack)()

        if judged.arrival is Arrival.LATE:
            return LATE, settle
        return BURST if self._burst else LIVE, settle

    def _tell(self, judged: Judged, stamp: Stamp) -> None:
        if judged.restarted:
            self._say("restart", "网关重启 gateway restarted")
        if judged.gap:
            self._say("gap", f"缺 {judged.gap} 批 batches are missing before {stamp.seq}")
        if judged.closed:
            self._say("gap_closed", "缺的批次已补齐 the missing batches have come")
        if judged.arrival is Arrival.REPLAY:
            self._say("replay", f"旧启动号 boot {stamp.boot} of an earlier life")

    def _unsequenced(self, source: str, decoded: Decoded, message: Message) -> tuple[str, Decoded]:
        if message.retained:
            return LATE, decoded
        if not decoded.timed or not len(decoded.times):
            return BURST if self._burst else LIVE, decoded
        origin, off = self._timed(source, int(decoded.times.max()), message.received)
        if off:
            self._off(decoded, off, message.received)
        return origin, decoded

    def _timed(self, source: str, time: int, received: int) -> tuple[str, Skew]:
        late, off = self._clock(source).judge(time, received)
        if late:
            return LATE, Skew.NONE
        # In a burst it was the broker that delayed, not a clock that is off.
        return (BURST, Skew.NONE) if self._burst else (LIVE, off)

    def _clock(self, source: str) -> SourceClock:
        if source not in self._clocks:
            if len(self._clocks) >= CLOCKS_MAX:
                del self._clocks[next(iter(self._clocks))]
            self._clocks[source] = SourceClock()
        return self._clocks[source]

    # Readings ----------------------------------------------------------------------------------

    def _part(self, decoded: Decoded, origin: str, message: Message, ack: Ack) -> list[Part]:
        """The readings whose points are declared; the others are told, counted and dropped."""
        if decoded.seq >= 0 and origin == LIVE and len(decoded.times):
            off = self._offset.judge(int(decoded.times.max()), message.received)
            if off:
                self._off(decoded, off, message.received)
        if len(decoded.ids) == 1:
            only = self.gateway.points.get(decoded.ids[0], -1)
            if only >= 0 and len(decoded.place) == 1:
                points = np.array([only], dtype=np.int32)
                return [self._made(points, decoded, origin, message, ack)]
        points = self._resolved(decoded.ids)[decoded.place]
        known = points >= 0
        if not known.all():
            strangers = decoded.place[~known]
            self.foreign += len(strangers)
            name = plain(decoded.ids[int(strangers[0])])
            self._say("foreign", f"未声明的点 {len(strangers)} undeclared points: {name}")
        if not known.any():
            ack()
            return []
        some = Decoded(
            decoded.ids,
            decoded.place[known],
            decoded.values[known],
            decoded.qualities[known],
            decoded.times[known],
        )
        return [self._made(points[known], some, origin, message, ack)]

    def _made(
        self, points: NDArray[np.int32], decoded: Decoded, origin: str, message: Message, ack: Ack
    ) -> Part:
        if origin != LATE:
            self._seen()
        return Part(
            points, decoded.values, decoded.qualities, decoded.times, message.received, origin, ack
        )

    def _resolved(self, ids: Sequence[str]) -> NDArray[np.int32]:
        """Point index of each name, -1 for strangers; a gateway sends the same list for ever."""
        if self._names[0] != ids:
            known = self.gateway.points
            found = np.array([known.get(name, -1) for name in ids], dtype=np.int32)
            self._names = (ids, found)
        return self._names[1]

    def _off(self, decoded: Decoded, off: Skew, received: int) -> None:
        """A wrong clock delays nothing; its values say that their time is doubtful."""
        self._say("clock", words(received - int(decoded.times.max())))
        if off is Skew.MARKED:
            good = decoded.qualities == GOOD
            decoded.qualities[good] = UNCERTAIN | Reason.CLOCK

    def _seen(self) -> None:
        if self.online is not True:
            self.online = True
            self._say("link_up", "网关在线 gateway online")

    def _refuse(self, what: str, refusal: Refused) -> None:
        self.refused += 1
        kind = "mac" if refusal.code == "mac" else "refused"
        self._say(kind, f"{plain(what)}: {refusal.code}: {refusal.text}")
