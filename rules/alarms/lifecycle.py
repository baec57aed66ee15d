"""The alarm's life (ISA-18.2): the table is the specification; nothing else changes a state."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    NORMAL = "normal"
    UNACK_ACTIVE = "unack_active"
    ACK_ACTIVE = "ack_active"
    RTN_UNACK = "rtn_unack"
    LATCHED_UNACK = "latched_unack"
    LATCHED_ACK = "latched_ack"


class Event(StrEnum):
    RAISE = "raise"
    RERAISE = "reraise"
    RISE = "rise"
    FALL = "fall"
    RETURN = "return"  # the condition ended and nothing latches
    LATCH = "latch"  # the condition ended and the alarm latches; journaled as `return`
    ACK = "ack"
    REALARM = "realarm"
    RESET = "reset"


_S, _E = State, Event
TABLE: dict[tuple[State, Event], State] = {
    (_S.NORMAL, _E.RAISE): _S.UNACK_ACTIVE,
    (_S.UNACK_ACTIVE, _E.ACK): _S.ACK_ACTIVE,
    (_S.UNACK_ACTIVE, _E.RISE): _S.UNACK_ACTIVE,
    (_S.UNACK_ACTIVE, _E.FALL): _S.UNACK_ACTIVE,
    (_S.UNACK_ACTIVE, _E.RETURN): _S.RTN_UNACK,
    (_S.UNACK_ACTIVE, _E.LATCH): _S.LATCHED_UNACK,
    (_S.ACK_ACTIVE, _E.RISE): _S.UNACK_ACTIVE,
    (_S.ACK_ACTIVE, _E.REALARM): _S.UNACK_ACTIVE,
    (_S.ACK_ACTIVE, _E.FALL): _S.ACK_ACTIVE,
    (_S.ACK_ACTIVE, _E.RETURN): _S.NORMAL,
    (_S.ACK_ACTIVE, _E.LATCH): _S.LATCHED_ACK,
    (_S.RTN_UNACK, _E.ACK): _S.NORMAL,
    (_S.RTN_UNACK, _E.RERAISE): _S.UNACK_ACTIVE,
    (_S.LATCHED_UNACK, _E.ACK): _S.LATCHED_ACK,
    (_S.LATCHED_UNACK, _E.RERAISE): _S.UNACK_ACTIVE,
    (_S.LATCHED_ACK, _E.RESET): _S.NORMAL,
    (_S.LATCHED_ACK, _E.RERAISE): _S.UNACK_ACTIVE,
}


ACTIVE = frozenset({State.UNACK_ACTIVE, State.ACK_ACTIVE})
UNACKNOWLEDGED = frozenset({State.UNACK_ACTIVE, State.RTN_UNACK, State.LATCHED_UNACK})
_UNACKNOWLEDGED = {_S.ACK_ACTIVE: _S.UNACK_ACTIVE, _S.LATCHED_ACK: _S.LATCHED_UNACK}


def unacknowledged(state: State) -> State:
    """The state as if nobody had acknowledged: what came back from under a mask is seen anew."""
    return _UNACKNOWLEDGED.get(state, state)


def step(state: State, event: Event) -> State | None:
    """The next core state, or None where the event is refused in this state."""
    return TABLE.get((state, event))


def mermaid() -> str:
    """The manual's diagram, printed from the table so that the two cannot disagree."""
    edges = (f"  {before} --> {after}: {event}" for (before, event), after in TABLE.items())
    return "\n".join(["stateDiagram-v2", *edges])
