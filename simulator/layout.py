"""The demo park, declared once: the servers serve it and the configuration text is made from it.

Everything is invented but plausible: one gas panel, a boiler PLC, an ESD gateway (read only), and
a wireless gateway over MQTT. Set points here serve the truth log only; the daemon takes its own
from the gas table, so that the two can disagree in a test.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

PARK = "示例园区"
ENTERPRISE = "huadong"
ENTERPRISE_NAME = "华东化工"
GATEWAY = "gw-1"
BROKER = "demo"
PANEL_DETECTORS_MAX = 100
POINTS_MAX = 10_000
BOILER_UNIT, ESD_UNIT = 201, 202

LEAK_GAS, LEAK_ZONE = "CH4", "tank-a"
LEAK_START_S, LEAK_END_S, LEAK_PERIOD_S = 15.0, 50.0, 300.0


class Shape(StrEnum):
    """How a signal moves by itself."""

    ANALOG = "analog"
    STATE = "state"
    HEARTBEAT = "heartbeat"


@dataclass(frozen=True, slots=True)
class Gas:
    """A gas as the detectors here show it. All in the gas table's unit of that gas.

    `al1`, `al2`: GB/T 50493 set points as the detector's own scale rounds them (domain.md 1.2);
    for O2 they are the two low stages.
    """

    high: float
    resolution: float
    base: float
    sigma: float
    al1: float
    al2: float
    falls: bool = False


GASES = {
    "CH4": Gas(high=100, resolution=0.1, base=1.5, sigma=0.2, al1=25, al2=50),
    "H2S": Gas(high=50, resolution=0.1, base=0.5, sigma=0.15, al1=7.0, al2=14.1),
    "CO": Gas(high=100, resolution=0.1, base=2.0, sigma=0.4, al1=17.1, al2=34.3),
    "NH3": Gas(high=100, resolution=0.1, base=2.0, sigma=0.4, al1=28.2, al2=56.5),
    "CL2": Gas(high=5, resolution=0.01, base=0.04, sigma=0.01, al1=0.33, al2=0.67),
    "O2": Gas(high=30, resolution=0.1, base=20.9, sigma=0.05, al1=19.5, al2=18.0, falls=True),
}


@dataclass(frozen=True, slots=True)
class Leaked:
    """How a detector sees the scripted leak: share of the cloud, travel time, lag (rise), in s."""

    share: float = 0.0
    delay_s: float = 0.0
    tau_s: float = 6.5


@dataclass(frozen=True, slots=True)
class Signal:
    """One point of the demo. `reg` is the printed register (0xxxx coils, 1xxxx discrete, 3xxxx
    input, 4xxxx holding), 0 over MQTT; engineering value = raw * `scale`."""

    device: str
    id: str
    tag: str
    zone: str
    gas: str = ""
    kind: str = ""
    unit: str = ""
    low: float = 0.0
    high: float = 1.0
    resolution: float = 1.0
    reg: int = 0
    type: str = "u16"
    scale: float = 1.0
    base: float = 0.0
    sigma: float = 0.0
    shape: Shape = Shape.ANALOG
    leaked: Leaked = Leaked()

    @property
    def full_id(self) -> str:
        return f"{ENTERPRISE}/{self.device}/{self.id}"

    @property
    def wire_id(self) -> str:
        """`DEVICE/SIGNAL`, as the gateway names it on MQTT."""
        return f"{self.device}/{self.id}"


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """A device of the demo: a Modbus unit, or, with a gateway, what the gateway carries."""

    id: str
    template: str
    unit_id: int = 0
    gateway: str = ""


@dataclass(frozen=True, slots=True)
class Zone:
    id: str
    name: str
    risk: str


@dataclass(frozen=True, slots=True)
class Layout:
    zones: tuple[Zone, ...]
    devices: tuple[DeviceSpec, ...]
    signals: tuple[Signal, ...]

    def of(self, device: str) -> tuple[Signal, ...]:
        """The signals of a device, in declared order."""
        return tuple(s for s in self.signals if s.device == device)


ZONES = (
    Zone("tank-a", "罐区A", "red"),
    Zone("tank-b", "罐区B", "orange"),
    Zone("unit-2", "2#装置", "orange"),
    Zone("chlorine", "氯库", "red"),
    Zone("loading", "装卸区", "yellow"),
    Zone("boiler-house", "热力站", "yellow"),
)
DEVICES = (
    DeviceSpec("panel-1", "modbus-tcp-panel", unit_id=1),
    DeviceSpec("boiler-1", "steam-boiler", unit_id=BOILER_UNIT),
    DeviceSpec("esd-1", "esd-readonly", unit_id=ESD_UNIT),
    DeviceSpec("node-1", "mqtt-gateway", gateway=GATEWAY),
    DeviceSpec("node-2", "mqtt-gateway", gateway=GATEWAY),
)
_PANEL = (
    ("CH4-0101", "tank-a"),
    ("CH4-0102", "tank-a"),
    ("CH4-0103", "tank-a"),
    ("H2S-0101", "tank-a"),
    ("H2S-0102", "tank-a"),
    ("H2S-0103", "tank-a"),
    ("CO-0201", "unit-2"),
    ("CO-0202", "unit-2"),
    ("CO-0203", "unit-2"),
    ("NH3-0201", "unit-2"),
    ("NH3-0202", "unit-2"),
    ("O2-0201", "unit-2"),
    ("O2-0202", "unit-2"),
    ("CL2-0301", "chlorine"),
    ("CL2-0302", "chlorine"),
    ("O2-0301", "chlorine"),
)
_NODE_1 = tuple((f"{gas}-04{n:02d}", "tank-b") for gas in ("CH4", "H2S") for n in range(1, 5))
_NODE_2 = tuple((f"{gas}-05{n:02d}", "loading") for gas in ("CH4", "CO") for n in range(1, 5))

DETECTOR_A, DETECTOR_B = "panel-1/ch4-0101", "panel-1/ch4-0102"
_LEAKED = {
    "CH4-0101": Leaked(share=1.0, delay_s=0.0, tau_s=2.0),
    "CH4-0102": Leaked(share=1.1, delay_s=9.0, tau_s=5.0),
    "CH4-0103": Leaked(share=0.2, delay_s=5.0, tau_s=6.5),
}


def _detector(device: str, tag: str, zone: str, reg: int) -> Signal:
    name = tag.split("-", 1)[0]
    gas = GASES[name]
    return Signal(
        device,
        tag.lower(),
        tag,
        zone,
        gas=name,
        high=gas.high,
        resolution=gas.resolution,
        reg=reg,
        scale=gas.resolution,
        base=gas.base,
        sigma=gas.sigma,
        leaked=_LEAKED.get(tag, Leaked()),
    )


def _detectors(device: str, rows: Iterable[tuple[str, str]], reg: int) -> Iterator[Signal]:
    """Detectors one after the other from a printed register on; 0: no registers (MQTT)."""
    for i, (tag, zone) in enumerate(rows):
        yield _detector(device, tag, zone, reg + i if reg else 0)


def _boiler() -> Iterator[Signal]:
    """The boiler PLC, printed 40001 onwards (simulator.md T14), flame and trips as inputs."""
    words = (
        ("pressure", "PT-101", "pressure", "kPa", 0, 2500, 1, "u16", 1250, 3),
        ("level", "LT-101", "level", "mm", -200, 200, 1, "s16", 0, 4),
        ("steam-temp", "TT-101", "temperature", "°C", 0, 400, 0.1, "u16", 194, 0.5),
        ("feed-flow", "FT-102", "flow", "t/h", 0, 30, 0.1, "u16", 16, 0.2),
        ("steam-flow", "FT-101", "flow", "t/h", 0, 30, 0.1, "u16", 16, 0.2),
        ("furnace", "PT-102", "pressure", "Pa", -500, 500, 1, "s16", -40, 5),
    )
    for reg, (name, tag, kind, unit, low, high, step, form, base, sigma) in enumerate(words, 40001):
        yield Signal(
            "boiler-1", name, tag, "boiler-house", kind=kind, unit=unit, low=low, high=high,
            resolution=step, reg=reg, type=form, scale=step, base=base, sigma=sigma,
        )  # fmt: skip
    states = (("flame-fail", "BS-101", 0), ("fuel-valve-shut", "ZSC-101", 0), ("run", "XA-101", 1))
    for reg, (name, tag, value) in enumerate(states, 10001):
        yield _state("boiler-1", name, tag, "boiler-house", reg, value)


def _state(device: str, name: str, tag: str, zone: str, reg: int, value: int) -> Signal:
    return Signal(
        device, name, tag, zone, kind="state", reg=reg, type="bit", base=value, shape=Shape.STATE
    )


def _esd() -> Iterator[Signal]:
    """The ESD gateway: trips as coils, bypasses and limit switches as inputs, a heartbeat, and
    the solver's voted pressure as a float (simulator.md T15)."""
    for n in range(1, 5):
        yield _state("esd-1", f"trip-{200 + n}", f"SIF-{200 + n}", "unit-2", n, 0)
    inputs = (
        ("bypass-201", "MOS-201", 0),
        ("bypass-202", "MOS-202", 0),
        ("zso-201", "ZSO-201", 1),
        ("zsc-201", "ZSC-201", 0),
    )
    for reg, (name, tag, value) in enumerate(inputs, 10001):
        yield _state("esd-1", name, tag, "unit-2", reg, value)
    yield Signal(
        "esd-1", "heartbeat", "ESD-HB", "unit-2", kind="heartbeat", unit="1", high=65535,
        reg=30001, shape=Shape.HEARTBEAT,
    )  # fmt: skip
    yield Signal(
        "esd-1", "voted-pressure", "PSHH-201", "unit-2", kind="pressure", unit="kPa", high=1000,
        resolution=0.1, reg=30011, type="f32", base=420, sigma=1,
    )  # fmt: skip


