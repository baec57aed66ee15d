"""The same closures over (n,) columns, one a name.

A truth is a pair of bool arrays, (n,) true and (n,) false, UNKNOWN where neither; whoever gets a
pair owns it and may write into it. Numbers are never written into: they may be columns of the
caller. Constants are 0-d arrays. To be called with numpy's floating-point warnings off.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from parkwatch.rules.expression.scalar import MIRRORED, is_count
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
    Truth,
)

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Pair = tuple[Bools, Bools]
Columns = Sequence[Floats]
Merge = Callable[[Bools, Bools, Bools], Bools]
Numeric = Callable[[Columns], Floats]
Truthful = Callable[[Columns], Pair]
Interval = Callable[[Columns], tuple[Floats, Floats]]


def number(node: Node) -> Numeric:
    """The closure of a node that was checked to be a number."""
    match node:
        case Number():
            value = np.array(node.value)
            return lambda _: value
        case Name(index=index):
            return lambda c: c[index]
        case Negative():
            of = number(node.of)
            return lambda c: np.negative(of(c))
        case Chain():
            return _chain(node)
        case Call():
            return _called(node)
    raise AssertionError(node)


def truth(node: Node) -> Truthful:
    """The closure of a node that was checked to be a truth, or a state that stands for one."""
    match node:
        case Truth(value=value):
            return lambda _: (np.array(value is True), np.array(value is False))
        case Name():
            return _state(node.index)
        case Not():
            of = truth(node.of)
            return lambda c: of(c)[::-1]
        case Logic():
            # Constants last: what is written into must have the length of the columns.
            parts = sorted(node.parts, key=lambda part: isinstance(part, Truth))
            return _logic(node.operator, [truth(part) for part in parts])
        case Comparison():
            return _comparison(node)
    raise AssertionError(node)


def floats(pair: Pair) -> Floats:
    """(n,) 1.0 where true, 0.0 where false, NaN where neither."""
    true, false = pair
    result = true.astype(np.float64)
    known = np.bitwise_or(true, false, out=false)
    if not known.all():
        np.divide(result, known, out=result)
    return result


def interval(node: Node) -> Interval:
    """The closure of a side of a comparison: least and greatest number that it can be."""
    if not is_count(node):
        only = number(node)

        def same(c: Columns) -> tuple[Floats, Floats]:
            x = only(c)
            return x, x

        return same
    assert isinstance(node, Call)
    parts = [truth(part) for part in node.parts]
    # Bytes add fastest; a text of 2000 characters may still count more than 255 parts.
    dtype = np.uint8 if len(parts) < 256 else np.uint16

    def counted(c: Columns) -> tuple[Floats, Floats]:
        true, false = parts[0](c)
        sure, never = true.astype(dtype), false.astype(dtype)
        for part in parts[1:]:
            true, false = part(c)
            sure = sure + true.view(np.uint8)
            never = never + false.view(np.uint8)
        return sure.astype(np.float64), len(parts) - never.astype(np.float64)

    return counted


def _chain(node: Chain) -> Numeric:
    left = number(node.first)
    rest = [(_STEPS[step.operator], number(step.node)) for step in node.steps]

    def chained(c: Columns) -> Floats:
        x = left(c)
        for operation, part in rest:
            x = operation(x, part(c))
        return x

    return chained


def _divide(x: Floats, y: Floats) -> Floats:
    zero = np.equal(y, 0.0)
    if zero.any():
        y = np.where(zero, np.nan, y)
    return np.divide(x, y)


_STEPS: dict[str, Callable[[Floats, Floats], Floats]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": _divide,
}


def _called(node: Call) -> Numeric:
    if is_count(node):
        return _exact(interval(node))
    parts = [number(part) for part in node.parts]
    if node.function == "abs":
        size = parts[0]
        return lambda c: np.abs(size(c))
    return _mean(parts) if node.function == "mean" else _extreme(node.function, parts)


def _mean(parts: Sequence[Numeric]) -> Numeric:
    def mean(c: Columns) -> Floats:
        total = parts[0](c)
        for part in parts[1:]:
            total = np.add(total, part(c))
        return np.divide(total, len(parts))

    return mean


def _extreme(function: str, parts: Sequence[Numeric]) -> Numeric:
    """min or max; the infinity that decides it does so whatever is UNKNOWN."""
    pick, decisive = (np.maximum, math.inf) if function == "max" else (np.minimum, -math.inf)

    def extreme(c: Columns) -> Floats:
        x = parts[0](c)
        for part in parts[1:]:
            y = part(c)
            decided = np.equal(x, decisive) | np.equal(y, decisive)
            x = pick(x, y)
            if decided.any():
                x = np.where(decided, decisive, x)
        return x

    return extreme


def _exact(bounds: Interval) -> Numeric:
    def exact(c: Columns) -> Floats:
        sure, possible = bounds(c)
        return np.where(sure == possible, sure, np.nan)

    return exact


def _state(index: int) -> Truthful:
    def state(c: Columns) -> Pair:
        x = c[index]
        return np.less(x, 0.0) | np.greater(x, 0.0), np.equal(x, 0.0)

    return state


def _logic(operator: str, parts: Sequence[Truthful]) -> Truthful:
    """All true is true and one false is false; the other way round for `or`."""
    merges: tuple[Merge, Merge] = (np.bitwise_and, np.bitwise_or)
    both, either = merges if operator == "and" else merges[::-1]
    first, rest = parts[0], parts[1:]

    def joined(c: Columns) -> Pair:
        true, false = first(c)
        for part in rest:
            other_true, other_false = part(c)
            both(true, other_true, true)
            either(false, other_false, false)
        return true, false

    return joined


def _comparison(node: Comparison) -> Truthful:
    left, operator, right = node.left, node.operator, node.right
    if operator in MIRRORED:
        left, operator, right = right, MIRRORED[operator], left
    if is_count(left) or is_count(right):
        judge, first, second = _COUNTED[operator], interval(left), interval(right)
        return lambda c: judge(first(c), second(c))
    compare, x, y = _COMPARED[operator], number(left), number(right)
    return lambda c: compare(x(c), y(c))


def _over(x: Floats, y: Floats) -> Pair:
    return np.greater(x, y), np.less_equal(x, y)


def _from(x: Floats, y: Floats) -> Pair:
    return np.greater_equal(x, y), np.less(x, y)


def _equal(x: Floats, y: Floats) -> Pair:
    return np.equal(x, y), np.less(x, y) | np.greater(x, y)


def _unequal(x: Floats, y: Floats) -> Pair:
    return _equal(x, y)[::-1]


_COMPARED = {">": _over, ">=": _from, "==": _equal, "!=": _unequal}
Bounds = tuple[Floats, Floats]


def _count_over(left: Bounds, right: Bounds) -> Pair:
    return np.greater(left[0], right[1]), np.less_equal(left[1], right[0])


def _count_from(left: Bounds, right: Bounds) -> Pair:
    return np.greater_equal(left[0], right[1]), np.less(left[1], right[0])


def _count_equal(left: Bounds, right: Bounds) -> Pair:
    (least, most), (low, high) = left, right
    true = np.equal(least, high) & np.equal(most, low)
    apart = np.less(most, low) | np.greater(least, high)
    # No count is ever a fraction, whatever is UNKNOWN.
    return true, apart | (np.mod(least, 1.0) > 0.0) | (np.mod(low, 1.0) > 0.0)


def _count_unequal(left: Bounds, right: Bounds) -> Pair:
    return _count_equal(left, right)[::-1]


_COUNTED = {">": _count_over, ">=": _count_from, "==": _count_equal, "!=": _count_unequal}
