"""Written lists: a CSV text that reads back as it was written, replaced only where it is ours."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from parkwatch.daemon.config.lists.reading import Reading
from parkwatch.daemon.config.words import both
from parkwatch.rules.fault import Fault

SCHEMA = 1
_BOM = "\ufeff"


def text(reading: Reading, without: Collection[int] = ()) -> str:
    """The rows as CSV with the headers of written lists, in the order of the sheet; rows `without`
    are left out. Reading and writing it again changes no byte."""
    used = [n for n, head in enumerate(reading.heads) if head.header]
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(reading.heads[n].written for n in used)
    for entry in reading.entries:
        if entry.row in without:
            continue
        keys = {column: key for key, column in reading.columns.items()}
        writer.writerow(
            entry.cells.get(keys[n], "") if n in keys else entry.others.get(n, "") for n in used
        )
    return out.getvalue()


def beside(out: Path) -> Path:
    """Where the site's own column names of a written list are kept. Not as TOML: a folder's TOML
    files are its configuration."""
    return out.with_suffix(".map.json")


def mapping(out: Path) -> dict[str, str]:
    """The column names that the last import of this list was told. Fault CFG-223 where they cannot
    be read."""
    said = _memory(out).get("columns", {})
    return {str(header): str(key) for header, key in said.items()}


def write(out: Path, content: str, columns: Mapping[str, str], *, even_so: bool) -> None:
    """Write the list, whole or not at all, and beside it the column names. Fault CFG-222 where
    something is there that no import wrote, or that somebody has changed since."""
    data = f"{_BOM}{content}".encode()
    if out.exists() and not even_so:
        there = hashlib.sha256(out.read_bytes()).hexdigest()
        if there not in (_memory(out).get("sha256"), hashlib.sha256(data).hexdigest()):
            what = both(f"{out} 已存在,且不是导入所写的原样",
                        f"{out} exists, and is not as an import wrote it")  # fmt: skip
            fix = both("换一个 --out,或 --yes 覆盖", "choose another --out, or --yes replaces it")
            raise Fault("CFG-222", what, fix)
    memory = {
        "schema": SCHEMA, "columns": dict(columns), "sha256": hashlib.sha256(data).hexdigest(),
    }  # fmt: skip
    replace(out, data)
    replace(beside(out), (json.dumps(memory, ensure_ascii=False, indent=1) + "\n").encode())


def replace(path: Path, data: bytes) -> None:
    """The file with these bytes, whole or as it was. Fault SYS-108 where it cannot be written."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError as error:
        what = both(f"无法写入 {path}", f"{path} cannot be written")
        raise Fault("SYS-108", what, error.strerror or "") from error


def _memory(out: Path) -> Mapping[str, Any]:
    path = beside(out)
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        good = said["schema"] == SCHEMA and isinstance(said["columns"], dict)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError):
        good = False
    if not good:
        what = both(f"{path} 已损坏", f"{path} is damaged")
        raise Fault("CFG-223", what, both("删除它并重写 --map", "delete it and say --map again"))
    return dict(said)
