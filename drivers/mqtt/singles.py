"""The short way of single readings (`r/DEVICE/SIGNAL`): many messages, one column each.

What it does not understand at once is left to the gateway's desk, which judges every shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from parkwatch.drivers.mqtt import payload
from parkwatch.drivers.mqtt.gateway import GatewayDesk
from parkwatch.drivers.mqtt.parts import Part
from parkwatch.drivers.mqtt.wire import Arrived
from parkwatch.rules.batch import LIVE

SHORT_MAX = 1_024


@dataclass(frozen=True, slots=True)
class Route:
    """A declared point's own topic."""

    desk: GatewayDesk
    source: str
    point: int


class Singles:
    """Columns of the readings of one take, in order, of one origin, received at one time."""

    def __init__(
        self, desks: Iterable[GatewayDesk], acknowledge: Callable[[Iterable[int]], None]
    ) -> None:
        self._acknowledge = acknowledge
        self._routes = {
            f"park/{desk.gateway.id}/r/{name}".encode(): Route(desk, name.partition("/")[0], point)
            for desk in desks
            if not desk.gateway.key
            for name, point in desk.gateway.points.items()
            if not desk.declares(f"r/{name}")
        }
        self.received = 0
        self._origin = LIVE
        self._clear()

    def _clear(self) -> None:
        self._points: list[int] = []
        self._values: list[float] = []
        self._qualities: list[int] = []
        self._times: list[int] = []
        self._names: list[int] = []

    def take(self, arrived: Arrived) -> list[Part] | None:
        """None where it is not for this way; else what must be handed on before it goes on."""
        topic, body, retained, name = arrived
        route = self._routes.get(topic)
        if route is None or retained or len(body) > SHORT_MAX:
            return None
        told = payload.quick(body)
        if told is None:
            return None
        desk, received = route.desk, self.received
        if isinstance(told, float):
            value, quality, time = told, 0, received
            origin = desk.came(received)
        else:
            value, quality, time = told.val, told.q, received
            if told.t is None:
                origin = desk.came(received)
            else:
                time = told.t * payload.MS_NS
                origin, quality = desk.came_at(route.source, time, received, quality)
        parts = self.flush() if origin != self._origin else []
        self._origin = origin
        self._points.append(route.point)
        self._values.append(value)
        self._qualities.append(quality)
        self._times.append(time)
        self._names.append(name)
        return parts

    def flush(self) -> list[Part]:
        """What was gathered, as one part, acknowledged together."""
        if not self._points:
            return []
        names, acknowledge = self._names, self._acknowledge
        made = Part(
            np.array(self._points, dtype=np.int32),
            np.array(self._values, dtype=np.float64),
            np.array(self._qualities, dtype=np.uint8),
            np.array(self._times, dtype=np.int64),
            self.received,
            self._origin,
            lambda: acknowledge(names),
        )
        self._clear()
        return [made]
