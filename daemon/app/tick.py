"""What consoles are shown without a record: sampled values each 250 ms, health each second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from parkwatch.daemon.pipeline.items import over, quality_of, shown
from parkwatch.daemon.pipeline.live import HEALTH_EVERY, VALUES_S, LiveServer
from parkwatch.rules.arming import Arming
from parkwatch.rules.engine import Engine
from parkwatch.rules.quality import reason_name, status_name


async def tick(
    engine: Engine, live: LiveServer, now: Callable[[], int], health: Callable[[], dict[str, Any]],
    arming: Arming,
) -> None:  # fmt: skip
    """Until cancelled."""
    sent = engine.receiveds.copy()
    qualities = engine.qualities.copy()
    beat = 0
    while True:
        await asyncio.sleep(VALUES_S)
        beat += 1
        changed = ((engine.receiveds != sent) | (engine.qualities != qualities)).nonzero()[0]
        sent, qualities = engine.receiveds.copy(), engine.qualities.copy()
        if live.consoles == 0:
            continue
        frames: list[dict[str, Any]] = []
        if len(changed):
            points = [
                [
                    i, shown(engine, i), status_name(quality := quality_of(engine, i, arming)),
                    str(int(engine.times[i])), str(int(engine.receiveds[i])),
                    reason_name(quality), over(engine, i),
                ]
                for i in changed.tolist()
            ]  # fmt: skip
            frames.append({"type": "values", "time": str(now()), "points": points})
        if beat % HEALTH_EVERY == 0:
            frames.append({"type": "health", **health()})
        live.publish(frames)
