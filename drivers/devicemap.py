"""Device maps: what a maker's document says of a device's registers, as data with its source.

One file a device in `devices/`, checked whole when it is read: a slip in it names file and key.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from parkwatch.drivers.address import wire_address
from parkwatch.drivers.place import Place, Status
from parkwatch.rules.quality import BAD, BAD_COMMS, BAD_FAULT, GOOD, UNCERTAIN, Reason

MEANINGS = {
    "normal": GOOD,
    "info": GOOD,
    "alarm-1": GOOD,
    "alarm-2": GOOD,
    "alarm-3": GOOD,
    "fault": BAD_FAULT,
    "comms": BAD_COMMS,
    "warming-up": BAD | Reason.WARMING_UP,
    "calibrating": BAD | Reason.CALIBRATING,
    "out-of-service": BAD | Reason.OUT_OF_SERVICE,
    "spare": BAD | Reason.OUT_OF_SERVICE,
    "over-range": UNCERTAIN | Reason.OVER_RANGE,
    "under-range": UNCERTAIN | Reason.UNDER_RANGE,
    "doubtful": UNCERTAIN | Reason.DOUBTFUL,
}
"""What a status may say, as a quality byte. The device's own alarms are information: we judge the
value ourselves."""
Meaning = Literal[
    "normal", "info", "alarm-1", "alarm-2", "alarm-3", "fault", "comms", "warming-up",
    "calibrating", "out-of-service", "spare", "over-range", "under-range", "doubtful",
]  # fmt: skip
TypeName = Literal[
    "bit", "u16", "s16", "bcd2", "bcd4", "byte.byte", "u32", "s32", "f32", "bcd8", "bcd-clock",
    "u64", "s64", "f64",
]  # fmt: skip
OrderName = Literal["abcd", "cdab", "badc", "dcba"]
Ranges = dict[Annotated[str, Field(pattern=r"^\d+(-\d+)?$")], Meaning]
"""Numbers, or spans as `11-65535`, and what each means."""
Bits = dict[Annotated[str, Field(pattern=r"^(\d|1[0-5])$")], Meaning]
_PART = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
_BITS_ONLY, _ADDRESS_MAX = (1, 2), 65_535
_FACTORS = ("times", "decimals")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Entry(_Strict):
    """A number in the device.

    `at`: the address as the maker prints it, of channel 1; `stride`: how much further that of the
    next channel lies (0: one for the whole device), `mask_stride`: by how many bits its mask is
    moved. `fc`: the function that reads it, where the address does not say. `source`: where it is
    printed, the map's own where empty.
    """

    at: Annotated[int, Field(ge=0, le=465_536)]
    fc: Literal[1, 2, 3, 4] | None = None
    type: TypeName | Literal["ascii"] | None = None
    order: OrderName | None = None
    mask: Annotated[int, Field(ge=0, le=0xFFFF)] = 0
    stride: Annotated[int, Field(ge=0, le=1000)] = 0
    mask_stride: Annotated[int, Field(ge=0, le=4)] = 0
    words: Annotated[int, Field(ge=0, le=32)] = 0
    frame: Annotated[list[int], Field(min_length=2, max_length=2)] | None = None
    what: str = ""
    source: str = ""


class ValueEntry(Entry):
    """What a point may read. `unit`: empty where the device is set to one. `ask`: keys of the point
    that only the site knows, required. Where `step` is `fsd`, one scaled step is a percent of full
    scale. `times`, `decimals`: other entries of the map by name. `codes`: raw numbers that are no
    measurement. `status`: the rules that speak of it (absent: all). `channels`: its own number."""

    unit: str = ""
    scale: float = 1.0
    offset: float = 0.0
    step: Literal["unit", "fsd"] = "unit"
    ask: list[Literal["step", "scale", "type"]] = []
    times: str = ""
    decimals: str = ""
    codes: dict[Annotated[str, Field(pattern=r"^-?\d+(\.\d+)?$")], Meaning] = {}
    status: list[str] | None = None
    channels: Annotated[int, Field(ge=1, le=4096)] | None = None


class StatusEntry(Entry):
    """A status register: what its bits, or its number, say of the values."""

    bits: Bits = {}
    values: Ranges = {}
    other: Meaning = "fault"

    @model_validator(mode="after")
    def _says_something(self) -> StatusEntry:
        if not self.bits and not self.values:
            raise ValueError("bits or values are missing")
        if self.values and "normal" not in self.values.values():
            raise ValueError("no value of it is normal")
        return self


class HeartbeatEntry(Entry):
    """A counter or toggle that moves every `period_s`; `missed` periods without are its end."""

    period_s: Annotated[float, Field(gt=0, le=600)]
    missed: Annotated[int, Field(ge=2, le=20)] = 3


class IdentityEntry(Entry):
    """A setting that the device reports. `compare`: with the point's unit or full scale, or with
    what was first seen. `equals`: what it is in every device that the map fits. `values`: what its
    codes mean. `spare`: codes of a channel without a detector."""

    compare: Literal["unit", "range", "first"] = "first"
    equals: int | None = None
    values: dict[Annotated[str, Field(pattern=r"^\d+$")], str] = {}
    spare: list[int] = []
    scale: float = 1.0


class SelfCheckEntry(Entry):
    """A register that always holds `value`."""

    value: float


class Blocked(_Strict):
    """A register that commands the device: documented, never touched. A holding register, where the
    map's addresses do not say."""

    at: int
    why: str


