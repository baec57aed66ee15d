"""One alarm, what is live of its condition, and where it belongs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from parkwatch.rules.alarms import masks
from parkwatch.rules.alarms.lifecycle import State
from parkwatch.rules.alarms.masks import Mask
from parkwatch.rules.evaluate.compile import NEVER
from parkwatch.rules.grade import Grade


@dataclass(slots=True)
class Alarm:
    """One alarm that is not normal, or is masked. `level` is the live level, 0 when the condition
    returned; `reached` the highest one of the occurrence; `announced` the version of the newest
    raise, reraise, rise or realarm; `quiet`: that one was under a mask, so that nobody was told."""

    id: str
    state: State = State.NORMAL
    occurrence: int = 0
    version: int = 0
    announced: int = 0
    grade: Grade = Grade.BLUE
    peak: Grade = Grade.BLUE
    level: int = 0
    reached: int = 0
    latching: bool = False
    masks: dict[str, Mask] = field(default_factory=dict)
    quiet: bool = False
    raised: int = 0
    changed: int = 0
    realarm_due: int = NEVER
    cause: Mapping[str, Any] = field(default_factory=dict)
    origin: str = "live"

    @property
    def mask(self) -> str:
        """The mask that is shown, empty where none is."""
        return masks.shown(self.masks)

    @property
    def due(self) -> int:
        """When it sounds again, or a mask ends by itself."""
        return min(self.realarm_due, masks.ends(self.masks)) if self.masks else self.realarm_due


@dataclass(frozen=True, slots=True)
class Live:
    """What is live of an alarm's condition: `level` 0 where nothing is; `began` becomes the
    occurrence if this raises it; `latch`: a level that latches was reached; `linked`: a link
    speaks for it as it is raised; `essential`: a level that may never be masked."""

    level: int
    grade: Grade
    began: int
    cause: Mapping[str, Any]
    latch: bool = False
    linked: bool = False
    essential: bool = False

    @property
    def unmaskable(self) -> bool:
        return bool(self.level) and (self.essential or self.grade is Grade.RED)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an alarm belongs, for its view: point index or -1, zone and enterprise ids."""

    point: int = -1
    zone: str = ""
    enterprise: str = ""
