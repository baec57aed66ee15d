"""`config acl`: the broker's access list, made from the configuration."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from parkwatch.daemon.cli import output
from parkwatch.rules.fault import Fault

_SECRETS = ("CFG-140", "CFG-144")
"""What the machine of the broker need not be able to read."""


def acl(options: argparse.Namespace) -> int:
    """Print it, or with `--users` the users that the broker must know."""
    from parkwatch.daemon.config import acl as made  # noqa: PLC0415 - keeps `--help` fast
    from parkwatch.daemon.config.load import load  # noqa: PLC0415

    loaded = load(options.config or Path("park.toml"), os.environ, data=options.data)
    config = loaded.config
    wrong = [p for p in loaded.errors if p.code not in _SECRETS]
    if config is None or wrong:
        if options.json:
            output.document(ok=False, errors=[output.problem_json(p) for p in wrong])
        else:
            output.problems(wrong)
        return 3
    known = list(config.broker)
    broker = options.broker or (known[0] if len(known) == 1 else "")
    if broker not in config.broker:
        what = f"没有此代理 no such broker: {broker}" if broker else "须指明代理 which broker"
        raise Fault("CFG-233", what, f"--broker {' | '.join(known)}")
    if not config.broker[broker].user:
        what = f"代理 {broker} 没有 user broker {broker} has no user"
        raise Fault("CFG-234", what, f'[broker.{broker}] user = "parkwatch"')
    users = [config.broker[broker].user, *made.gateways(config, broker)]
    text = made.acl(config, broker)
    if options.json:
        output.document(ok=True, data={"users": users, "acl": text})
    else:
        print("\n".join(users) if options.users else text, end="\n" if options.users else "")
    return 0
