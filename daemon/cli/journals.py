"""`parkwatch journal`: verify, show, export, anchor; rotate and resume on a stopped daemon."""

from __future__ import annotations

import argparse
import getpass
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from parkwatch.daemon.cli import output
from parkwatch.daemon.cli.files import applied_config
from parkwatch.daemon.cli.moments import TIME_MAX, time_ns
from parkwatch.daemon.config import site_key
from parkwatch.daemon.config.model import Park
from parkwatch.daemon.journal.anchor import Anchor
from parkwatch.daemon.journal.archive import CURRENT, newest_of
from parkwatch.daemon.journal.journal import Record
from parkwatch.daemon.journal.ready import last_known, witnesses_of
from parkwatch.daemon.journal.rotate import Asked, rotate
from parkwatch.daemon.journal.scan import by_id
from parkwatch.daemon.journal.selection import Selection, selected
from parkwatch.daemon.journal.verify import Witnesses, verify
from parkwatch.daemon.store.database import UNREADABLE, open_reader
from parkwatch.daemon.store.lock import FolderLock
from parkwatch.rules.fault import Fault

if TYPE_CHECKING:
    from parkwatch.daemon.config.resolve import Resolved

POLL_S = 0.25


def run_verify(options: argparse.Namespace) -> int:
    """Recompute the chain and hold it against its anchors; or check an exported file."""
    resolved = applied_config(options.data)
    keys = _keys(options.key_file, resolved)
    if options.file is not None:
        return _verify_file(options, keys)
    given = _witnesses(options.data, resolved, keys[1:])
    if last_known(options.data, given)[0] is None:
        _existing(options.data)
    verdict = verify(options.data, (), keys[0], witnesses=given)
    fields = ("records", "bad", "anchored", "tail", "what")
    data = {name: getattr(verdict, name) for name in fields}
    line = (
        f"{verdict.records} 条 records  {verdict.what}  "
        f"锚点 anchored {verdict.anchored}, 其后 tail {verdict.tail}"
    )
    return _told(options, data, line, ok=verdict.ok)


def _verify_file(options: argparse.Namespace, keys: Sequence[bytes]) -> int:
    from parkwatch.daemon.journal.proof import check_file  # noqa: PLC0415 - seldom needed

    if options.file.suffix not in (".jsonl", ".csv", ".json"):
        raise Fault(
            "CLI-002", f"不能校验 cannot check {options.file.name}", ".jsonl | .csv | .json"
        )
    try:
        proof = check_file(options.file, site_key.read(options.data), by_id(*keys))
    except OSError as error:
        raise Fault("CLI-002", f"{options.file}: {error.strerror}", "--file") from error
    data = {name: getattr(proof, name) for name in ("records", "bad", "what")}
    return _told(options, data, f"{proof.records} 条 records  {proof.what}", ok=proof.ok)


def _told(options: argparse.Namespace, data: dict[str, Any], line: str, *, ok: bool) -> int:
    broken = (
        "JNL-003",
        f"日志损坏 the journal is damaged: {data['what']}",
        "保留此文件作证据,从备份恢复 keep the file as evidence, restore a backup",
    )
    if options.json:
        errors = [] if ok else [output.fault_json(*broken)]
        output.document(ok=ok, data=data, errors=errors)
    else:
        print(f"{'✓' if ok else '✗'} {line}")
        if not ok:
            output.fault(*broken)
    return 0 if ok else 6


def run_show(options: argparse.Namespace) -> int:
    """Records, oldest first: the newest `-n`, or all that are selected by time."""
    if options.follow and options.json:
        raise Fault("CLI-002", "--follow 与 --json 不能并用 not together", "--follow")
    _existing(options.data)
    wanted = _selection(options)
    with _readable():
        if wanted == Selection(kinds=wanted.kinds):
            found = newest_of(options.data, options.n, wanted.kinds)
        else:
            found = _last(selected(options.data, wanted), options.n)
    if options.json:
        output.document(ok=True, data=[_shown(record) for record in found])
        return 0
    for record in found:
        print(json.dumps(_shown(record), ensure_ascii=False))
    if options.follow:
        _follow(options.data, wanted, found)
    return 0


def _last(records: Iterator[Record], n: int) -> list[Record]:
    kept: list[Record] = []
    for record in records:
        kept.append(record)
        if len(kept) > 2 * n:
            del kept[:n]
    return kept[-n:]


def _follow(data: Path, wanted: Selection, shown: Sequence[Record]) -> None:
    """Print what is committed from now on, until interrupted; over a rotation too."""
    with _readable():
        head = newest_of(data, 1)
    since = max(record.seq for record in (*shown, *(() if shown else head)))
    while True:
        with _readable():
            for record in selected(data, wanted, since):
                print(json.dumps(_shown(record), ensure_ascii=False), flush=True)
                since = record.seq
        time.sleep(POLL_S)


def _shown(record: Record) -> dict[str, Any]:
    return {
        "seq": record.seq, "time": str(record.time), "kind": record.kind,
        "body": dict(record.body),
    }  # fmt: skip


