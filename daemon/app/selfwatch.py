"""Our own parts watched: clock, loop, queue, disk and consoles become ordinary alarms, raised and
returned with some distance between the two."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from parkwatch.daemon.app.disk import Shortage, Space, judge
from parkwatch.daemon.pipeline.turn import SystemCondition
from parkwatch.rules import system_alarms
from parkwatch.rules.site import SECOND_NS

SKEW_NS, SKEW_OVER_NS = 5 * SECOND_NS, 4 * SECOND_NS
JUMP_NS, JUMP_OVER_NS = SECOND_NS, 60 * SECOND_NS
LAG_S, LAG_OVER_NS = 5.0, 10 * SECOND_NS
QUEUE_HIGH, QUEUE_LOW = 0.8, 0.4
UNMANNED_NS = 60 * SECOND_NS
WATCHED = (
    "system/clock:skew", "system/clock:jump", "system/loop:lag", "system/queue:full",
    "system/disk:low", "system/console:unmanned",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sample:
    """One look, about each second: `skew_ns` is the host's clock minus engine time, `lag_s` how
    late the evaluation loop is, `queue` its queue's share in use, `manned` the consoles at which
    somebody may act, `space` None where the disk does not answer."""

    now: int
    skew_ns: int
    lag_s: float
    queue: float
    manned: int
    space: Space | None


class SelfWatch:
    """Decides; the caller samples and passes on. `active` says whether an alarm of ours is active
    already, from before a restart; `reserve` are the bytes of the journal's reserve."""

    def __init__(self, active: Callable[[str], bool], reserve: int = 0) -> None:
        self._told = {alarm: active(alarm) for alarm in WATCHED}
        self._reserve = reserve
        self._skew_ns: int | None = None
        self._jumped_ns = self._jumped_at = 0
        self._lagged_s, self._lagged_at = 0.0, 0
        # Active from before: somebody had been there.
        self._manned_at = 0 if self._told["system/console:unmanned"] else None
        self.shortage = Shortage(low=self._told["system/disk:low"])

    def look(self, sample: Sample) -> list[SystemCondition]:
        """What changed."""
        found = (
            self._skewed(sample), self._jumped(sample), self._lags(sample), self._full(sample),
            self._unmanned(sample), *self._disk(sample),
        )  # fmt: skip
        out = []
        for alarm, active, text in found:
            if self._told[alarm] != active:
                self._told[alarm] = active
                grade = str(system_alarms.of(alarm).grade)
                out.append(SystemCondition(alarm, active, grade, text))
        return out

    def _skewed(self, sample: Sample) -> tuple[str, bool, str]:
        alarm = "system/clock:skew"
        off = abs(sample.skew_ns)
        active = off > (SKEW_OVER_NS if self._told[alarm] else SKEW_NS)
        text = f"主机时钟与引擎时间相差 host clock off by {sample.skew_ns / SECOND_NS:+.1f} s"
        return alarm, active, text

    def _jumped(self, sample: Sample) -> tuple[str, bool, str]:
        if self._skew_ns is not None and abs(sample.skew_ns - self._skew_ns) > JUMP_NS:
            self._jumped_ns, self._jumped_at = sample.skew_ns - self._skew_ns, sample.now
        self._skew_ns = sample.skew_ns
        active = bool(self._jumped_at) and sample.now - self._jumped_at < JUMP_OVER_NS
        text = f"主机时钟跳变 the host clock jumped {self._jumped_ns / SECOND_NS:+.1f} s"
        return "system/clock:jump", active, text

    def _lags(self, sample: Sample) -> tuple[str, bool, str]:
        if sample.lag_s > LAG_S:
            self._lagged_s, self._lagged_at = sample.lag_s, sample.now
        active = bool(self._lagged_at) and sample.now - self._lagged_at < LAG_OVER_NS
        return "system/loop:lag", active, f"评估滞后 evaluation was {self._lagged_s:.1f} s late"

    def _full(self, sample: Sample) -> tuple[str, bool, str]:
        alarm = "system/queue:full"
        active = sample.queue > (QUEUE_LOW if self._told[alarm] else QUEUE_HIGH)
        return alarm, active, f"评估队列已用 the queue is {sample.queue:.0%} full"

    def _unmanned(self, sample: Sample) -> tuple[str, bool, str]:
        """Only once somebody had been there: a park without a control room has no such alarm."""
        if sample.manned:
            self._manned_at = sample.now
        away = sample.now - self._manned_at if self._manned_at is not None else 0
        text = "没有有人值守的控制台 no console with somebody who may act"
        return "system/console:unmanned", away > UNMANNED_NS, text

    def _disk(self, sample: Sample) -> Iterator[tuple[str, bool, str]]:
        if sample.space is None:
            return  # Not known: what was said before stands.
        self.shortage = judge(sample.space, self.shortage, self._reserve)
        share = sample.space.free / max(1, sample.space.total)
        text = f"数据盘剩余 free on the data disk: {share:.1%} ({sample.space.free >> 20} MiB)"
        yield "system/disk:low", self.shortage.low, text
