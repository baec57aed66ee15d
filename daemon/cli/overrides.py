"""`config override`: two persons sign a set point beyond its legal bound; prints what to paste."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from datetime import date, datetime
from pathlib import Path

from pydantic import ValidationError

from parkwatch.daemon.cli import output
from parkwatch.daemon.cli.persons import authenticate
from parkwatch.daemon.config import site_key
from parkwatch.daemon.config.check_set_points import weak_levels
from parkwatch.daemon.config.equipment import profile_of
from parkwatch.daemon.config.load import load
from parkwatch.daemon.config.model import Config, OverrideTable
from parkwatch.daemon.config.moments import until_ns
from parkwatch.daemon.config.overrides import (
    AHEAD_NS,
    Override,
    beside,
    signers,
    strangers,
)
from parkwatch.daemon.config.resolve_points import point_id
from parkwatch.daemon.config.template import effective
from parkwatch.daemon.config.words import both
from parkwatch.rules.fault import Fault

EXIT_CONFIG = 3


def run(options: argparse.Namespace) -> int:
    """Check both persons, sign, print.

    Fault AUT-401 for a wrong password, AUT-404 for a person without one, CFG-192 and CFG-193 for
    persons and ends that no override may have, API-404 for what does not exist. 3 where the
    configuration cannot be read.
    """
    path = options.config or Path("park.toml")
    loaded = load(path, os.environ, data=options.data)
    config = loaded.config
    if config is None:
        if options.json:
            output.document(ok=False, errors=[output.problem_json(p) for p in loaded.problems])
        else:
            output.problems(loaded.problems)
        return EXIT_CONFIG
    moment = _moment(options.until)
    drawn = _draft(config, options, moment)
    _refuse(drawn, config)
    authenticate(loaded, options.data, (options.person, options.second))
    signature = drawn.signed_by(site_key.ensure(options.data))
    table = drawn.table.model_copy(update={"signature": signature})
    zone = drawn.about.count("/") == 1 and drawn.plant is None
    text = toml("alone" if zone else "override", table)
    if options.json:
        data = {
            "about": drawn.about, "al1": drawn.al1, "al2": drawn.al2, "until": str(drawn.until_ns),
            "reason": table.reason, "persons": table.persons, "signature": signature, "toml": text,
        }  # fmt: skip
        output.document(ok=True, data=data)
    else:
        place = f"[zone.{drawn.about.partition('/')[2]}]" if zone else drawn.about
        print(text)
        print(f"↑ 贴到 paste beside {place}", file=sys.stderr)
    return 0


def toml(key: str, table: OverrideTable) -> str:
    """The override as the configuration writes it."""
    persons = ", ".join(map(_quoted, table.persons))
    return (
        f"{key} = {{ until = {table.until.isoformat()}, reason = {_quoted(table.reason)}, "
        f"persons = [{persons}], signature = {_quoted(table.signature)} }}"
    )


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _moment(text: str) -> date:
    try:
        return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
    except ValueError:
        raise Fault(
            "CLI-002",
            f"--until '{text}' 不是日期 is no date",
            "2026-12-31 | 2026-12-31T18:00:00+08:00",
        ) from None


def _draft(config: Config, options: argparse.Namespace, moment: date) -> Override:
    """The override that is to be signed. Fault API-404 where nothing is called so."""
    try:
        table = OverrideTable(
            until=moment, reason=options.reason, persons=[options.person, options.second]
        )
    except ValidationError as error:
        fault = str(error.errors(include_url=False)[0]["ctx"]["fault"])
        raise Fault("CLI-002", f"--reason {fault}", "--reason 原因") from error
    about, until = str(options.about), until_ns(moment, config.park.tz)
    for plant in config.suppression:
        if about == f"suppression.{plant.name}":
            return beside(plant, table, config.park.tz)
    for name, zone in config.zone.items():
        if about == f"{zone.enterprise}/{name}":
            return Override(about, zone.enterprise, None, None, until, table)
    for device in effective(config):
        for point in device.points:
            if about == f"{device.enterprise}/{device.id}/{point_id(point)}":
                if not weak_levels(point, profile_of(config, device, point)):
                    raise Fault(
                        "CFG-194",
                        both(
                            "限值在法定上限之内,无需签署",
                            "its set points are within their legal bounds",
                        ),
                        both(
                            "先在配置中写好要签署的 al1、al2",
                            "first write the al1 and al2 that are to be signed",
                        ),
                    )
                return Override(about, device.enterprise, point.al1, point.al2, until, table)
    raise Fault(
        "API-404",
        both(f"没有此点位或区域 {about}", f"there is no point or zone {about}"),
        both("写全 id,如", "write the full id, as") + " huadong/panel-1/ch4-0021",
    )


def _refuse(drawn: Override, config: Config) -> None:
    """What `check` would refuse is not signed."""
    now = time.time_ns()
    if not now < drawn.until_ns <= now + AHEAD_NS:
        raise Fault(
            "CFG-193",
            both(f"{drawn.table.until} 不在一年之内", f"{drawn.table.until} is not within a year"),
            "--until 2026-12-31",
        )
    if not signers(drawn, config):
        named = ", ".join(strangers(drawn, config) or drawn.table.persons)
        raise Fault(
            "CFG-192",
            both(
                f"须两个不同的人,至少一人属于园区,另一人属于园区或该企业: {named}",
                f"two different persons, one of the park, the other its or the owner's: {named}",
            ),
            "--person A --second B",
        )
