"""Secrets stand in the environment or in a file that only its owner reads, never in the text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from parkwatch.rules.fault import Fault


class SecretFault(Fault):
    """A secret that cannot be read."""


def resolve_secret(reference: str, base: Path, env: Mapping[str, str]) -> str:
    """The text behind `env:NAME` or `file:PATH` (relative to the configuration's folder)."""
    kind, _, name = reference.partition(":")
    if kind == "env":
        if name not in env:
            raise SecretFault("CFG-140", f"环境变量 {name} 未设置 is not set", f"设置 set {name}")
        return env[name]
    path = base / name
    try:
        if path.stat().st_mode & 0o077:
            raise SecretFault("CFG-140", f"{path} 他人可读 others can read it", f"chmod 600 {path}")
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SecretFault(
            "CFG-140", f"{path} 无法读取 cannot be read: {error.strerror}", "检查路径 check it"
        ) from error


def resolve_url(url: str, base: Path, env: Mapping[str, str]) -> str:
    """A URL as written, or the one that a secret reference holds."""
    return resolve_secret(url, base, env) if url.startswith(("env:", "file:")) else url
