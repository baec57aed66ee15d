"""The park as its engineer writes it: strict tables, unknown keys refused (contracts.md)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Discriminator, Field, Tag

from parkwatch.daemon.config.fields import (
    STRICT,
    Alias,
    Day,
    Every,
    Figure,
    GradeName,
    Host,
    Id,
    Later,
    Moment,
    Name,
    NumberKey,
    Pause,
    Port,
    Reason,
    Scan,
    Secret,
    Timeout,
    Value,
    zone_name,
)
from parkwatch.daemon.config.rule_tables import RuleTable
from parkwatch.drivers.devicemap import Bits, OrderName, Ranges, TypeName

SensorName = Literal["catalytic", "ir", "ec", "pid", "semiconductor", "other"]
SentinelName = Literal["fault", "over-range", "under-range", "warming-up", "calibrating"]
ModelName = Literal["detector", "boiler", "vessel", "esd", "confined"]
ProfileName = Literal["gbt50493", "gbzt223", "confined_space"]


class Strict(BaseModel):
    model_config = STRICT


class Park(Strict):
    """`red_reset`: how many persons reset a red alarm."""

    name: Name
    tz: Annotated[str, AfterValidator(zone_name)] = "Asia/Shanghai"
    arm: Literal["auto", "manual"] = "auto"
    neighbours: bool = True
    red_reset: Literal["one", "two"] = "one"


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
    """`old_keys`: those that archived files were sealed with, for `verify`. `daily`: folders on
    another device that the daily signed file is written to. `records_max`: a file with more records
    is rotated at the next start."""

    anchors: list[str] = []
    key: Secret | None = None
    old_keys: list[Secret] = []
    daily: list[str] = []
    records_max: Annotated[int, Field(ge=1_000, le=100_000_000)] = 2_000_000


FilePath = Annotated[str, Field(min_length=1, max_length=1024)]


class BrokerTable(Strict):
    """`ca`, `cert`, `key`: files of TLS, relative to the configuration; `ca` absent: the system's.

    `version`: `auto` tries 5, then 3.1.1. `client = "paho"`: the slower client, for a broker that
    the fast one does not get along with. `share`: the group of a shared subscription.
    `connections = "one"`: for a broker that ties the client id to the user; else each enterprise
    has its own, with `.ENTERPRISE` after `client_id`.
    """

    host: Host
    port: Port = 1883
    user: str = ""
    password: Secret | None = None
    tls: bool = False
    ca: FilePath | None = None
    cert: FilePath | None = None
    key: FilePath | None = None
    client_id: Annotated[str, Field(min_length=1, max_length=64)] = "parkwatch"
    version: Literal["auto", "5", "3.1.1"] = "auto"
    client: Literal["fast", "paho"] = "fast"
    share: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,64}$")] = ""
    connections: Literal["enterprise", "one"] = "enterprise"


class Enterprise(Strict):
    name: Name
    key: Secret | None = None


class OverrideTable(Strict):
    """What lets a set point lie beyond its legal bound, or a lone level 2 stay orange.

    Written by `parkwatch config override`: two persons, an end, and an HMAC with the site key.
    """

    until: Moment
    reason: Reason
    persons: list[str] = []
    signature: str = ""


class ZoneTable(Strict):
    """`alone`: an override that lets a single level 2 without a witness stay orange."""

    enterprise: Id
    name: Name
    risk: GradeName = "blue"
    chain: Id = "default"
    lift_yellow: bool = False
    profile: ProfileName | None = None
    alone: OverrideTable | None = None


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
    """What a template may say of all points of its devices.

    `offset`: of value = raw * scale + offset; `mask`: the bits of a word that are meant. `step`:
    what one step of a device map's value is, where only the site knows. `sensor`: how a gas
    detector measures. `sentinel`: engineering values that are no measurement, with what each means.
    `expect_every`: how often a gateway sends the point at least. `lel`: the lower explosive limit
    that the channel is calibrated with, in %vol.
    """

    gas: str | None = None
    kind: str | None = None
    unit: str | None = None
    type: TypeName | None = None
    order: OrderName = "abcd"
    scale: Annotated[float, Field(gt=0)] = 1.0
    offset: float = 0.0
    mask: Annotated[int, Field(ge=1, le=0xFFFF)] | None = None
    step: Literal["unit", "fsd"] | None = None
    range: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    resolution: Annotated[float, Field(gt=0)] | None = None
    signal: Literal["4-20mA"] | None = None
    al1: Value | None = None
    al2: Value | None = None
    sensor: SensorName | None = None
    sentinel: dict[NumberKey, SentinelName] = {}
    expect_every: Every | None = None
    lel: Annotated[float, Field(gt=0, le=100)] | None = None


class PointTable(PointDefaults):
    """`reg`: the register as the maker prints it; where the template is a device map, `channel` and
    `value` (default "gas" for gas points) say instead what is read. `spare`: no detector is
    connected. `head`: the physical detector; the points of one head are one voter. `role`: the part
    that the point plays in its device's equipment model, `of`: the point of the device that it
    belongs to (`role = "panel-al1"`, `of = "ch4-0101"`). `topic`: where a gateway sends a foreign
    payload (after `park/ENTERPRISE/GATEWAY/`), `path`: where in it the value stands (`gas.0.v`;
    absent: the payload is the value), `time_path`: the same for its time, ms UTC. `…_due`: the
    last day on which its verification (检定), calibration (校准) or bump test (标气试验) counts."""

    tag: Name
    zone: Id
    id: Id | None = None
    head: Id | None = None
    reg: Annotated[int, Field(ge=1, le=465_536)] | None = None
    channel: Annotated[int, Field(ge=1, le=4096)] | None = None
    value: Annotated[str, Field(min_length=1, max_length=32)] | None = None
    topic: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    path: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    time_path: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    spare: bool = False
    was: str | None = None
    verification_due: Day | None = None
    calibration_due: Day | None = None
    bump_due: Day | None = None
    role: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    of: Id | None = None
    profile: ProfileName | None = None
    override: OverrideTable | None = None


class RegisterTable(Strict):
    """What a site changes of one entry of a device map; only what is written replaces it."""

    at: Annotated[int, Field(ge=0, le=465_536)] | None = None
    type: TypeName | None = None
    order: OrderName | None = None
    mask: Annotated[int, Field(ge=0, le=0xFFFF)] | None = None
    stride: Annotated[int, Field(ge=0, le=1000)] | None = None
    scale: Annotated[float, Field(gt=0)] | None = None
    offset: float | None = None
    unit: str | None = None
    bits: Bits | None = None
    values: Ranges | None = None
    period_s: Annotated[float, Field(gt=0, le=600)] | None = None


class SelfCheckTable(Strict):
    """A register that always holds `value`, in the word order of the device's points."""

    reg: Annotated[int, Field(ge=1, le=465_536)]
    type: TypeName = "f32"
    value: float


