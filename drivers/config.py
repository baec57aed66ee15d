"""What the drivers need of devices, brokers and registers: frozen, resolved, index-based."""

from __future__ import annotations

from dataclasses import dataclass, field

from parkwatch.rules.site import SECOND_NS


@dataclass(frozen=True, slots=True)
class Register:
    """One point's place in a Modbus device.

    `function` is 1 coils, 2 discrete inputs, 3 holding, 4 input registers; `address` is the
    0-based wire address; `type` one of `bit u16 s16 u32 s32 f32`; `order` one of `abcd cdab badc
    dcba`. Engineering value = raw * scale + offset. `signal` `4-20mA`: the scaled value is a
    current in mA and becomes low + (mA - 4) / 16 * (high - low) with NE 43 quality. `drifts`: an
    unsigned number just below 65536 is a small negative one, `sentinels` (in engineering units)
    aside.
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

    @property
    def words(self) -> int:
        return 2 if self.type in ("u32", "s32", "f32") else 1


@dataclass(frozen=True, slots=True)
class ModbusDevice:
    """One Modbus TCP unit; `id` is `ENTERPRISE/DEVICE`."""

    id: str
    host: str
    registers: tuple[Register, ...]
    port: int = 502
    unit_id: int = 1
    scan_ns: int = SECOND_NS
    timeout_s: float = 1.0
    block_words_max: int = 100
    gap_words_max: int = 16


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


@dataclass(frozen=True, slots=True)
class Mapped:
    """A value inside a foreign JSON payload: topic suffix, dotted path, point, scale."""

    topic: str
    path: str
    point: int
    scale: float = 1.0
    time_path: str = ""


@dataclass(frozen=True, slots=True)
class Broker:
    """One MQTT broker; `password` and TLS material are already resolved."""

    id: str
    host: str
    port: int = 1883
    user: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    ca_file: str = ""
    client_id: str = "parkwatch"
    gateways: tuple[Gateway, ...] = ()