def _extra_rows(panel: int, count: int) -> Iterator[tuple[str, str]]:
    """Gases in turn; every extra panel is a zone of its own."""
    gases = tuple(GASES)
    for n in range(count):
        yield f"{gases[n % len(gases)]}-{panel:02d}{n + 1:03d}", f"yard-{panel}"


def demo_layout(points: int = 0) -> Layout:
    """The demo park with at least its own points; more than those as extra panels of up to 100
    detectors. Raises ValueError above `POINTS_MAX`."""
    if points > POINTS_MAX:
        raise ValueError(f"at most {POINTS_MAX} points, not {points}")
    signals = [*_detectors("panel-1", _PANEL, 40001), *_boiler(), *_esd()]
    signals += [*_detectors("node-1", _NODE_1, 0), *_detectors("node-2", _NODE_2, 0)]
    zones, devices = list(ZONES), list(DEVICES)
    panel = 2
    while (missing := points - len(signals)) > 0:
        device = f"panel-{panel}"
        zones.append(Zone(f"yard-{panel}", f"扩建区{panel}", "blue"))
        devices.append(DeviceSpec(device, "modbus-tcp-panel", unit_id=panel))
        rows = _extra_rows(panel, min(missing, PANEL_DETECTORS_MAX))
        signals += _detectors(device, rows, 40001)
        panel += 1
    return Layout(tuple(zones), tuple(devices), tuple(signals))
