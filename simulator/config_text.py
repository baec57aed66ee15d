"""The demo's configuration, written out from the layout in the daemon's own format."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from argon2 import PasswordHasher

from parkwatch.simulator.layout import (
    BROKER,
    ENTERPRISE,
    ENTERPRISE_NAME,
    PARK,
    DeviceSpec,
    Layout,
    Shape,
    Signal,
)

MQTT_USER = "parkwatch"
PASSWORD_BYTES = 9
COMBUSTIBLE = frozenset({"CH4", "C3H8", "C2H4", "H2", "GASOLINE"})
"""Gases of which a channel has to say what sensor reads them."""
SCRIPTED = "zhangwei"
"""Who the scripted person logs in as: a shift lead, as the demo's browser is."""


@dataclass(frozen=True, slots=True)
class Member:
    """A person of the demo; `account`: has a password."""

    id: str
    name: str
    role: str
    phone: str
    duties: tuple[str, ...] = ()
    park: bool = False
    account: bool = False


PEOPLE = (
    Member("zhangwei", "张伟", "shift-lead", "13800000001", ("operation-owner",), account=True),
    Member("liqiang", "李强", "operator", "13800000002", account=True),
    Member("wangfang", "王芳", "safety", "13800000003", ("safety-head",)),
    Member("zhaomin", "赵敏", "technician", "13800000004", ("technical-owner", "maintenance")),
    Member("chengang", "陈刚", "enterprise", "13800000005", ("main-owner",)),
    Member("zhoujie", "周洁", "on-call", "13800000006", ("park-duty",), park=True),
)
CHAIN = {
    "red": '[["zhangwei", "liqiang", "duty:safety-head"], { after = "3m", call = ["chengang"] }]',
    "orange": '[["zhangwei", "liqiang"], { after = "3m", call = ["duty:safety-head"] }]',
    "yellow": '[["zhangwei", "liqiang"], { after = "10m", call = ["duty:safety-head"] }]',
    "blue": '[["liqiang"]]',
}


@dataclass(frozen=True, slots=True)
class Rule:
    """A `[[rule]]`: a limit that no gas table knows. Delays as the configuration writes them."""

    point: str
    group: str
    level: int
    limit: float
    grade: str
    deadband: float = 0.0
    on_delay: str = "0s"
    off_delay: str = "0s"
    latch: bool = False
    clause: str = ""


_LEVEL = "锅炉水位 ±50 mm 预警、±75 mm 极限(示例)"
_VALVE = "安全阀整定 1350 kPa、设计 1600 kPa(示例)"
_TRIP = "联锁动作(示例)"
_BYPASS = "旁路投用须提示(示例)"


def _rules() -> Iterator[Rule]:
    level, pressure = "boiler-1/level", "boiler-1/pressure"
    yield Rule(level, "high", 1, 50, "yellow", 10, "15s", "15s", clause=_LEVEL)
    yield Rule(level, "high", 2, 75, "orange", 10, "2s", "15s", latch=True, clause=_LEVEL)
    yield Rule(level, "low", 1, -50, "yellow", 10, "15s", "15s", clause=_LEVEL)
    yield Rule(level, "low", 2, -75, "orange", latch=True, clause=_LEVEL)
    yield Rule(pressure, "high", 1, 1275, "yellow", 12, "15s", "15s", clause=_VALVE)
    yield Rule(pressure, "high", 2, 1350, "orange", 25, "2s", latch=True, clause=_VALVE)
    yield Rule(pressure, "high", 3, 1600, "red", 25, latch=True, clause=_VALVE)
    yield Rule("boiler-1/flame-fail", "state", 1, 1, "orange", latch=True, clause="熄火保护(示例)")
    for n in range(201, 205):
        yield Rule(f"esd-1/trip-{n}", "state", 1, 1, "red", latch=True, clause=_TRIP)
    for n in (201, 202):
        yield Rule(f"esd-1/bypass-{n}", "state", 1, 1, "yellow", off_delay="10s", clause=_BYPASS)


@dataclass(frozen=True, slots=True)
class Wiring:
    """Where the demo's parts are, and where its secrets stand.

    `phone_url`: apprise URL, `json://127.0.0.1:PORT/`. `secrets`: name (`mqtt`, a person's id) to
    `file:PATH` or `env:NAME`.
    """

    modbus_port: int
    mqtt_port: int
    phone_url: str
    secrets: Mapping[str, str]
    bind: str = "127.0.0.1:8080"
    host: str = "127.0.0.1"


def demo_config(layout: Layout, wiring: Wiring) -> str:
    """The whole configuration as TOML text."""
    blocks = [
        _table("", {"schema": 1}),
        _table("[park]", {"name": PARK, "tz": "Asia/Shanghai"}),
        _table("[console]", {"bind": wiring.bind}),
        _broker(wiring),
        *(_person(member, wiring) for member in PEOPLE),
        _table("[channel.work]", {"kind": "apprise", "url": wiring.phone_url, "per_minute": 600}),
        "[chain.default]\n" + "".join(f"{k} = {v}\n" for k, v in CHAIN.items()),
        _table(f"[enterprise.{ENTERPRISE}]", {"name": ENTERPRISE_NAME}),
        *(
            _table(
                f"[zone.{zone.id}]",
                {"enterprise": ENTERPRISE, "name": zone.name, "risk": zone.risk,
                 "chain": "default"},
            )
            for zone in layout.zones
        ),
        *(_device(device, layout, wiring) for device in layout.devices),
        *(_rule(rule) for rule in _rules()),
    ]  # fmt: skip
    return "\n".join(blocks)


