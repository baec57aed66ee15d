"""What pydantic refuses, in words of ours: code, message, reason and cure of each."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from parkwatch.daemon.config.finding import At, Finding, add_key, nearest
from parkwatch.daemon.config.model import Config
from parkwatch.daemon.config.rule_tables import KINDS, kind_of_group, kinds_with
from parkwatch.daemon.config.words import GAP, both

SECRET_KEYS = {"password", "key", "secret", "token", "url"}
_SHOWN_MAX = 40
_RULES = {f"<{kind}>": table for kind, table in KINDS.items()}
_MARKS = ("<list>", "<table>", "[key]", *_RULES)
_TYPES = {
    "string_type": ("须为文本", "must be text", '"…"'),
    "int_type": ("须为整数", "must be a whole number", "1"),
    "float_type": ("须为数", "must be a number", "1.0"),
    "finite_number": ("须为有限的数", "must be a finite number", "1.0"),
    "bool_type": ("须为 true 或 false", "must be true or false", "true | false"),
    "list_type": ("须为数组", "must be an array", "[ … ]"),
    "dict_type": ("须为表", "must be a table", "{ … }"),
    "model_type": ("须为表", "must be a table", "{ … }"),
    "model_attributes_type": ("须为表", "must be a table", "{ … }"),
}
_BOUNDS = {
    "greater_than_equal": ">=",
    "less_than_equal": "<=",
    "greater_than": ">",
    "less_than": "<",
    "too_short": "长度 length",
    "too_long": "长度 length",
    "string_too_short": "长度 length",
    "string_too_long": "长度 length",
}
_ID = both("id 只含 a-z 0-9 . _ - ,至多 64 个", "an id has only a-z 0-9 . _ -, at most 64")


def path_of(error: Mapping[str, Any]) -> At:
    """Where an error of pydantic stands in the file."""
    path = tuple(part for part in error["loc"] if part not in _MARKS)
    return (*path, "kind") if error["type"] == "union_tag_invalid" else path


def refusal(error: Mapping[str, Any]) -> Finding:
    """One error of pydantic as a finding."""
    path = path_of(error)
    name = str(path[-1]) if path else ""
    kind = error["type"]
    misplaced = _misplaced(error, path)
    if misplaced is not None:
        return misplaced
    if kind == "extra_forbidden":
        return Finding(
            "CFG-103",
            path,
            both(f'"{name}" 不是已知的键', f'"{name}" is no known key'),
            both("未知的键若被忽略会误导人", "an ignored key would mislead"),
            nearest(name, _keys(path, error["loc"])) or both("删除该键", "remove it"),
        )
    if kind == "missing":
        return Finding(
            "CFG-105",
            path,
            both(f'缺少 "{name}"', f'"{name}" is missing'),
            both("该表必须有此键", "this table needs it"),
            add_key(name),
        )
    if kind == "name_rule":
        return Finding(
            "CFG-108",
            path,
            error["ctx"]["fault"],
            both("名称会出现在报警短信和大屏上", "names stand in messages and on screens"),
            both("重新输入该名称", "type the name anew"),
        )
    zh, en, fix = _invalid(error)
    if kind == "union_tag_invalid":
        error = {**error, "input": error["ctx"]["tag"].strip("<>")}
    shown = _shown(error.get("input"), path)
    return Finding(
        "CFG-106",
        path,
        both(f"{shown} 无效:{zh}", f"{shown} is invalid: {en}"),
        both("类型或取值不在允许范围内", "its type or value is not allowed here"),
        fix,
    )


def _misplaced(error: Mapping[str, Any], path: At) -> Finding | None:
    """A key or a group of a rule that another kind of rule has; None for anything else."""
    if len(path) != 3 or path[0] != "rule":
        return None
    name = str(path[-1])
    kinds: list[str] = []
    if error["type"] == "extra_forbidden":
        kinds, what = kinds_with(name), f'"{name}"'
    elif error["type"] == "literal_error" and name == "group":
        kinds, what = kind_of_group(str(error["input"])), f'group = "{error["input"]}"'
    if not kinds:
        return None
    mine = next((mark.strip("<>") for mark in error["loc"] if mark in _RULES), "limit")
    owners = " | ".join(kinds)
    return Finding(
        "CFG-127",
        path,
        both(f"{what} 属于 kind {owners}", f"{what} is of kind {owners}"),
        both(f"这条规则的 kind 是 {mine}", f"this rule is of kind {mine}"),
        both(f'删除,或写 kind = "{kinds[0]}"', f'remove it, or write kind = "{kinds[0]}"'),
    )


def _invalid(error: Mapping[str, Any]) -> tuple[str, str, str]:
    """What is wrong in Chinese and English, and the cure."""
    kind, told = error["type"], error.get("ctx", {})
    if kind in _TYPES:
        return _TYPES[kind]
    if kind == "union_tag_invalid":
        fix = nearest(told["tag"].strip("<>"), KINDS) or " | ".join(KINDS)
        return "不是规则的种类", "no kind of rule", fix
    if kind in _BOUNDS:
        bound = f"{_BOUNDS[kind]} {next(iter(told.values()))}"
        return f"须 {bound}", f"must be {bound}", bound
    if kind == "literal_error":
        known = re.findall(r"'([^']*)'", told["expected"]) or [told["expected"]]
        fix = nearest(str(error.get("input")), known) or " | ".join(known)
        return "不在允许的取值中", "not one of the allowed values", fix
    if kind == "string_pattern_mismatch":
        return _pattern(told["pattern"])
    zh, _, en = str(told.get("fault", error["msg"])).partition(GAP)
    return zh, en or zh, both("按手册改写", "write it as the manual shows")


def _pattern(pattern: str) -> tuple[str, str, str]:
    if pattern.startswith("^[a-z0-9]"):
        return "不是合法的 id", "is no legal id", _ID
    if pattern.startswith("^(env:"):
        return "密钥不写在文件里", "secrets are not written here", "env:NAME | file:PATH"
    return f"格式须为 {pattern}", f"must look like {pattern}", pattern


def _shown(value: Any, path: At) -> str:
    if SECRET_KEYS & {str(part) for part in path}:
        return "…"  # Someone may have put the secret itself here: it is not repeated in a log.
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}…"


def _keys(path: At, where: At) -> list[str]:
    """The known keys where an unknown one was found; `where` pydantic found it."""
    model: Any = next((_RULES[str(mark)] for mark in where if mark in _RULES), Config)
    for part in path[:-1]:
        fields = getattr(model, "model_fields", {})
        if isinstance(part, int) or part not in fields:
            continue  # An element of an array, or the id of a table of tables.
        model = _inner(fields[part].annotation)
    return [field.alias or name for name, field in getattr(model, "model_fields", {}).items()]


def _inner(annotation: Any) -> Any:
    if hasattr(annotation, "model_fields"):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _inner(argument)
        if found is not None:
            return found
    return None
