"""The three masks over a core state (ISA-18.2): what hides an alarm, who said so, until when.

A mask hides the announcement only: the core state runs on beneath it, so that nothing that latched
is lost. `link` and `plant` are two reasons of the one mask `suppressed_by_design`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from parkwatch.rules.evaluate.compile import NEVER
from parkwatch.rules.grade import Grade
from parkwatch.rules.site import SECOND_NS

OUT_OF_SERVICE, SUPPRESSED, SHELVED = "out_of_service", "suppressed_by_design", "shelved"
LINK, PLANT = "link", "plant"
_SHOWN = {OUT_OF_SERVICE: OUT_OF_SERVICE, LINK: SUPPRESSED, PLANT: SUPPRESSED, SHELVED: SHELVED}
"""By reason, what is shown; the first one there is counts."""
SHELF_NS = {
    Grade.BLUE: 8 * 3600 * SECOND_NS,
    Grade.YELLOW: 8 * 3600 * SECOND_NS,
    Grade.ORANGE: 3600 * SECOND_NS,
}
"""The longest shelf by grade (contracts.md, Shelving); red is never shelved."""
SHIFT_NS = 12 * 3600 * SECOND_NS
"""Out of service without renewal: one shift (ux.md 2.1)."""


@dataclass(frozen=True, slots=True)
class Mask:
    """One reason to hide an alarm. `since`, `until` are engine time in ns, NEVER where it has no
    end; `level` and `grade` up to which a shelf hides; `signed`: an override lets a suppression
    hide what may never be masked."""

    since: int
    until: int = NEVER
    person: str = ""
    second: str = ""
    reason: str = ""
    permit: str = ""
    owner: str = ""
    one_shot: bool = False
    level: int = 0
    grade: str = Grade.BLUE
    signed: bool = False


Masks = Mapping[str, Mask]
"""Masks by reason: out_of_service, link, plant, shelved."""
_DEFAULTS = {field.name: field.default for field in fields(Mask)}


def shown(masks: Masks) -> str:
    """The mask that is shown, empty where there is none."""
    return next((name for reason, name in _SHOWN.items() if reason in masks), "")


def hides(masks: Masks) -> bool:
    """Whether people do not see the condition: a link speaks for what it masks, the others hide."""
    return bool(masks) and set(masks) != {LINK}


def ends(masks: Masks) -> int:
    """When the first of them ends by itself, NEVER where none does."""
    return min((mask.until for mask in masks.values()), default=NEVER)


def since(masks: Masks) -> int:
    """Since when people do not see the condition; 0 where they do."""
    return min((mask.since for reason, mask in masks.items() if reason != LINK), default=0)


def body(masks: Masks) -> dict[str, Any]:
    """Plain JSON, what is not said left out; the reverse is `from_body`."""
    return {
        reason: {k: v for k, v in asdict(mask).items() if v != _DEFAULTS[k]}
        for reason, mask in masks.items()
    }


def from_body(said: Mapping[str, Mapping[str, Any]]) -> dict[str, Mask]:
    """The masks that a `body` says."""
    return {reason: Mask(**fields_) for reason, fields_ in said.items()}