def _broker(wiring: Wiring) -> str:
    return _table(
        f"[broker.{BROKER}]",
        {
            "host": wiring.host,
            "port": wiring.mqtt_port,
            "user": MQTT_USER,
            "password": wiring.secrets["mqtt"],
            "client_id": "parkwatch-demo",
        },
    )


def _person(member: Member, wiring: Wiring) -> str:
    keys: dict[str, object] = {"name": member.name, "role": member.role, "phone": member.phone}
    if not member.park:
        keys["enterprise"] = ENTERPRISE
    if member.duties:
        keys["duties"] = list(member.duties)
    keys["channels"] = ["work"]
    if member.account:
        keys["password"] = wiring.secrets[member.id]
    return _table(f"[people.{member.id}]", keys)


def _device(device: DeviceSpec, layout: Layout, wiring: Wiring) -> str:
    keys: dict[str, object] = {
        "id": device.id,
        "enterprise": ENTERPRISE,
        "template": device.template,
    }
    if device.gateway:
        keys |= {"broker": BROKER, "gateway": device.gateway}
    else:
        keys |= {"host": wiring.host, "port": wiring.modbus_port, "unit_id": device.unit_id}
    rows = "".join(f"  {_inline(_point(s))},\n" for s in layout.of(device.id))
    return _table("[[device]]", keys) + f"points = [\n{rows}]\n"


def _point(signal: Signal) -> dict[str, object]:
    """Only what the daemon cannot know: defaults of gas table and format are left out."""
    keys: dict[str, object] = {"tag": signal.tag}
    if signal.id != signal.tag.lower():
        keys["id"] = signal.id
    keys["zone"] = signal.zone
    keys |= {"gas": signal.gas} if signal.gas else {"kind": signal.kind}
    if signal.gas in COMBUSTIBLE:
        keys["sensor"] = "ir"
    if signal.unit:
        keys["unit"] = signal.unit
    if signal.reg:
        keys["reg"] = signal.reg
        if signal.type != "u16" or signal.gas:
            keys["type"] = signal.type
        if signal.scale != 1:
            keys["scale"] = signal.scale
    if signal.shape is not Shape.STATE:
        keys |= {"range": [_short(signal.low), _short(signal.high)]}
        keys["resolution"] = _short(signal.resolution)
    return keys


def _short(value: float) -> float | int:
    return int(value) if float(value).is_integer() else value


def _rule(rule: Rule) -> str:
    keys: dict[str, object] = {
        "point": f"{ENTERPRISE}/{rule.point}",
        "group": rule.group,
        "level": rule.level,
        "limit": rule.limit,
        "grade": rule.grade,
        "deadband": rule.deadband,
        "on_delay": rule.on_delay,
        "off_delay": rule.off_delay,
        "latch": rule.latch,
        "clause": rule.clause,
    }
    return _table("[[rule]]", keys)


def _table(head: str, keys: Mapping[str, object]) -> str:
    return "".join([f"{head}\n" if head else "", *(f"{k} = {_toml(v)}\n" for k, v in keys.items())])


def _inline(keys: Mapping[str, object]) -> str:
    return "{ " + ", ".join(f"{k} = {_toml(v)}" for k, v in keys.items()) + " }"


def _toml(value: object) -> str:
    """JSON and TOML write these alike: text, numbers, booleans, lists."""
    return json.dumps(value, ensure_ascii=False)


def secret_references(folder: Path | None) -> dict[str, str]:
    """Where each secret is read from: files of a folder, or variables where there is none."""
    names = ["mqtt", *(member.id for member in PEOPLE if member.account)]
    if folder is None:
        return {name: f"env:PARKWATCH_DEMO_{name.upper()}" for name in names}
    return {name: f"file:{folder / _secret_file(name)}" for name in names}


def _secret_file(name: str) -> str:
    return "mqtt.password" if name == "mqtt" else f"{name}.argon2"


def write_secrets(folder: Path) -> None:
    """New random secrets of one demo, readable by the owner only: `mqtt.password`, and for each
    account `PERSON.password` (what is typed) and `PERSON.argon2` (what the daemon keeps).

    What is there already stays, so that a second call agrees with the first.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_once(folder / "mqtt.password", secrets.token_urlsafe(PASSWORD_BYTES))
    for member in PEOPLE:
        if member.account:
            typed = folder / f"{member.id}.password"
            _write_once(typed, secrets.token_urlsafe(PASSWORD_BYTES))
            kept = folder / f"{member.id}.argon2"
            if not kept.exists():
                _write_once(kept, PasswordHasher().hash(typed.read_text("utf-8")))


def _write_once(path: Path, text: str) -> None:
    if path.exists():
        return
    path.touch(mode=0o600)
    path.write_text(text, "utf-8")
