"""`config show`: the configuration that runs, or every value of a point and where it comes from."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from parkwatch.daemon.app.change import Running
from parkwatch.daemon.app.stopped import running
from parkwatch.daemon.cli import output
from parkwatch.daemon.config.lists.read import column_name
from parkwatch.daemon.config.resolve_points import point_id
from parkwatch.daemon.config.template import effective, layers
from parkwatch.rules.fault import Fault


def run(options: argparse.Namespace) -> int:
    """Print it. Fault API-404 for a point that it does not have, CFG-185 where none was applied."""
    found = running(options.data)
    if options.point:
        return _point(options, found)
    if options.json:
        sources = [{"name": each.name, "text": each.text} for each in found.loaded.sources]
        data = {"sha256": found.sha256, "sources": sources}
        output.document(ok=True, data=data)
        return 0
    for source in found.loaded.sources:
        print(f"# {source.name}  sha256 {found.sha256}\n{source.text}")
    return 0


def _point(options: argparse.Namespace, found: Running) -> int:
    rows = list(_rows(found, options.point))
    if not rows:
        what = f"没有此点位 no such point: {options.point}"
        raise Fault("API-404", what, "核对编号 check the id: parkwatch points list")
    if options.json:
        output.document(ok=True, data=rows)
        return 0
    table = [(row["key"], str(row["value"]), row["from"]) for row in rows]
    output.table(("key", "value", "from"), table)
    return 0


def _rows(found: Running, named: str) -> Iterator[dict[str, Any]]:
    """Key, value and origin: file and line, the template that says it, or the default; then the
    limits that guard it."""
    config = found.loaded.config
    assert config is not None, "it runs"
    for number, device in enumerate(effective(config)):
        way = layers(config, device.template)
        for index, point in enumerate(device.points):
            full = f"{device.enterprise}/{device.id}/{point_id(point)}"
            if named not in (full, point.tag):
                continue
            said = config.device[number].points[index].model_fields_set
            for key, value in point.model_dump(mode="json").items():
                origin = "default"
                if key in said:
                    path = ("device", number, "points", index, key)
                    origin = ":".join(map(str, found.loaded.written.place(path)))
                    column = found.loaded.written.column(path)
                    origin += f" ({column_name(column)})" if column else ""
                else:
                    layer = next((each for each in way if key in each.point()), None)
                    origin = f"template.{layer.name}" if layer is not None else origin
                if value is not None:
                    yield {"key": key, "value": value, "from": origin}
            yield from _limits(found, full)


def _limits(found: Running, point: str) -> Iterator[dict[str, Any]]:
    site = found.resolved.site
    for limit in site.limits:
        if limit.point >= 0 and site.points[limit.point].id == point:
            key = f"{limit.group}.{limit.level}.{limit.kind}"
            yield {"key": key, "value": limit.limit, "from": limit.clause or limit.name}
