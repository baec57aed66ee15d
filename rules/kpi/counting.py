"""What counts: real activations, and what calls people. Everything that counts alarms asks here.

One public case fell from 935 k "alarms" to 31 k once acknowledgements and events were left out.
"""

from __future__ import annotations

from parkwatch.rules.alarms.lifecycle import UNACKNOWLEDGED
from parkwatch.rules.alarms.shadow import SHADOW
from parkwatch.rules.batch import DRILL
from parkwatch.rules.transition import Transition

ACTIVATIONS = frozenset({"raise", "reraise", "rise"})
_CALLS = ACTIVATIONS | {"realarm"}
_UNCOVERS = frozenset({"expire", "unsuppress"})
"""What ends a mask by itself; who takes one away by hand sees the alarm."""
_FOLLOWED = frozenset({"rise", "level", "vote"})
"""Why a mask ended, where an activation follows."""


def real(t: Transition) -> bool:
    """Neither of a drill nor of a shadow rule."""
    return not t.origin.startswith((DRILL, SHADOW))


def announces(t: Transition) -> bool:
    """Whether it calls people: what is masked, a drill or a shadow calls nobody."""
    if t.mask or not real(t):
        return False
    if t.event in _CALLS:
        return True
    uncovered = t.event in _UNCOVERS and t.after in UNACKNOWLEDGED
    return uncovered and t.cause.get("why") not in _FOLLOWED
