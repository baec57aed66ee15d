"""Commands that need no daemon: `check`, `config schema`, `history`, `version`."""

from __future__ import annotations

import argparse
import json
import math
import os
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from parkwatch.daemon.cli import output
from parkwatch.daemon.config.history import HistoryConfig
from parkwatch.rules.fault import Fault
from parkwatch.rules.quality import status_name

if TYPE_CHECKING:
    from parkwatch.daemon.config.resolve import Resolved


def check(options: argparse.Namespace) -> int:
    """Everything that is wrong with a configuration, at once."""
    from parkwatch.daemon.config.load import load  # noqa: PLC0415 - keeps `--help` fast

    path = options.path or options.config or Path("park.toml")
    loaded = load(path, os.environ, data=options.data)
    errors = loaded.errors
    code = 3 if errors else 1 if options.strict and loaded.problems else 0
    if options.json:
        output.document(ok=code == 0, errors=[output.problem_json(p) for p in loaded.problems])
        return code
    output.problems(loaded.problems)
    if loaded.config is not None and not errors:
        points = sum(len(device.points) for device in loaded.config.device)
        print(f"✓ {points} 点 points, {len(loaded.config.device)} 设备 devices")
    warnings = len(loaded.problems) - len(errors)
    if loaded.problems:
        print(f"{len(errors)} 错误 errors, {warnings} 警告 warnings")
    return code


def schema(_options: argparse.Namespace) -> int:
    """The configuration's JSON Schema, for editors."""
    from parkwatch.daemon.config.model import Config  # noqa: PLC0415 - keeps `--help` fast

    print(json.dumps(Config.model_json_schema(by_alias=True), ensure_ascii=False, indent=2))
    return 0


def history_query(options: argparse.Namespace) -> int:
    """The readings of a point in a span, thinned with their extremes kept."""
    from parkwatch.daemon.history.reader import open_reader  # noqa: PLC0415 - `--help` is fast

    reader = open_reader(_history(options), options.data)
    found = reader.query(options.id, options.since, options.until, options.n)
    reader.close()
    rows = [
        {"time": str(t), "value": None if math.isnan(v) else v, "quality": status_name(q)}
        for t, v, q in zip(
            found.time.tolist(), found.value.tolist(), found.quality.tolist(), strict=True
        )
    ]
    if options.json:
        output.document(ok=True, data=rows)
    else:
        output.table(
            ("time", "value", "quality"),
            [tuple(str(cell) for cell in r.values()) for r in rows],
        )
    return 0


def version(options: argparse.Namespace) -> int:
    """The version that is installed."""
    number = metadata.version("parkwatch")
    if options.json:
        output.document(ok=True, data={"version": number})
    else:
        print(f"parkwatch {number}")
    return 0


def run(options: argparse.Namespace) -> int:
    """The daemon itself."""
    from parkwatch.daemon.app.main import run as serve  # noqa: PLC0415 - keeps `--help` fast
    from parkwatch.daemon.config.applied import Refused  # noqa: PLC0415

    here = Path("park.toml")
    config = options.config or (here if here.exists() else None)
    try:
        return serve(config, options.data, strict=options.strict)
    except Refused as refused:
        none = ("CFG-100", "没有配置 no configuration", "parkwatch run -c park.toml")
        if options.json:
            errors = [output.problem_json(p) for p in refused.problems]
            output.document(ok=False, errors=errors or [output.fault_json(*none)])
            return 3
        output.problems(refused.problems)
        if not refused.problems:
            output.fault(*none)
        return 3


def applied_config(data: Path) -> Resolved | None:
    """What a data folder's last applied configuration says; None where none was applied."""
    from parkwatch.daemon.config.applied import Refused, choose  # noqa: PLC0415
    from parkwatch.daemon.config.resolve import resolve  # noqa: PLC0415

    try:
        loaded = choose(None, data, os.environ, strict=False).loaded
    except Refused:
        return None
    assert loaded.config is not None
    return resolve(loaded.config, loaded.path.parent, os.environ, data)


def _history(options: argparse.Namespace) -> HistoryConfig:
    """Where the readings of a data folder are kept. Fault API-404 for a point it does not know."""
    resolved = applied_config(options.data)
    if resolved is None:
        return HistoryConfig()  # Only the embedded store can be there.
    if all(point.id != options.id for point in resolved.site.points):
        what = f"没有此点位 no such point: {options.id}"
        raise Fault("API-404", what, "核对编号 check the id: parkwatch points list")
    return resolved.history
