"""What no schema sees: names that point nowhere, set points above the law, chains that call no one.

Each finding carries its path in the file, so that its line can be named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from parkwatch.daemon.config import check_brokers, check_devices, check_people, check_secrets
from parkwatch.daemon.config.finding import Context, Finding, missing, nearest, unknown
from parkwatch.daemon.config.template import SHIPPED, layers
from parkwatch.daemon.config.words import both


def findings(context: Context) -> Iterator[Finding]:
    """Every finding of a configuration whose tables are well formed."""
    yield from _unsupported(context)
    yield from _enterprises(context)
    yield from _zones(context)
    yield from _templates(context)
    yield from check_brokers.findings(context)
    yield from check_devices.findings(context)
    yield from check_people.findings(context)
    yield from check_secrets.findings(context)


def _unsupported(context: Context) -> Iterator[Finding]:
    """What the format promises and this version does not do: refused, never ignored."""
    why = both("悄悄忽略会使人误以为有效", "what is silently ignored is believed to work")
    for number, device in enumerate(context.devices):
        for index, point in enumerate(device.points):
            if point.was is not None:
                yield Finding(
                    "CFG-107",
                    ("device", number, "points", index, "was"),
                    both("此版本不支持改名搬移", "this version moves no history by `was`"),
                    why,
                    both("删除 was,作为新点投用", "remove `was`: it is a new point"),
                )


def _enterprises(context: Context) -> Iterator[Finding]:
    if context.declares("enterprise", "system"):
        yield Finding(
            "CFG-110",
            ("enterprise", "system"),
            both('"system" 是保留名', '"system" is reserved'),
            both("系统自身的报警用它", "our own alarms use it"),
            both("换一个 id", "choose another id"),
        )


def _zones(context: Context) -> Iterator[Finding]:
    config = context.config
    used = {(device.enterprise, p.zone) for device in context.devices for p in device.points}
    for zone_id, zone in config.zone.items():
        at = ("zone", zone_id)
        if not context.declares("enterprise", zone.enterprise):
            yield unknown(context, (*at, "enterprise"), zone.enterprise, "enterprise")
        if not context.declares("chain", zone.chain):
            path = (*at, "chain") if "chain" in zone.model_fields_set else at
            yield unknown(context, path, zone.chain, "chain")
        if (zone.enterprise, zone_id) not in used:
            yield Finding(
                "LINT-011",
                at,
                both("区域内没有点", "the zone has no points"),
                both("它永远不会报警", "it will never alarm"),
                both("加点或删除该区域", "give it points or remove it"),
                "warning",
            )
    if config.history.store == "influx" and config.history.influx is None:
        yield missing(("history", "store"), "influx")
    port = int(config.console.bind.rpartition(":")[2])
    if port > 65_535:
        yield Finding(
            "CFG-106",
            ("console", "bind"),
            both(f"端口 {port} 不存在", f"there is no port {port}"),
            both("控制台无法监听", "the console could not listen"),
            both("用 0 至 65535", "use 0 to 65535"),
        )


def _templates(context: Context) -> Iterator[Finding]:
    known = [*SHIPPED, *context.names.get("template", ())]
    tables = context.config.template
    for name, table in tables.items():
        if name in SHIPPED:
            yield _template(
                ("template", name), f'"{name}" 是自带模板', f'"{name}" is a shipped template',
                both("换一个名字", "choose another name"),
            )  # fmt: skip
        elif table.extends not in known:
            yield _no_template(("template", name, "extends"), table.extends, known)
        elif layers(context.config, name)[-1].name not in SHIPPED and not _broken_on_the_way(
            context, name
        ):
            yield _template(
                ("template", name, "extends"), "模板相互引用成环", "the templates form a circle",
                both("让它以自带模板为根", "let it lead to a shipped one"),
            )  # fmt: skip
    counts = Counter(device.template for device in context.devices)
    for number, device in enumerate(context.devices):
        if device.template not in known:
            yield _no_template(("device", number, "template"), device.template, known)
    for name in tables:
        if not counts[name] and all(table.extends != name for table in tables.values()):
            yield Finding(
                "LINT-012",
                ("template", name),
                both("没有设备使用此模板", "no device uses this template"),
                both("可能写错了模板名", "a device may name another by mistake"),
                both("使用或删除", "use it or remove it"),
                "warning",
            )


def _broken_on_the_way(context: Context, name: str) -> bool:
    """Whether the way ends at a name that is reported by itself."""
    last = layers(context.config, name)[-1].table
    extends = getattr(last, "extends", "")
    return extends not in context.config.template


def _no_template(path: tuple[str | int, ...], name: str, known: list[str]) -> Finding:
    fix = nearest(name, known) or " | ".join(known)
    return _template(path, f'没有模板 "{name}"', f'there is no template "{name}"', fix)


def _template(path: tuple[str | int, ...], zh: str, en: str, fix: str) -> Finding:
    why = both("不知用哪种驱动读取", "it is not known which driver reads it")
    return Finding("CFG-150", path, both(zh, en), why, fix)