def run_export(options: argparse.Namespace) -> int:
    """Write records with their hashes, signed with the site key at the end."""
    from parkwatch.daemon.journal import export  # noqa: PLC0415 - the library for XLSX takes time

    if options.path.suffix not in export.ENDINGS:
        endings = " | ".join(export.ENDINGS)
        raise Fault("CLI-002", f"未知格式 unknown format: {options.path.name}", endings)
    _existing(options.data)
    wanted = _selection(options)
    said = {
        "since": str(wanted.since), "until": str(wanted.until), "point": wanted.point,
        "enterprise": wanted.enterprise, "person": wanted.person, "kinds": list(wanted.kinds),
    }  # fmt: skip
    key = site_key.ensure(options.data)
    with _readable():
        rows = export.rows_of(options.data, selected(options.data, wanted))
        try:
            count = export.write(options.path, rows, _zone(options.data), key, said)
        except OSError as error:
            what = f"无法写出 cannot be written: {options.path}: {error.strerror}"
            raise Fault("CLI-002", what, "核对路径 check the path") from error
    if options.json:
        output.document(ok=True, data={"file": str(options.path), "records": count})
    else:
        print(f"✓ {count} 条 records  {options.path}")
    return 0


def run_anchor(options: argparse.Namespace) -> int:
    """The head as an anchor line: to be kept elsewhere, or read out over the telephone."""
    _existing(options.data)
    with _readable(), closing(open_reader(options.data / CURRENT)) as db:
        query = "SELECT seq, hash, time FROM record ORDER BY seq DESC LIMIT 1"
        head = Anchor(*db.execute(query).fetchone())
    if options.json:
        data = {"seq": head.seq, "hash": head.hash.hex(), "time": str(head.time)}
        output.document(ok=True, data=data)
    else:
        print(f"{head.seq} {head.hash.hex()} {head.time}")
    return 0


def run_rotate(options: argparse.Namespace) -> int:
    """Archive the journal's file and begin a new one, with another key where one is given."""
    from parkwatch.daemon.app.stopped import finish  # noqa: PLC0415 - brings the whole app

    _existing(options.data)
    new = _key(options.new_key_file) if options.new_key_file is not None else None
    with _stopped(options.data):
        finish(options.data)
        resolved = applied_config(options.data)
        keys = _keys(options.key_file, resolved)
        given = _witnesses(options.data, resolved, keys[1:])
        verdict = verify(options.data, (), keys[0], witnesses=given)
        if not verdict.ok:
            return _told(options, {"what": verdict.what}, verdict.what, ok=False)
        asked = Asked(getpass.getuser(), options.reason, new)
        with _readable():
            done = rotate(options.data, keys[0], asked, given.anchors)
    if options.json:
        data = {"archived": str(done.archived), "first": done.first, "last": done.last}
        output.document(ok=True, data=data)
    else:
        print(f"✓ {done.archived}  {done.first} – {done.last}")
    return 0


def run_resume(options: argparse.Namespace) -> int:
    """Go on after the journal was lost: from the last known head, with a record of the gap."""
    from parkwatch.daemon.journal.resume import resume  # noqa: PLC0415 - seldom needed

    with _stopped(options.data):
        resolved = applied_config(options.data)
        keys = _keys(options.key_file, resolved)
        asked = Asked(getpass.getuser(), options.reason)
        with _readable():
            head = resume(
                options.data, keys[0], asked, _witnesses(options.data, resolved, keys[1:])
            )
    if options.json:
        output.document(ok=True, data={"seq": head.seq})
    else:
        print(f"✓ {head.seq}")
    return 0


@contextmanager
def _stopped(data: Path) -> Iterator[None]:
    """Under the folder's lock. Fault SYS-104 while the daemon runs."""
    (data / "run").mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = FolderLock(data / "run" / "daemon.lock")
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _readable() -> Iterator[None]:
    """What cannot be read is Fault JNL-003."""
    try:
        yield
    except UNREADABLE as error:
        raise Fault(
            "JNL-003", f"日志损坏 the journal is damaged: {error}", "parkwatch journal verify"
        ) from error


def _witnesses(data: Path, resolved: Resolved | None, old_keys: Sequence[bytes]) -> Witnesses:
    if resolved is None:
        return Witnesses(old_keys=tuple(old_keys))
    found = witnesses_of(resolved, data)
    return Witnesses(found.anchors, found.daily, found.site_key, tuple(old_keys))


def _keys(paths: Sequence[Path] | None, resolved: Resolved | None) -> list[bytes]:
    """The chain's key first, then older ones: those named, then those of the configuration."""
    named = [_key(path) for path in paths or ()]
    if resolved is None:
        return named or [b""]
    return [*named, resolved.journal_key, *resolved.journal_old_keys]


def _key(path: Path) -> bytes:
    """A key of the chain; a file that cannot be read is a slip of the command."""
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise Fault(
            "CLI-002",
            f"密钥文件无法读取 the key file cannot be read: {path}: {error.strerror}",
            "核对 check --key-file",
        ) from error
    if not key:
        raise Fault("CLI-002", f"密钥文件为空 empty key file: {path}", "openssl rand -hex 32")
    return key


def _selection(options: argparse.Namespace) -> Selection:
    zone = _zone(options.data)
    return Selection(
        since=time_ns(options.since, zone, 0),
        until=time_ns(options.until, zone, TIME_MAX),
        point=options.point,
        enterprise=options.enterprise,
        person=options.person,
        kinds=tuple(options.kind or ()),
    )


def _zone(data: Path) -> ZoneInfo:
    resolved = applied_config(data)
    return ZoneInfo(resolved.tz if resolved is not None else Park.model_fields["tz"].default)


def _existing(data: Path) -> None:
    path = data / CURRENT
    if not path.exists():
        raise Fault(
            "SYS-106", f"没有日志 no journal at {path}", "用 --data 指定数据目录 name the folder"
        )
