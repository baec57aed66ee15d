"""Reading a configuration: everything that is wrong with it, at once, each with file and line."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from parkwatch.daemon.config import check
from parkwatch.daemon.config.model import Config
from parkwatch.daemon.config.positions import line_of, positions
from parkwatch.rules.fault import Problem

_TOML_LINE = re.compile(r"\(at line (\d+), column (\d+)\)")


@dataclass(frozen=True, slots=True)
class Loaded:
    """`config` is None where the file could not be understood; `text` is what was read."""

    config: Config | None
    problems: tuple[Problem, ...]
    text: str
    path: Path

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(p for p in self.problems if p.level == "error")


def load(path: Path, env: Mapping[str, str]) -> Loaded:
    """Read and check a file; never raises for what stands in it. `env` is for `env:` secrets."""
    try:
        data = path.read_bytes()
    except OSError as error:
        return _failed(path, "CFG-100", 0, f"无法读取 cannot be read: {error.strerror}",
                       "检查路径与权限 check path and rights")  # fmt: skip
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return _failed(path, "CFG-101", line, f"不是 UTF-8 not UTF-8{_guess(data)}",
                       "以 UTF-8 另存 save it as UTF-8")  # fmt: skip
    return load_text(text, path, env)


def load_text(text: str, path: Path, env: Mapping[str, str]) -> Loaded:
    """The same for a text that is already read; `path` names it and is the base of `file:`."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _TOML_LINE.search(str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        what = _TOML_LINE.sub("", str(error)).strip()
        return _failed(path, "CFG-102", line, f"TOML 语法错误 syntax: {what}",
                       "修正该行 mend this line", text)  # fmt: skip
    lines = positions(text)
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        problems = tuple(_problems(error, path, lines))
        return Loaded(None, _sorted(problems), text, path)
    found_problems = [
        Problem(f.code, str(path), line_of(lines, f.path), _dotted(f.path), f.message, f.why,
                f.fix, f.level)
        for f in check.findings(config, path.parent, env)
    ]  # fmt: skip
    return Loaded(config, _sorted(found_problems), text, path)


def _problems(
    error: ValidationError, path: Path, lines: Mapping[tuple[str | int, ...], int]
) -> Iterator[Problem]:
    for each in error.errors():
        loc = tuple(part for part in each["loc"] if part not in ("list[str]", "After"))
        code, message, why, fix = _explain(each, loc)
        yield Problem(code, str(path), line_of(lines, loc), _dotted(loc), message, why, fix)


def _explain(each: Any, loc: tuple[str | int, ...]) -> tuple[str, str, str, str]:
    name = loc[-1] if loc else ""
    kind = each["type"]
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(str(name), _keys(loc), 1)
        fix = f"您是否要写 did you mean {near[0]}?" if near else "删除该键 remove it"
        return (
            "CFG-103", f'"{name}" 不是已知的键 unknown key',
            "未知的键会被悄悄忽略,因此拒绝 an ignored key would mislead", fix,
        )  # fmt: skip
    if kind == "missing":
        return (
            "CFG-105", f'缺少 "{name}" is missing', "该表必须有此键 this table needs it",
            f"写上 add {name} = …",
        )  # fmt: skip
    return (
        "CFG-106", f'"{each.get("input")}" 无效 invalid: {each["msg"]}',
        "类型或取值不在允许范围内 its type or value is not allowed here",
        "按手册改写 write it as the manual shows",
    )  # fmt: skip


def _keys(loc: tuple[str | int, ...]) -> list[str]:
    """The known keys where an unknown one was found."""
    model: Any = Config
    for part in loc[:-1]:
        if isinstance(part, int) or not hasattr(model, "model_fields"):
            continue
        field = model.model_fields.get(part)
        if field is None:
            continue  # The id of a table of tables.
        model = _inner(field.annotation)
    return list(getattr(model, "model_fields", {}))


def _inner(annotation: Any) -> Any:
    for argument in reversed(getattr(annotation, "__args__", ())):
        if hasattr(argument, "model_fields"):
            return argument
    return annotation


def _dotted(path: tuple[str | int, ...]) -> str:
    return ".".join(map(str, path))


def _sorted(problems: Any) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda p: (p.file, p.line, p.code)))


def _guess(data: bytes) -> str:
    try:
        data.decode("gb18030")
    except UnicodeDecodeError:
        return ""
    return ",像是 looks like GB18030"


def _failed(path: Path, code: str, line: int, what: str, fix: str, text: str = "") -> Loaded:
    why = "整个文件无法使用 the file cannot be used at all"
    return Loaded(None, (Problem(code, str(path), line, "", what, why, fix),), text, path)
