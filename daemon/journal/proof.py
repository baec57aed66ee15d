"""An export or a daily signed file checked away from its journal: by record hashes and HMAC."""

from __future__ import annotations

import csv
import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parkwatch.daemon.journal.chain import canonical, key_id, sealer
from parkwatch.daemon.journal.daily import check_daily, sign
from parkwatch.daemon.journal.export import HEAD, TAG, Summary

_CSV_FIELD_MAX = 2**31 - 1
BUMP_TAG = b"parkwatch/bump\n"
"""Before the canonical bytes of a bump test's record in its HMAC."""


@dataclass(frozen=True, slots=True)
class Proof:
    """`bad` is the sequence of the first bad record, 0 where the file as a whole is."""

    ok: bool
    records: int
    bad: int
    what: str


class _Bad(Exception):  # noqa: N818 - a finding on its way up, no error of the program
    def __init__(self, seq: int, what: str) -> None:
        super().__init__(what)
        self.seq, self.what = seq, what


def check_file(path: Path, site_key: bytes, keys: Mapping[str, bytes]) -> Proof:
    """Check a file; `keys` are those of the chain. OSError where it cannot be read."""
    if path.suffix == ".json":
        signed = check_daily(path, site_key)
        return Proof(not signed.what, 0, signed.seq, signed.what or "签名相符 the signature holds")
    summary = Summary({})
    try:
        last = _records(path, summary, keys, site_key)
        _sealed(last, summary, site_key)
    except _Bad as bad:
        return Proof(ok=False, records=summary.count, bad=bad.seq, what=bad.what)
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        after = summary.last
        what = f"第 {after} 条之后不是导出文件 after record {after} it is no export: {error}"
        return Proof(ok=False, records=summary.count, bad=0, what=what)
    what = "各条与签名相符 all records and the signature hold"
    return Proof(ok=True, records=summary.count, bad=0, what=what)


def _records(
    path: Path, summary: Summary, keys: Mapping[str, bytes], site_key: bytes
) -> Mapping[str, Any]:
    """Check each record, and the signature of each bump test; the last line."""
    seals = [sealer(key) for key in keys.values()]
    before = b""
    for row in _jsonl(path) if path.suffix == ".jsonl" else _csv(path):
        if "export" in row:
            return row
        seq, hashed, prev = int(row["seq"]), bytes.fromhex(row["hash"]), bytes.fromhex(row["prev"])
        body = canonical(row["body"])
        kind = str(row["kind"]).encode()
        if all(seal(prev, seq, int(row["time"]), kind, body) != hashed for seal in seals):
            raise _Bad(seq, f"第 {seq} 条被改动,或缺密钥 record {seq} was changed, or a lost key")
        if seq <= summary.last or (seq == summary.last + 1 and before and prev != before):
            raise _Bad(seq, f"第 {seq} 条不接前一条 record {seq} does not follow the one before it")
        if kind == b"bump" and not _tested(row["body"], site_key):
            raise _Bad(seq, f"第 {seq} 条签名不符 the signature of record {seq} is wrong")
        before = hashed
        summary.add([body.decode() if name == "body" else str(row[name]) for name in HEAD])
    raise _Bad(0, "末行缺失:文件被截断 the last line is missing: the file was cut")


def _jsonl(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _csv(path: Path) -> Iterator[Mapping[str, Any]]:
    csv.field_size_limit(_CSV_FIELD_MAX)
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        if tuple(next(rows, ())) != HEAD:
            raise _Bad(0, "不是本程序的导出 no export of this program")
        for row in rows:
            if row and row[0] == "export":
                yield json.loads(row[1])
                return
            named = dict(zip(HEAD, row, strict=True))
            yield {**named, "body": json.loads(named["body"])}


def _tested(body: Mapping[str, Any], site_key: bytes) -> bool:
    """Whether a bump test carries the signature of its site key; of another key nobody can say."""
    if body.get("what") != "test" or body.get("key_id") != key_id(site_key):
        return True
    return hmac.compare_digest(sign(body, site_key, BUMP_TAG), str(body.get("hmac")))


def _sealed(last: Mapping[str, Any], summary: Summary, site_key: bytes) -> None:
    told = {name: last.get(name) for name in ("first", "last", "count", "head", "digest")}
    found = {name: summary.body(site_key)[name] for name in told}
    if not hmac.compare_digest(sign(last, site_key, TAG), str(last["hmac"])):
        raise _Bad(0, "末行签名不符 the signature of the last line is wrong")
    if told != found:
        raise _Bad(0, f"记录有增删:应有 {told['count']} 条 records were added or removed: of"
                      f" {told['count']} there are {found['count']}")  # fmt: skip
