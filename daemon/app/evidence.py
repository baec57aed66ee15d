"""Evidence of a disposition: a text, or a file under `evidence/` that is named with its hash."""

from __future__ import annotations

import hashlib
from pathlib import Path

from parkwatch.rules.fault import Fault

FOLDER = "evidence/"
BYTES_MAX = 32 * 1024 * 1024


def sha256_of(data: Path, evidence: str) -> str:
    """The hash of the file that an evidence names, empty where it is a text.

    Fault API-422 where there is no such file in the data folder, or it is too large.
    """
    if not evidence.startswith(FOLDER):
        return ""
    try:
        folder, path = (data / FOLDER).resolve(), (data / evidence).resolve()
        if path.parent != folder or path.stat().st_size > BYTES_MAX:
            raise _fault(evidence)
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, ValueError) as error:
        raise _fault(evidence) from error


def _fault(evidence: str) -> Fault:
    return Fault(
        "API-422",
        f"没有此依据文件或超过 32 MB no such evidence file, or over 32 MB: {evidence[:80]}",
        "把文件放进数据目录的 evidence/ put the file into evidence/ of the data folder",
    )
