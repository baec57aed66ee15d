"""What the drivers need of devices, brokers and registers: frozen, resolved, index-based."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from parkwatch.drivers.place import WORDS, Heartbeat, Identity, Place, SelfCheck, Status
from parkwatch.rules.site import SECOND_NS


@dataclass(frozen=True, slots=True)
class Register:
    """One point's place in a Modbus device.

    `function` is 1 coils, 2 discrete inputs, 3 holding, 4 input registers; `address` is the
    0-based wire address; `type`, `order`, `mask` and `frame` as in Place. Engineering value = raw *
    scale * factor + offset, where the factor is the number at `times` and a tenth for each of the
    number at `decimals`. `signal` `4-20mA`: the scaled value is a current in mA and becomes low +
    (mA - 4) / 16 * (high - low) with NE 43 quality. `drifts`: an unsigned number just below 65536
    is a small negative one, `sentinels` (in engineering units) aside. `codes`: raw numbers that are
    no measurement, each with its quality byte. `status`: what the device says of the value; `spare`
    says that no detector is connected.
    """

    point: int
    function: int
    address: int
    type: str = "u16"
    order: str = "abcd"
    scale: float = 1.0
    offset: float = 0.0
    signal: str = ""
    low: float = 0.0
    high: float = 100.0
    drifts: bool = False
    sentinels: tuple[float, ...] = ()
    mask: int = 0
    frame: tuple[int, int] | None = None
    codes: tuple[tuple[float, int], ...] = ()
    times: Place | None = None
    decimals: Place | None = None
    status: tuple[Status, ...] = ()
    spare: bool = False

    @property
    def words(self) -> int:
        return WORDS[self.type]


class Span(NamedTuple):
    """What one value needs: read whole, in one frame.

    `function` 1 to 4, `address` 0-based on the wire, `count` words or bits. One read never holds
    spans of two groups. `exact`: read by itself and exactly so long, because the device gives other
    numbers to a longer read.
    """

    function: int
    address: int
    count: int  # type: ignore[assignment]  # a tuple has one too
    group: int = 0
    exact: bool = False


@dataclass(frozen=True, slots=True)
class ModbusUnit:
    """One unit on a bus; `id` is `ENTERPRISE/DEVICE`. `heartbeat`, `identities` and `self_check`
    are what its device map says of it as a whole. `never`: (function, address) that no read may
    touch. `turnaround_s`: how long it thinks before it answers, for the computed round."""

    id: str
    unit_id: int
    registers: tuple[Register, ...]
    scan_ns: int = SECOND_NS
    block_words_max: int = 100
    gap_words_max: int = 16
    heartbeat: Heartbeat | None = None
    identities: tuple[Identity, ...] = ()
    self_check: SelfCheck | None = None

    def renumbered(self, place: Mapping[int, int]) -> ModbusUnit:
        """The same for a site in which every point stands elsewhere; -1 where it is gone."""
        return replace(
            self,
            registers=tuple(replace(r, point=place.get(r.point, -1)) for r in self.registers),
            identities=tuple(
                replace(each, points=tuple(place.get(p, -1) for p in each.points))
                for each in self.identities
            ),
        )

    never: frozenset[tuple[int, int]] = frozenset()
    turnaround_s: float = 0.05


@dataclass(frozen=True, slots=True)
class Bus:
    """One line to one endpoint, with its own scheduler.

    `id`: `tcp:HOST:PORT`, `rtu-tcp:HOST:PORT` or `rtu:PATH`; `transport` says which. `host` and
    `port`, or `serial`, `baud`, `parity` (N, E, O), `stop_bits` and `data_bits`. `connections`: how
    many may be open at once (tcp alone). `timeout_s`: how long one request waits for its answer;
    `pause_s`: the least silence between two requests.
    """

    id: str
    transport: str
    units: tuple[ModbusUnit, ...]
    host: str = ""
    port: int = 502
    serial: str = ""
    baud: int = 9600
    parity: str = "N"
    stop_bits: int = 1
    data_bits: int = 8
    connections: int = 1
    timeout_s: float = 1.0
    pause_s: float = 0.0

    @property
    def rtu(self) -> bool:
        """Whether its frames carry no transaction id."""
        return self.transport != "tcp"

    @property
    def endpoint(self) -> Bus:
        """What its connections depend on, and nothing else."""
        return replace(self, units=(), connections=1, timeout_s=1.0, pause_s=0.0)

    def renumbered(self, place: Mapping[int, int]) -> Bus:
        """The same for a site in which every point stands elsewhere; -1 where it is gone."""
        return replace(self, units=tuple(unit.renumbered(place) for unit in self.units))


@dataclass(frozen=True, slots=True)
class Gateway:
    """One MQTT gateway; `points` maps `DEVICE/SIGNAL` as the wire names it to the point index.

    `mapping`: declared JSON paths for foreign payloads, topic suffix to (path, point), empty for
    the product's own shapes.
    """

    id: str
    enterprise: str
    gateway: str
    points: dict[str, int]
    mapping: tuple[Mapped, ...] = ()
    key: bytes = b""

    def renumbered(self, place: Mapping[int, int]) -> Gateway:
        """The same for a site in which every point stands elsewhere; -1 where it is gone."""
        return replace(
            self,
            points={name: place.get(point, -1) for name, point in self.points.items()},
            mapping=tuple(replace(m, point=place.get(m.point, -1)) for m in self.mapping),
        )


@dataclass(frozen=True, slots=True)
class Mapped:
    """A value inside a foreign JSON payload: topic suffix, dotted path (empty: the payload itself),
    point; engineering value = what stands there * scale + offset."""

    topic: str
    path: str
    point: int
    scale: float = 1.0
    offset: float = 0.0
    time_path: str = ""


@dataclass(frozen=True, slots=True)
class Broker:
    """One MQTT broker; `password` and TLS material are already resolved (files as paths).

    `version`: `auto` tries 5, then 3.1.1. `client`: `fast` where MQTT 5 is spoken, or always
    `paho`. `share`: the group of a shared subscription, empty for our own.
    `per_enterprise`: a connection of its own for each, with `.ENTERPRISE` after the client id.
    """

    id: str
    host: str
    port: int = 1883
    user: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    client_id: str = "parkwatch"
    version: str = "auto"
    client: str = "fast"
    share: str = ""
    per_enterprise: bool = True
    gateways: tuple[Gateway, ...] = ()

    def renumbered(self, place: Mapping[int, int]) -> Broker:
        """The same for a site in which every point stands elsewhere; -1 where it is gone."""
        return replace(self, gateways=tuple(each.renumbered(place) for each in self.gateways))