class Serial(_Strict):
    """How the device talks on a serial line as delivered."""

    baud: int = 9600
    data_bits: Literal[7, 8] = 8
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1


class DeviceMap(_Strict):
    """A device. `base`: how `at` is counted: `entity` 40001 (the first digit says the table),
    `number` from 1, `wire` from 0. `pause_ms`: the least gap between requests. `verified`: who says
    so. `unguarded`: why there is no status rule."""

    schema_: Annotated[Literal[1], Field(alias="schema")]
    version: Annotated[int, Field(ge=1)]
    id: _PART
    maker: str
    device: str
    edition: str
    source: str
    verified: Literal["maker", "third-party", "own"]
    kind: Literal["gas", "boiler", "esd", "vessel"]
    base: Literal["entity", "number", "wire"]
    order: OrderName = "abcd"
    channels: Annotated[int, Field(ge=1, le=4096)] = 1
    transports: list[Literal["tcp", "rtu-tcp", "rtu"]]
    max_connections: Annotated[int, Field(ge=1, le=100)] | None = None
    pause_ms: Annotated[int, Field(ge=0, le=1000)] = 0
    turnaround_ms: Annotated[int, Field(ge=0, le=5000)] = 0
    block_words_max: Annotated[int, Field(ge=2, le=125)] = 100
    gap_words_max: Annotated[int, Field(ge=0, le=100)] = 16
    serial: Serial = Serial()
    unguarded: str = ""
    notes: list[str] = []
    value: Annotated[dict[_PART, ValueEntry], Field(min_length=1)]
    status: dict[_PART, StatusEntry] = {}
    identity: dict[_PART, IdentityEntry] = {}
    heartbeat: HeartbeatEntry | None = None
    self_check: SelfCheckEntry | None = None
    blocked: list[Blocked] = []

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """Every register with its dotted name, as overrides call it."""
        for table in ("value", "status", "identity"):
            for name, entry in getattr(self, table).items():
                yield f"{table}.{name}", entry
        for table in ("heartbeat", "self_check"):
            if getattr(self, table) is not None:
                yield table, getattr(self, table)

    def channels_of(self, name: str) -> int:
        """How many channels a value has."""
        entry = self.value[name]
        return (entry.channels or self.channels) if entry.stride or entry.mask_stride else 1

    def place(self, entry: Entry, channel: int = 1, order: str | None = None) -> Place:
        """Where an entry of a channel stands. ValueError where that is no register."""
        function, address = self._wire(entry)
        address += entry.stride * (channel - 1)
        kind = entry.type or ("bit" if function in _BITS_ONLY else "u16")
        if not 0 <= address <= _ADDRESS_MAX:
            raise ValueError(f"address {address} is none")
        if (function in _BITS_ONLY) != (kind == "bit"):
            raise ValueError(f"function {function} reads no {kind}")
        mask = entry.mask << entry.mask_stride * (channel - 1)
        if mask > 0xFFFF or (mask and kind not in ("u16", "s16")):
            raise ValueError(f"mask {mask:#x} does not fit {kind}")
        frame = (entry.frame[0], entry.frame[1]) if entry.frame else None
        chosen = order or entry.order or self.order
        return Place(function, address, kind, chosen, mask, entry.words, frame)

    def _wire(self, entry: Entry) -> tuple[int, int]:
        if self.base == "entity":
            return wire_address(entry.at)
        if entry.fc is None:
            raise ValueError("fc is missing")
        return entry.fc, entry.at - (self.base == "number")

    @property
    def never(self) -> frozenset[tuple[int, int]]:
        """Function and address of what is blocked: no read may touch it."""
        if self.base == "entity":
            return frozenset(wire_address(each.at) for each in self.blocked)
        return frozenset((3, each.at - (self.base == "number")) for each in self.blocked)

    def rules_of(self, name: str, channel: int) -> tuple[Status, ...]:
        """The status rules that speak of a value of a channel."""
        wanted = self.value[name].status
        return tuple(
            _status(self.place(entry, channel), entry)
            for key, entry in self.status.items()
            if wanted is None or key in wanted
        )

    def factor(self, name: str, channel: int) -> Place | None:
        """Where an entry named by `times` or `decimals` stands; None for the empty name."""
        if not name:
            return None
        return self.place(self.identity.get(name) or self.value[name], channel)

    @model_validator(mode="after")
    def _holds_together(self) -> DeviceMap:
        for name, entry in self.entries():
            try:
                last = self.channels_of(name[6:]) if name.startswith("value.") else self.channels
                reads = {self.place(entry, channel) for channel in (1, last)}
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
            if entry.type == "ascii" and not entry.words:
                raise ValueError(f"{name}: words is missing")
            if any((place.function, place.address) in self.never for place in reads):
                raise ValueError(f"{name}: its address is blocked")
        for name, value in self.value.items():
            self._names(name, value)
        if not self.status and not self.unguarded:
            raise ValueError("there is no status rule: say why in unguarded")
        return self

    def _names(self, name: str, value: ValueEntry) -> None:
        for key in _FACTORS:
            other = getattr(value, key)
            if other and other not in self.identity and other not in self.value:
                raise ValueError(f"value.{name}: {key} names no entry: {other}")
        for rule in value.status or ():
            if rule not in self.status:
                raise ValueError(f"value.{name}: there is no status.{rule}")


