"""An expression as closures over one value a name: what a single reading costs.

A truth is True, False or None (UNKNOWN), a number a float, NaN where it is UNKNOWN. Values must be
Python floats; then no operation here can raise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from operator import itemgetter

from parkwatch.rules.expression.tree import (
    Call,
    Chain,
    Comparison,
    Logic,
    Name,
    Negative,
    Node,
    Not,
    Number,
    Step,
    Truth,
)

Values = Sequence[float]
Numeric = Callable[[Values], float]
Truthful = Callable[[Values], bool | None]
Interval = Callable[[Values], tuple[float, float]]

MIRRORED = {"<": ">", "<=": ">="}
"""Comparisons that are another one with its sides exchanged."""


def number(node: Node) -> Numeric:
    """The closure of a node that was checked to be a number."""
    match node:
        case Number(value=value):
            return lambda _: value
        case Name():
            return itemgetter(node.index)
        case Negative():
            of = number(node.of)
            return lambda v: -of(v)
        case Chain():
            return _chain(node.first, node.steps)
        case Call():
            return _called(node)
    raise AssertionError(node)


def truth(node: Node) -> Truthful:
    """The closure of a node that was checked to be a truth, or a state that stands for one."""
    match node:
        case Truth(value=value):
            return lambda _: value
        case Name():
            return _state(node.index)
        case Not():
            return _not(truth(node.of))
        case Logic():
            parts = [truth(part) for part in node.parts]
            return _all(parts) if node.operator == "and" else _any(parts)
        case Comparison():
            return _comparison(node)
    raise AssertionError(node)


def interval(node: Node) -> Interval:
    """The closure of a side of a comparison: least and greatest number that it can be."""
    if not is_count(node):
        only = number(node)

        def same(v: Values) -> tuple[float, float]:
            x = only(v)
            return x, x

        return same
    assert isinstance(node, Call)
    parts = [truth(part) for part in node.parts]

    def counted(v: Values) -> tuple[float, float]:
        sure = possible = 0.0
        for part in parts:
            x = part(v)
            if x is not False:
                possible += 1.0
                if x:
                    sure += 1.0
        return sure, possible

    return counted


def is_count(node: Node) -> bool:
    """Whether a node is a count, whose comparison may be decided though parts are UNKNOWN."""
    return isinstance(node, Call) and node.function == "count"


def _chain(first: Node, steps: Sequence[Step]) -> Numeric:
    left = number(first)
    if len(steps) == 1:
        return _STEPS[steps[0].operator](left, number(steps[0].node))
    rest = [(step.operator, number(step.node)) for step in steps]

    def chained(v: Values) -> float:
        x = left(v)
        for operator, part in rest:
            y = part(v)
            if operator == "+":
                x += y
            elif operator == "-":
                x -= y
            elif operator == "*":
                x *= y
            else:
                x = x / y if y else math.nan
        return x

    return chained


def _add(left: Numeric, right: Numeric) -> Numeric:
    return lambda v: left(v) + right(v)


def _subtract(left: Numeric, right: Numeric) -> Numeric:
    return lambda v: left(v) - right(v)


def _multiply(left: Numeric, right: Numeric) -> Numeric:
    return lambda v: left(v) * right(v)


def _divide(left: Numeric, right: Numeric) -> Numeric:
    def divided(v: Values) -> float:
        y = right(v)
        return left(v) / y if y else math.nan

    return divided


_STEPS = {"+": _add, "-": _subtract, "*": _multiply, "/": _divide}


def _called(node: Call) -> Numeric:
    if is_count(node):
        return _exact(interval(node))
    parts = [number(part) for part in node.parts]
    if node.function == "abs":
        size = parts[0]
        return lambda v: abs(size(v))
    return _mean(parts) if node.function == "mean" else _extreme(node.function, parts)


def _mean(parts: Sequence[Numeric]) -> Numeric:
    def mean(v: Values) -> float:
        total = 0.0
        for part in parts:
            total += part(v)
        return total / len(parts)

    return mean


def _extreme(function: str, parts: Sequence[Numeric]) -> Numeric:
    """min or max; the infinity that decides it does so whatever is UNKNOWN."""
    pick, decisive = (max, math.inf) if function == "max" else (min, -math.inf)

    def extreme(v: Values) -> float:
        found = [part(v) for part in parts]
        for x in found:
            if math.isnan(x):
                return decisive if decisive in found else math.nan
        return pick(found)

    return extreme


def _exact(bounds: Interval) -> Numeric:
    def exact(v: Values) -> float:
        sure, possible = bounds(v)
        return sure if sure == possible else math.nan

    return exact


def _state(index: int) -> Truthful:
    def state(v: Values) -> bool | None:
        x = v[index]
        return True if x > 0.0 or x < 0.0 else (False if x == 0.0 else None)

    return state


def _not(of: Truthful) -> Truthful:
    def negated(v: Values) -> bool | None:
        x = of(v)
        return None if x is None else not x

    return negated


def _all(parts: Sequence[Truthful]) -> Truthful:
    def all_of(v: Values) -> bool | None:
        result: bool | None = True
        for part in parts:
            x = part(v)
            if x is False:
                return False
            if x is None:
                result = None
        return result

    return all_of


def _any(parts: Sequence[Truthful]) -> Truthful:
    def any_of(v: Values) -> bool | None:
        result: bool | None = False
        for part in parts:
            x = part(v)
            if x:
                return True
            if x is None:
                result = None
        return result

    return any_of


def _comparison(node: Comparison) -> Truthful:
    left, operator, right = node.left, node.operator, node.right
    if operator in MIRRORED:
        left, operator, right = right, MIRRORED[operator], left
    if is_count(left) or is_count(right):
        return _COUNTED[operator](interval(left), interval(right))
    return _COMPARED[operator](number(left), number(right))


def _over(left: Numeric, right: Numeric) -> Truthful:
    def over(v: Values) -> bool | None:
        x, y = left(v), right(v)
        return True if x > y else (False if x <= y else None)

    return over


def _from(left: Numeric, right: Numeric) -> Truthful:
    def at_least(v: Values) -> bool | None:
        x, y = left(v), right(v)
        return True if x >= y else (False if x < y else None)

    return at_least


def _equal(left: Numeric, right: Numeric) -> Truthful:
    def equal(v: Values) -> bool | None:
        x, y = left(v), right(v)
        return True if x == y else (False if x < y or x > y else None)

    return equal


def _unequal(left: Numeric, right: Numeric) -> Truthful:
    return _not(_equal(left, right))


def _count_over(left: Interval, right: Interval) -> Truthful:
    def over(v: Values) -> bool | None:
        (least, most), (low, high) = left(v), right(v)
        return True if least > high else (False if most <= low else None)

    return over


def _count_from(left: Interval, right: Interval) -> Truthful:
    def at_least(v: Values) -> bool | None:
        (least, most), (low, high) = left(v), right(v)
        return True if least >= high else (False if most < low else None)

    return at_least


def _count_equal(left: Interval, right: Interval) -> Truthful:
    def equal(v: Values) -> bool | None:
        (least, most), (low, high) = left(v), right(v)
        if least == high and most == low:
            return True
        # No count is ever a fraction, whatever is UNKNOWN.
        if most < low or least > high or least % 1.0 > 0.0 or low % 1.0 > 0.0:
            return False
        return None

    return equal


def _count_unequal(left: Interval, right: Interval) -> Truthful:
    return _not(_count_equal(left, right))


_COMPARED = {">": _over, ">=": _from, "==": _equal, "!=": _unequal}
_COUNTED = {">": _count_over, ">=": _count_from, "==": _count_equal, "!=": _count_unequal}
