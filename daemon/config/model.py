"""The park as its engineer writes it: strict tables, unknown keys refused (contracts.md)."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from parkwatch.daemon.config.names import checked_name
from parkwatch.daemon.config.words import both

_UNITS_NS = {"ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000, "h": 3_600_000_000_000}
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h)")
HOUR_NS = _UNITS_NS["h"]


def duration_ns(text: str) -> int:
    """Nanoseconds of a duration as written; ValueError for anything else.

    >>> duration_ns("1.5s")
    1500000000
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return round(float(found[1]) * _UNITS_NS[found[2]])


def _within(least_ns: int, most_ns: int, span: str) -> Any:
    def check(text: str) -> str:
        try:
            good = least_ns <= duration_ns(text) <= most_ns
        except ValueError:
            good = False
        if not good:
            fault = both(f'须为 {span} 的时长,如 "3s"', f'must be a duration of {span}, as "3s"')
            raise PydanticCustomError("duration", "{fault}", {"fault": fault})
        return text

    return AfterValidator(check)


def _zone_name(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        fault = both("不是已知时区", "is no known time zone")
        raise PydanticCustomError("zone_name", "{fault}", {"fault": fault}) from error
    return name


Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Name = Annotated[str, AfterValidator(checked_name)]
Delay = Annotated[str, _within(0, 24 * HOUR_NS, "0s-24h")]
Later = Annotated[str, _within(1, 24 * HOUR_NS, "1ms-24h")]
Scan = Annotated[str, _within(50_000_000, HOUR_NS, "50ms-1h")]
Timeout = Annotated[str, _within(10_000_000, 60_000_000_000, "10ms-60s")]
Secret = Annotated[str, Field(pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,253}$")]
GradeName = Literal["red", "orange", "yellow", "blue"]


class Strict(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, populate_by_name=True, allow_inf_nan=False
    )


class Park(Strict):
    name: Name
    tz: Annotated[str, AfterValidator(_zone_name)] = "Asia/Shanghai"
    arm: Literal["auto", "manual"] = "auto"


class Console(Strict):
    bind: Annotated[str, Field(pattern=r"^([^:\s]+|\[[0-9a-fA-F:.]+\]):\d{1,5}$")] = (
        "127.0.0.1:8080"
    )
    public_url: Annotated[str, Field(pattern=r"^(https?://[^\s]+)?$")] = ""


class Influx(Strict):
    url: Annotated[str, Field(pattern=r"^https?://[^\s/]+")]
    org: str = "parkwatch"
    bucket: str = "parkwatch"
    token: Secret


class History(Strict):
    """`retention_days` 0 keeps for ever; it is the embedded store's (a bucket has its own)."""

    store: Literal["embedded", "influx"] = "embedded"
    influx: Influx | None = None
    retention_days: Annotated[int, Field(ge=0, le=36_500)] = 0


class JournalTable(Strict):
    anchors: list[str] = []
    key: Secret | None = None


class BrokerTable(Strict):
    host: Host
    port: Port = 1883
    user: str = ""
    password: Secret | None = None
    tls: bool = False
    client_id: Annotated[str, Field(min_length=1, max_length=64)] = "parkwatch"


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
    phone: Annotated[str, Field(pattern=r"^(\+?[0-9][0-9 -]{2,19})?$")] = ""
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
    per_minute: Annotated[int, Field(ge=1, le=10_000)] = 15
    delivered: Literal["report", "never"] = "never"


class After(Strict):
    """A later tier: `call` is asked `after` the raise."""

    after: Later
    call: list[str]


def _tier_form(tier: Any) -> str:
    return "<table>" if isinstance(tier, dict | After) else "<list>"


Tier = Annotated[
    Annotated[list[str], Tag("<list>")] | Annotated[After, Tag("<table>")],
    Discriminator(_tier_form),
]


class ChainTable(Strict):
    red: list[Tier] = []
    orange: list[Tier] = []
    yellow: list[Tier] = []
    blue: list[Tier] = []
    repeat: dict[GradeName, Later] = {}


class PointDefaults(Strict):
    """What a template may say of all points of its devices."""

    gas: str | None = None
    kind: str | None = None
    unit: str | None = None
    type: Literal["bit", "u16", "s16", "u32", "s32", "f32"] | None = None
    order: Literal["abcd", "cdab", "badc", "dcba"] = "abcd"
    scale: Annotated[float, Field(gt=0)] = 1.0
    range: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    resolution: Annotated[float, Field(gt=0)] | None = None
    signal: Literal["4-20mA"] | None = None
    al1: float | None = None
    al2: float | None = None


class PointTable(PointDefaults):
    tag: Name
    zone: Id
    id: Id | None = None
    reg: Annotated[int, Field(ge=1, le=465_536)] | None = None
    was: str | None = None


class DeviceDefaults(Strict):
    """What a template may say of a device."""

    port: Port = 502
    transport: Literal["tcp", "rtu-tcp", "rtu"] = "tcp"
    unit_id: Annotated[int, Field(ge=0, le=255)] = 1
    scan: Scan = "1s"
    timeout: Timeout = "1s"
    max_connections: Annotated[int, Field(ge=1, le=100)] | None = None


class DeviceTable(DeviceDefaults):
    id: Id
    enterprise: Id
    template: Id
    host: Host | None = None
    serial: str | None = None
    broker: Id | None = None
    gateway: Id | None = None
    points: list[PointTable] = []


class TemplateTable(DeviceDefaults):
    """A site's own template; `extends` leads to a shipped one."""

    extends: Id
    defaults: PointDefaults = PointDefaults()


class RuleTable(Strict):
    point: str
    group: Literal["high", "low", "state"]
    level: Annotated[int, Field(ge=1, le=4)] = 1
    side: Literal["high", "low"] | None = None
    limit: float
    grade: GradeName
    deadband: Annotated[float, Field(ge=0)] = 0.0
    on_delay: Delay = "0s"
    off_delay: Delay = "10s"
    latch: bool = False
    clause: str = ""


class Config(Strict):
    """The root of the file."""

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
    template: dict[Id, TemplateTable] = {}
    device: list[DeviceTable] = []
    rule: list[RuleTable] = []
