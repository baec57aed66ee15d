"""Persons who answer for something on this host: each types the password."""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from parkwatch.daemon.config.applied import choose
from parkwatch.daemon.config.load import Loaded
from parkwatch.daemon.config.secrets import SecretFault, resolve_secret
from parkwatch.daemon.config.words import both
from parkwatch.daemon.web.passwords import Passwords
from parkwatch.rules.fault import Fault


def signed(data: Path, persons: Sequence[str]) -> list[dict[str, str]]:
    """Persons of the running configuration, each by the password: id, role, enterprise (empty: the
    park's). Fault CLI-002 for one that is nobody, AUT-401 and AUT-404 as `authenticate`."""
    if not persons:
        return []
    loaded = choose(None, data, os.environ, strict=False).loaded
    people = loaded.config.people if loaded.config is not None else {}
    for name in persons:
        if name not in people:
            what = f"没有此人 no such person: {name}"
            raise Fault("CLI-002", what, "核对 people check the id")
    authenticate(loaded, data, persons)
    return [
        {"id": name, "role": people[name].role, "enterprise": people[name].enterprise or ""}
        for name in persons
    ]


def authenticate(loaded: Loaded, data: Path, persons: Sequence[str]) -> None:
    """All passwords are right; every one is asked for before any is judged. `persons` are of
    people. Fault AUT-401 for a wrong one, AUT-404 for a person without one."""
    checker = Passwords(data / "secrets" / "passwords.json")
    stored = [_stored(loaded, checker, person) for person in persons]
    given = _passwords(persons)

    async def judge() -> list[bool]:
        pairs = zip(stored, given, strict=True)
        return [await checker.check(person, password) for person, password in pairs]

    wrong = [p for p, good in zip(persons, asyncio.run(judge()), strict=True) if not good]
    if wrong:
        raise Fault(
            "AUT-401",
            both(f"口令不对: {', '.join(wrong)}", f"the password is wrong: {', '.join(wrong)}"),
            both("各自重新输入", "all type theirs again"),
        )


def _stored(loaded: Loaded, checker: Passwords, person: str) -> dict[str, str]:
    """The person as the verifier knows one. Fault AUT-404 where no password was ever set."""
    config = loaded.config
    assert config is not None
    reference = config.people[person].password
    try:
        base = loaded.path.parent
        password = resolve_secret(reference, base, os.environ) if reference else ""
    except SecretFault as fault:
        raise Fault("AUT-404", f"{person}: {fault.what}", fault.remedy) from fault
    known = {"id": person, "password": password}
    if not checker.stored(known):
        raise Fault(
            "AUT-404",
            both(f"{person} 没有口令", f"{person} has no password"),
            f'[people.{person}] password = "file:…"',
        )
    return known


def _passwords(persons: Sequence[str]) -> list[str]:
    """From the terminal without echo, else the first lines of what is piped in."""
    if sys.stdin.isatty():
        return [getpass.getpass(f"口令 password ({person}): ") for person in persons]
    return [sys.stdin.readline().rstrip("\r\n") for _ in persons]


def typed_twice(person: str) -> str:
    """A new password. Fault AUT-401 where the two differ."""
    first, second = _passwords((person, person))
    if first != second:
        raise Fault(
            "AUT-401", both("两次输入不同", "the two differ"), both("重新输入", "type it again")
        )
    return first
