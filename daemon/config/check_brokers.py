"""Brokers: their certificates can be used, and what declared paths read is theirs to read."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from parkwatch.daemon.config.brokers import path_of
from parkwatch.daemon.config.finding import UNSAFE, At, Context, Finding, missing
from parkwatch.daemon.config.model import BrokerTable, DeviceTable, PointTable
from parkwatch.daemon.config.template import root
from parkwatch.daemon.config.words import both

_LOCAL = ("127.0.0.1", "::1", "localhost")
_OURS = ("readings", "status", "points")
_OF_A_TOPIC = ("path", "time_path")


def findings(context: Context) -> Iterator[Finding]:
    """Every finding about brokers, and about points that read a foreign payload."""
    for name, broker in context.config.broker.items():
        at = ("broker", name)
        yield from _tls(context, broker, at)
        if not broker.tls and broker.host not in _LOCAL:
            yield Finding(
                "LINT-014",
                at,
                both("代理连接未加密", "the link to the broker is not encrypted"),
                both("口令与读数可被窃听", "password and readings can be overheard"),
                "tls = true",
                "warning",
            )
    taken: dict[tuple[str, ...], str] = {}
    for number, device in enumerate(context.devices):
        shipped = root(context.config, device)
        for index, point in enumerate(device.points):
            path = ("device", number, "points", index)
            wire = shipped.wire if shipped is not None else "mqtt"
            yield from _point(device, point, path, wire, taken)
    yield from _unsigned(context)


def _tls(context: Context, broker: BrokerTable, at: At) -> Iterator[Finding]:
    for key in ("ca", "cert", "key"):
        if getattr(broker, key) is not None and not broker.tls:
            yield Finding(
                "CFG-230",
                (*at, key),
                both(f"未启用 TLS, {key} 无效", f"without TLS {key} has no effect"),
                both("连接不会加密", "the link would not be encrypted"),
                "tls = true",
            )
    if not broker.tls:
        return
    if broker.cert is not None and broker.key is None:
        yield missing((*at, "cert"), "key")
    if broker.key is not None and broker.cert is None:
        yield missing((*at, "key"), "cert")
    base = context.base
    if broker.ca is not None:
        yield from _usable((*at, "ca"), broker.ca, ca=path_of(base, broker.ca))
    if broker.cert is not None and broker.key is not None:
        files = path_of(base, broker.cert), path_of(base, broker.key)
        yield from _usable((*at, "cert"), f"{broker.cert}, {broker.key}", files=files)


def _usable(
    path: At, written: str, *, ca: str = "", files: tuple[str, str] | None = None
) -> Iterator[Finding]:
    """Whether TLS can work with a file, or with a certificate and its key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if ca:
            context.load_verify_locations(ca)
        if files is not None:
            # A key that asks for a password would stop a start in the night.
            context.load_cert_chain(*files, password=lambda: "")
    except OSError as error:
        told = error.strerror or str(error)
        yield Finding(
            "CFG-231",
            path,
            both(f"{written} 不可用: {told}", f"{written} cannot be used: {told}"),
            both("将无法连接代理", "there would be no connection to the broker"),
            both("须为 PEM 文件,密钥与证书成对且无口令", "PEM files; key and certificate fit, "
                 "and the key has no password"),
        )  # fmt: skip


def _point(
    device: DeviceTable,
    point: PointTable,
    path: At,
    wire: str,
    taken: dict[tuple[str, ...], str],
) -> Iterator[Finding]:
    """Declared paths of one point; `taken`: who reads what."""
    if point.topic is None:
        for key in _OF_A_TOPIC:
            if getattr(point, key) is not None:
                yield missing((*path, key), "topic")
        return
    if wire != "mqtt":
        yield Finding(
            "CFG-125",
            (*path, "topic"),
            both(f"{wire} 设备没有 topic", f"a device on {wire} has no topic"),
            both("它不会有任何作用", "it would have no effect"),
            both("删除此键,或改模板", "remove it, or name another template"),
        )
        return
    if _is_ours(point.topic):
        yield Finding(
            "CFG-232",
            (*path, "topic"),
            both(f'"{point.topic}" 不能作主题', f'"{point.topic}" cannot be a topic here'),
            UNSAFE,
            both("写 park/企业/网关/ 之后的部分,不含 + #,不用 readings status points r/",
                 "what follows park/ENTERPRISE/GATEWAY/, without + and #; readings, status, "
                 "points and r/ have their own shape"),
        )  # fmt: skip
        return
    place = (device.enterprise, device.gateway or "", point.topic, point.path or "")
    other = taken.setdefault(place, point.tag)
    if other != point.tag:
        yield Finding(
            "CFG-118",
            (*path, "path" if point.path else "topic"),
            both(f"与 {other} 读同一处", f"it reads what {other} reads"),
            both("两点读到同一个数", "two points would show one number"),
            both("核对网关的报文", "check what the gateway sends"),
        )


def _is_ours(topic: str) -> bool:
    """Whether a declared topic is none, or one whose shape is fixed."""
    levels = topic.split("/")
    return (
        any(level in ("", "+", "#") for level in levels)
        or any(c in topic for c in "+#")
        or not topic.isprintable()
        or levels[0] == "r"
        or topic in _OURS
    )


def _unsigned(context: Context) -> Iterator[Finding]:
    """Where an enterprise has a key, what is not sealed is refused, foreign shapes too."""
    for number, device in enumerate(context.devices):
        owner = context.config.enterprise.get(device.enterprise)
        foreign = [n for n, point in enumerate(device.points) if point.topic is not None]
        if foreign and owner is not None and owner.key is not None:
            yield Finding(
                "LINT-060",
                ("device", number, "points", foreign[0], "topic"),
                both("此企业设有 key:报文须带 mac", "with a key payloads need a mac"),
                both("外来报文通常不签名,将被拒收", "foreign payloads are rarely sealed: refused"),
                both("由网关签名,或改接无 key 的企业", "let the gateway seal them"),
                "warning",
            )
