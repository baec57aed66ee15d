"""Many devices as one table: `id_each = "panel-{01..10}"`, `host_each`, `unit_id_each`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from parkwatch.daemon.config.finding import At, Finding
from parkwatch.daemon.config.words import both

KEYS = {"id_each": "id", "host_each": "host", "unit_id_each": "unit_id"}
CODE = "CFG-205"
DEVICES_MAX = 1_000
_COUNT = re.compile(r"(.*)\{(\d{1,6})\.\.(\d{1,6})\}(.*)", re.DOTALL)
_FORM = 'id_each = "panel-{01..10}"'
_WHY = both("不知是哪些设备", "it is not known which devices these are")


def counted(text: str) -> list[str]:
    """What a pattern stands for; ValueError where it does not count.

    >>> counted("panel-{08..10}")
    ['panel-08', 'panel-09', 'panel-10']
    """
    found = _COUNT.fullmatch(text)
    if found is None or "{" in found[1] + found[4]:
        raise ValueError(text)
    first, last, width = int(found[2]), int(found[3]), len(found[2])
    if not 0 <= last - first < DEVICES_MAX:
        raise ValueError(text)
    return [f"{found[1]}{n:0{width}}{found[4]}" for n in range(first, last + 1)]


def devices(device: Mapping[str, Any], at: At, found: list[Finding]) -> Iterator[dict[str, Any]]:
    """The devices that one table of the files means; mistakes are added to `found`."""
    said = {key: device[key] for key in KEYS if isinstance(device.get(key), str)}
    rest = {key: value for key, value in device.items() if key not in said}
    if not said:
        yield rest
        return
    values: dict[str, list[str]] = {}
    for key, text in said.items():
        try:
            values[key] = counted(text)
        except ValueError:
            found.append(
                _bad(at, key, f'"{text}" 不是 {{01..10}} 形式', f'"{text}" counts nothing')
            )
    if "id_each" not in said:
        zh, en = "缺少 id_each", "id_each is missing"
        found.append(_bad(at, next(iter(said)), zh, en))
    for key in said:
        if KEYS[key] in device:
            told = f"{key} 与 and {KEYS[key]}"
            found.append(_bad(at, key, f"{told} 只能写一个", f"{told}: one of them"))
    lengths = {len(each) for each in values.values()}
    if len(lengths) > 1:
        told = ", ".join(f"{key} {len(each)}" for key, each in values.items())
        found.append(_bad(at, "id_each", f"个数不等: {told}", f"they differ in number: {told}"))
    for number in range(min(lengths, default=1)):
        own = {KEYS[key]: _value(key, each[number]) for key, each in values.items()}
        # What is wrong is reported above: a stand-in keeps it from being told again.
        stand_in = {KEYS[key]: f"each-{number}" for key in said if key != "unit_id_each"}
        yield {"id": f"each-{number}", **rest, **stand_in, **own}


def _value(key: str, text: str) -> str | int:
    return int(text) if key == "unit_id_each" and text.isdecimal() else text


def _bad(at: At, key: str, zh: str, en: str) -> Finding:
    return Finding(CODE, (*at, key), both(zh, en), _WHY, _FORM)
