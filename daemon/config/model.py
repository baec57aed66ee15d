"""The park as its engineer writes it: strict tables, unknown keys refused (contracts.md)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Name = Annotated[str, Field(min_length=1, max_length=64)]
Duration = Annotated[str, Field(pattern=r"^\d+(\.\d+)?(ms|s|m|h)$")]
Secret = Annotated[str, Field(pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$")]
GradeName = Literal["red", "orange", "yellow", "blue"]
_UNITS_NS = {"ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000, "h": 3_600_000_000_000}


def duration_ns(text: str) -> int:
    """Nanoseconds of a duration as written.

    >>> duration_ns("1.5s")
    1500000000
    """
    for unit, factor in _UNITS_NS.items():
        number = text.removesuffix(unit)
        if number != text and not number[-1:].isalpha():
            return round(float(number) * factor)
    raise ValueError(text)


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


class Park(Strict):
    name: Name
    tz: str = "Asia/Shanghai"
    arm: Literal["auto", "manual"] = "auto"


class Console(Strict):
    bind: Annotated[str, Field(pattern=r"^[^:\s]+:\d+$")] = "127.0.0.1:8080"
    public_url: str = ""


class History(Strict):
    store: Literal["embedded"] = "embedded"


class JournalTable(Strict):
    anchors: list[str] = []
    key: Secret | None = None


class BrokerTable(Strict):
    host: str
    port: Annotated[int, Field(ge=1, le=65535)] = 1883
    user: str = ""
    password: Secret | None = None
    tls: bool = False
    client_id: str = "parkwatch"


class Enterprise(Strict):
    name: Name
    key: Secret | None = None


class ZoneTable(Strict):
    enterprise: Id
    name: Name
    risk: GradeName = "blue"
    chain: Id = "default"
    lift_yellow: bool = False


Role = Literal[
    "operator", "shift-lead", "technician", "on-call", "engineer", "safety", "drill-leader",
    "approver", "enterprise", "viewer", "auditor", "admin",
]  # fmt: skip
Duty = Literal[
    "main-owner", "technical-owner", "operation-owner", "safety-head", "park-duty", "park-leader",
    "maintenance",
]  # fmt: skip


class PersonTable(Strict):
    name: Name
    role: Role
    phone: str = ""
    enterprise: Id | None = None
    duties: list[Duty] = []
    channels: list[Id] = []
    password: Secret | None = None


class ChannelTable(Strict):
    kind: Literal[
        "wecom", "wecom-app", "dingtalk", "feishu", "serverchan", "webhook", "sms", "aliyun",
        "tencent", "modem", "mail", "apprise",
    ]  # fmt: skip
    url: str = ""
    secret: Secret | None = None
    per_minute: Annotated[int, Field(ge=1)] = 15
    delivered: Literal["report", "never"] = "never"


class After(Strict):
    after: Duration
    call: list[str]


Tier = list[str] | After


class ChainTable(Strict):
    red: list[Tier] = []
    orange: list[Tier] = []
    yellow: list[Tier] = []
    blue: list[Tier] = []
    repeat: dict[GradeName, Duration] = {}


class PointTable(Strict):
    tag: Name
    zone: Id
    id: Id | None = None
    gas: str | None = None
    kind: str | None = None
    unit: str | None = None
    reg: Annotated[int, Field(ge=1, le=465536)] | None = None
    type: Literal["bit", "u16", "s16", "u32", "s32", "f32"] | None = None
    order: Literal["abcd", "cdab", "badc", "dcba"] = "abcd"
    scale: float = 1.0
    range: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    resolution: Annotated[float, Field(gt=0)] | None = None
    signal: Literal["4-20mA"] | None = None
    al1: float | None = None
    al2: float | None = None


class DeviceTable(Strict):
    id: Id
    enterprise: Id
    template: Literal["modbus-tcp-panel", "steam-boiler", "esd-readonly", "mqtt-gateway"]
    host: str | None = None
    port: Annotated[int, Field(ge=1, le=65535)] = 502
    unit_id: Annotated[int, Field(ge=0, le=255)] = 1
    scan: Duration = "1s"
    timeout: Duration = "1s"
    broker: Id | None = None
    gateway: Id | None = None
    points: list[PointTable] = []


class RuleTable(Strict):
    point: str
    group: Literal["high", "low", "state"]
    level: Annotated[int, Field(ge=1, le=4)] = 1
    limit: float
    grade: GradeName
    deadband: Annotated[float, Field(ge=0)] = 0.0
    on_delay: Duration = "0s"
    off_delay: Duration = "0s"
    latch: bool = False
    clause: str = ""


class Config(Strict):
    """The root of the file. `channel_` and the like would only repeat the tables' names."""

    schema_: Annotated[Literal[1], Field(alias="schema")]
    park: Park
    console: Console = Console()
    history: History = History()
    journal: JournalTable = JournalTable()
    broker: dict[Id, BrokerTable] = {}
    enterprise: dict[Id, Enterprise] = {}
    zone: dict[Id, ZoneTable] = {}
    people: dict[Id, PersonTable] = {}
    channel: dict[Id, ChannelTable] = {}
    chain: dict[Id, ChainTable] = {}
    device: list[DeviceTable] = []
    rule: list[RuleTable] = []