class DeviceDefaults(Strict):
    """What a template may say of a device.

    `points_csv`: a list with points of it, beside the file; its column 设备 names devices.
    `registers`: changes to entries of its device map, by name (`"value.gas" = { at = 40003 }`);
    `shift` moves all of its addresses. `identity`: what the settings that it reports must be
    (`firmware = 21`); those not named are held against what was first seen.

    `model`: what it is; `plate`: its nameplate, in the units of its points; `profile`: which
    set points its gas detectors have (nearest wins: point, device, template, zone).
    `baud` to `data_bits`: of a serial line. `pause`: the least silence between two requests;
    `turnaround`: how long the device thinks before it answers, for the computed round.
    """

    port: Port = 502
    transport: Literal["tcp", "rtu-tcp", "rtu"] = "tcp"
    unit_id: Annotated[int, Field(ge=0, le=255)] = 1
    scan: Scan = "1s"
    timeout: Timeout = "1s"
    max_connections: Annotated[int, Field(ge=1, le=100)] | None = None
    baud: Literal[1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200] = 9600
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1
    data_bits: Literal[7, 8] = 8
    pause: Pause = "0ms"
    turnaround: Pause = "50ms"
    model: ModelName | None = None
    plate: dict[Figure, Value] = {}
    profile: ProfileName | None = None
    registers: dict[str, RegisterTable] = {}
    shift: Annotated[int, Field(ge=-65_535, le=65_535)] = 0
    identity: dict[str, float | str] = {}
    self_check: SelfCheckTable | None = None
    points_csv: str | None = None


def _id_or_each(schema: dict[str, Any]) -> None:
    """For editors: a device has one id or many."""
    schema["required"].remove("id")
    schema["anyOf"] = [{"required": ["id"]}, {"required": ["id_each"]}]


class DeviceTable(DeviceDefaults):
    """`…_each`: as many devices as its `{01..10}` counts, each with its own (lists.expand)."""

    model_config = {**STRICT, "json_schema_extra": _id_or_each}

    id: Id
    id_each: str | None = None
    host_each: str | None = None
    unit_id_each: str | None = None
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


class SuppressionTable(Strict):
    """Suppression by plant state: while `when` is TRUE the `alarms` (ids, or `DEVICE/*:GROUP`) are
    suppressed by design. `names` are what `when` calls points; `override`: what is essential is
    suppressed under a signed one only."""

    name: Name
    when: str
    names: dict[Alias, str] = {}
    alarms: Annotated[list[str], Field(min_length=1)]
    reason: Reason
    override: OverrideTable | None = None


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
    suppression: list[SuppressionTable] = []
