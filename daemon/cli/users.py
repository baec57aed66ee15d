"""`user passwd`: a password becomes the argon2id string that the configuration's file holds."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from argon2 import PasswordHasher

from parkwatch.daemon.cli import output
from parkwatch.daemon.cli.persons import typed_twice
from parkwatch.daemon.config.load import load
from parkwatch.daemon.config.words import both
from parkwatch.daemon.web.passwords import LENGTH_MAX, LENGTH_MIN
from parkwatch.rules.fault import Fault

PREFIX = "file:"


def passwd(options: argparse.Namespace) -> int:
    """Ask for a person's new password twice and write its hash where the configuration reads it."""
    path = options.config or Path("park.toml")
    target = options.file or _named(path, options.id)
    password = typed_twice(options.id)
    if not LENGTH_MIN <= len(password) <= LENGTH_MAX:
        raise Fault(
            "API-422",
            both(f"口令须为 {LENGTH_MIN} 至 {LENGTH_MAX} 个字符",
                 f"a password has {LENGTH_MIN} to {LENGTH_MAX} characters"),
            both("换一个口令", "choose another"),
        )  # fmt: skip
    _write(target, PasswordHasher().hash(password))
    line = f'[people.{options.id}] password = "{PREFIX}{os.path.relpath(target, path.parent)}"'
    if options.json:
        output.document(ok=True, data={"file": str(target), "line": line})
    else:
        print(f"✓ {target}\n{line}\n→ parkwatch config apply")
    return 0


def _named(config: Path, person: str) -> Path:
    """The file that the configuration names for a person, else `secrets/ID.argon2` beside it."""
    loaded = load(config, os.environ)
    people = loaded.config.people if loaded.config is not None else {}
    if loaded.config is not None and person not in people:
        raise Fault("CLI-002", f"没有此人 no such person: {person}", f"[people.{person}]")
    reference = people[person].password if person in people else None
    if reference is not None and reference.startswith(PREFIX):
        return config.parent / reference.removeprefix(PREFIX)
    return config.parent / "secrets" / f"{person}.argon2"


def _write(path: Path, text: str) -> None:
    """Whole or not at all, for its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(made, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    made.replace(path)
