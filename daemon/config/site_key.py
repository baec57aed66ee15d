"""The site key: what signatures are made with. 32 random bytes in hex, in a file of its owner.

It lies in the data folder and not beside the configuration: who may edit the one may not sign.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from parkwatch.daemon.config.words import both
from parkwatch.rules.fault import Fault

KEY_BYTES = 32
_CODE = "CFG-191"


def path_in(data: Path) -> Path:
    """Where the key of a data folder is."""
    return data / "secrets" / "site.key"


def read(data: Path | None = None) -> bytes:
    """The key of a data folder.

    Fault CFG-191 where there is none, where others can read it too, or where it is no key.
    """
    if data is None:
        raise _unusable(
            "未指定数据目录,无站点密钥", "no data folder is named: there is no site key"
        )
    path = path_in(data)
    try:
        with path.open("rb") as file:
            shared = os.fstat(file.fileno()).st_mode & 0o077
            key = bytes.fromhex(file.read(4 * KEY_BYTES).decode("ascii").strip())
    except OSError as error:
        told = f"{path}: {error.strerror}"
        raise _unusable(f"站点密钥无法读取 {told}", f"no site key: {told}") from error
    except ValueError as error:  # A UnicodeDecodeError is one.
        raise _unusable(f"{path} 不是密钥", f"{path} holds no key") from error
    if shared:
        raise _unusable(f"{path} 他人可读", f"others can read {path}", f"chmod 600 {path}")
    if len(key) != KEY_BYTES:
        raise _unusable(f"{path} 不是 32 字节", f"{path} is not of 32 bytes")
    return key


def ensure(data: Path) -> bytes:
    """The key of a data folder, made at its first use. Faults of `read`, SYS-108 of a folder that
    cannot be written."""
    path = path_in(data)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _make(path)
    except OSError as error:
        raise Fault(
            "SYS-108",
            both(f"数据目录不可写 {error.filename}", f"cannot be written: {error.filename}"),
            error.strerror or "--data",
        ) from error
    return read(data)


def signing_key(data: Path) -> bytes:
    """The key of a data folder, made at its first use; empty where it cannot be used: then nothing
    is signed, and what has to be is refused."""
    try:
        return ensure(data)
    except Fault:
        return b""


def _make(path: Path) -> None:
    """Whole or not at all: a crash must not leave half a key that refuses every later one."""
    fresh = path.with_name(f".site.key.{secrets.token_hex(8)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as out:
            out.write(f"{secrets.token_hex(KEY_BYTES)}\n")
            out.flush()
            os.fsync(out.fileno())
        path.hardlink_to(fresh)
    except FileExistsError:
        pass  # One is there, and stays.
    finally:
        fresh.unlink()


def _unusable(zh: str, en: str, fix: str = "") -> Fault:
    remedy = both(
        "用 --data 指定签名时的数据目录,或重新签署 parkwatch config override",
        "name with --data the folder it was signed in, or sign anew: parkwatch config override",
    )
    return Fault(_CODE, both(zh, en), fix or remedy)
