"""The kinds of change, and what each of them asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from parkwatch.daemon.config.words import both


class Kind(NamedTuple):
    """`two`: two named persons answer for it. `ends`: an alarm that it touches and that is not
    normal would lose what it says; it is refused, or closed by two persons."""

    two: bool
    ends: bool
    word: str


KINDS: Mapping[str, Kind] = {
    "added": Kind(two=False, ends=False, word=both("新增", "added")),
    "tightened": Kind(two=False, ends=False, word=both("收紧", "tightened")),
    "neutral": Kind(two=False, ends=False, word=both("不影响报警", "neutral")),
    "regrouped": Kind(two=False, ends=True, word=both("增加邻居", "a neighbour more")),
    "unmanned": Kind(two=True, ends=False, word=both("通知减少", "fewer are told")),
    "removed": Kind(two=True, ends=True, word=both("删除", "removed")),
    "disarmed": Kind(two=True, ends=True, word=both("撤防", "disarmed")),
    "rescaled": Kind(two=True, ends=True, word=both("量程换算更改", "re-scaled")),
    "rewired": Kind(two=True, ends=True, word=both("改接", "read from elsewhere")),
    "loosened": Kind(two=True, ends=True, word=both("放宽", "loosened")),
    "altered": Kind(two=True, ends=True, word=both("更改", "another condition")),
}
"""What cannot be compared is `altered`. Who is told less ends no alarm: it goes on as it is."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `about`: id of an alarm, point, zone, device, or a table of the file; `key`:
    what of it; `old`, `new`: plain JSON, None where there is none. `alarms`: further alarms that
    hang on it."""

    kind: str
    about: str
    key: str = ""
    old: Any = None
    new: Any = None
    alarms: frozenset[str] = frozenset()

    def body(self) -> dict[str, Any]:
        """As journal, CLI and API show it."""
        named = ("kind", "about", "key", "old", "new")
        return {name: getattr(self, name) for name in named}

    def touches(self, alarm: str) -> bool:
        """Whether it would take away what an alarm says."""
        if not KINDS[self.kind].ends:
            return False
        if alarm in self.alarms or alarm == self.about:
            return True
        # What is read from elsewhere is still the same channel, and its link the same link.
        return self.kind != "rewired" and alarm.rpartition(":")[0] == self.about