def _status(place: Place, entry: StatusEntry) -> Status:
    bits = tuple((1 << int(bit), MEANINGS[means]) for bit, means in entry.bits.items())
    values = tuple((*_span(text), MEANINGS[means]) for text, means in entry.values.items())
    return Status(place, bits, values, MEANINGS[entry.other])


def _span(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    return int(low), int(high or low)


class MapFault(Exception):  # noqa: N818 - says what is wrong with a map
    """A map that cannot be used: its file and every key of it that is wrong."""

    def __init__(self, file: str, problems: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{file}: {path}: {what}" for path, what in problems))
        self.file = file
        self.problems = problems


def parse(raw: Mapping[str, Any], file: str) -> DeviceMap:
    """A map out of its tables. MapFault."""
    try:
        return DeviceMap.model_validate(dict(raw))
    except ValidationError as error:
        problems = [(".".join(map(str, e["loc"])), e["msg"]) for e in error.errors()]
        raise MapFault(file, problems) from error


@cache
def names() -> tuple[str, ...]:
    """The ids of the maps that ship."""
    files = resources.files("parkwatch.drivers").joinpath("devices").iterdir()
    return tuple(sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml")))


@cache
def load(name: str) -> DeviceMap:
    """A map that ships, by one of `names`."""
    return parse(_raw(name), f"{name}.toml")


@cache
def _raw(name: str) -> dict[str, Any]:
    file = resources.files("parkwatch.drivers").joinpath(f"devices/{name}.toml")
    return tomllib.loads(file.read_text("utf-8"))


def overridden(name: str, changes: Mapping[str, Mapping[str, Any]], shift: int = 0) -> DeviceMap:
    """A shipped map with single keys of its entries changed (`value.gas` to `{"at": 40003}`) and
    every address moved by `shift`. MapFault; KeyError for an entry that the map does not have."""
    if not changes and not shift:
        return load(name)
    raw = load(name).model_dump(by_alias=True, exclude_unset=True)
    for key, change in changes.items():
        _entry(raw, key).update(change)
    file = f"{name}.toml"
    before = parse(raw, file)
    for each in (*(_entry(raw, key) for key, _ in before.entries()), *raw.get("blocked", ())):
        each["at"] += shift
    after = parse(raw, file)
    for (key, old), (_, new) in zip(before.entries(), after.entries(), strict=True):
        if before.place(old).function != after.place(new).function:
            raise MapFault(file, [(key, f"{old.at} {shift:+} leaves its table")])
    return after


def _entry(raw: dict[str, Any], dotted: str) -> dict[str, Any]:
    table, _, name = dotted.partition(".")
    found: dict[str, Any] = raw[table][name] if name else raw[table]
    return found
