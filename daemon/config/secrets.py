"""Secrets stand in the environment or in a file that only its owner reads, never in the text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from parkwatch.daemon.config.words import both
from parkwatch.rules.fault import Fault

BYTES_MAX = 65_536


class SecretFault(Fault):
    """A secret that cannot be read (CFG-140) or that others can read too (CFG-144)."""


def resolve_secret(reference: str, base: Path, env: Mapping[str, str]) -> str:
    """The text behind `env:NAME` or `file:PATH` (relative to the configuration's folder)."""
    kind, _, name = reference.partition(":")
    if kind == "env":
        if not env.get(name):
            raise SecretFault(
                "CFG-140", both(f"环境变量 {name} 未设置", f"{name} is not set"),
                both(f"设置 {name}", f"set {name}"),
            )  # fmt: skip
        return env[name]
    path = base / name
    try:
        with path.open("rb") as file:
            if path.stat().st_mode & 0o077:
                raise SecretFault(
                    "CFG-144", both(f"{path} 他人可读", f"others can read {path}"),
                    both(f"chmod 600 {path}", f"chmod 600 {path}"),
                )  # fmt: skip
            text = file.read(BYTES_MAX).decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        told = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise SecretFault(
            "CFG-140", both(f"{path} 无法读取: {told}", f"{path} cannot be read: {told}"),
            both("检查路径与权限", "check path and rights"),
        ) from error  # fmt: skip
    if not text:
        raise SecretFault(
            "CFG-140", both(f"{path} 是空的", f"{path} is empty"), both("写入密钥", "fill it")
        )
    return text


def resolve_url(url: str, base: Path, env: Mapping[str, str]) -> str:
    """A URL as written, or the one that a secret reference holds."""
    return resolve_secret(url, base, env) if url.startswith(("env:", "file:")) else url
