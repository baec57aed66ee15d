"""`config apply` and `config diff`: make a configuration the one that runs, or say what it would
change and ask for.

A running daemon is asked through its live socket; on a stopped one the folder's lock is held.
"""

from __future__ import annotations

import argparse
import getpass
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parkwatch.daemon.cli import output
from parkwatch.daemon.cli.persons import authenticate
from parkwatch.daemon.config import applied
from parkwatch.daemon.config.changes import ended, need_two
from parkwatch.daemon.config.changes.kinds import KINDS
from parkwatch.daemon.config.load import Loaded, load
from parkwatch.daemon.config.words import both
from parkwatch.daemon.pipeline.link import call_once
from parkwatch.daemon.store.lock import FolderLock
from parkwatch.rules.fault import Fault, Problem

if TYPE_CHECKING:
    from parkwatch.daemon.app.change import Running

EXIT_OK, EXIT_CONFIG = 0, 3
APPLY_S = 120.0
"""A park of 100,000 points is read, checked and compared in that."""


def run(options: argparse.Namespace) -> int:
    """0 applied, 3 invalid; Faults CFG-180 to CFG-187 where it is refused."""
    from parkwatch.daemon.app import stopped  # noqa: PLC0415 - a running daemon does it itself
    from parkwatch.daemon.app.change import Request  # noqa: PLC0415

    loaded = _valid(options)
    if loaded is None:
        return EXIT_CONFIG
    persons = _persons(options, stopped.running(options.data).loaded)
    user = f"cli:{getpass.getuser()}"
    lock = _lock(options.data)
    if lock is None:
        told = _ask(options, loaded, persons, user)
        if "invalid" in told:
            return _invalid(options, [Problem(**each) for each in told["invalid"]])
    else:
        try:
            asked = Request(loaded, persons, user, options.reason, options.close)
            told = stopped.apply(asked, options.data)
        finally:
            lock.release()
    if options.json:
        output.document(ok=True, data=told)
        return EXIT_OK
    _print(told["changes"])
    print(" ".join(f"{name} {len(told[name])}" for name in ("added", "removed", "changed")))
    for alarm in told["closed"]:
        print(f"已关闭 closed {alarm}")
    if "paused_ms" in told:
        print(f"停评 not evaluated {told['paused_ms']:.0f} ms")
    return EXIT_OK


def diff(options: argparse.Namespace) -> int:
    """0 nothing differs, 1 something does, 3 invalid: every change, and what it would need."""
    from parkwatch.daemon.app import change, stopped  # noqa: PLC0415 - as above

    loaded = _valid(options)
    if loaded is None:
        return EXIT_CONFIG
    running = stopped.running(options.data)
    changes = change.compared(loaded, running, options.data)
    stands = sorted(ended(changes, _open_alarms(options.data, running)))
    needs = "two" if need_two(changes) or stands else "one"
    if options.json:
        data = {
            "changes": [each.body() for each in changes], "needs": needs, "close": stands,
            "old": running.sha256, "new": applied.digest(loaded.sources),
        }  # fmt: skip
        output.document(ok=True, data=data)
        return int(bool(changes))
    _print([each.body() for each in changes])
    if changes:
        two = both("须两人与原因", "two persons and a reason")
        print(f"{len(changes)} 处 changes; {two if needs == 'two' else both('一人', 'one person')}")
    for alarm in stands:
        print(f"! {both('未恢复正常,须 --close', 'not normal, it takes --close')}: {alarm}")
    return int(bool(changes))


def _valid(options: argparse.Namespace) -> Loaded | None:
    """The file where it has no error; else its problems are printed. Fault CFG-180 where no daemon
    has ever run."""
    loaded = load(options.config or Path("park.toml"), os.environ, data=options.data)
    if loaded.errors or loaded.config is None:
        _invalid(options, loaded.problems)
        return None
    if not (options.data / "journal.db").exists():
        raise Fault(
            "CFG-180",
            both("该目录尚无守护进程运行过", "no daemon has run on this folder yet"),
            both(
                "首次启动即应用:parkwatch run -c …", "the first start applies: parkwatch run -c …"
            ),
        )
    return loaded


def _invalid(options: argparse.Namespace, problems: Sequence[Problem]) -> int:
    if options.json:
        output.document(ok=False, errors=[output.problem_json(p) for p in problems])
    else:
        output.problems(problems)
    return EXIT_CONFIG


def _persons(options: argparse.Namespace, running: Loaded) -> tuple[str, ...]:
    """Who answers for it, each by the password that the running configuration knows: the new file
    cannot name its own witnesses."""
    persons = tuple(name for name in (options.person, options.second) if name)
    people = running.config.people if running.config is not None else {}
    for name in persons:
        if name not in people:
            raise Fault(
                "AUT-404",
                both(f"运行中的配置没有 {name}", f"the running configuration has no {name}"),
                both("核对 people", "see its people"),
            )
    if persons:
        authenticate(running, options.data, persons)
    return persons


def _lock(data: Path) -> FolderLock | None:
    """The folder's lock; None while a daemon holds it."""
    try:
        return FolderLock(data / "run" / "daemon.lock")
    except Fault as fault:
        if fault.code != "SYS-104":
            raise
        return None


def _ask(
    options: argparse.Namespace, loaded: Loaded, persons: tuple[str, ...], user: str
) -> dict[str, Any]:
    told: dict[str, Any] = call_once(
        options.data / "run" / "live.sock", "apply", deadline_s=APPLY_S,
        sources=[{"name": each.name, "text": each.text} for each in loaded.sources],
        origin=str(loaded.path.resolve()), persons=list(persons), user=user,
        reason=options.reason, close=options.close,
    )  # fmt: skip
    return told


def _open_alarms(data: Path, running: Running) -> list[str]:
    """Alarms that are not normal: of the running daemon, else as the journal says."""
    from parkwatch.daemon.app.stopped import open_alarms  # noqa: PLC0415 - see `diff`

    lock = _lock(data)
    if lock is None:
        items = call_once(data / "run" / "live.sock", "alarms")["items"]
        return [str(item["id"]) for item in items]
    try:
        return open_alarms(data, running)
    finally:
        lock.release()


def _print(changes: Iterable[Mapping[str, Any]]) -> None:
    for each in changes:
        kind = KINDS[each["kind"]]
        key = f" {each['key']}" if each["key"] else ""
        mark = "!" if kind.two else " "
        print(f"{mark} {kind.word} {each['about']}{key}: {each['old']} → {each['new']}")
