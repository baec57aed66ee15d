"""Expressions over points: parsed, unit-checked and compiled; nothing of Python is ever executed.

    count(h2s_1 > 10 ppm, h2s_2 > 10 ppm, h2s_3 > 10 ppm) >= 2 and not bypass

Numbers with or without a unit, names, `+ - * /`, comparisons, `and or not`, abs, min, max, mean and
count. Values are floats: NaN is UNKNOWN, +inf over-range, -inf under-range; logic is Kleene's, so
UNKNOWN decides nothing, and what it cannot change is decided. Division by zero is UNKNOWN; two
infinities compare as numbers do (over-range is not more than over-range).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from parkwatch.rules.expression import scalar as expression_scalar
from parkwatch.rules.expression import vector as expression_vector
from parkwatch.rules.expression.check import Checker, Quantity
from parkwatch.rules.expression.fold import folded
from parkwatch.rules.expression.text import ExpressionError, Lexicon, tokens
from parkwatch.rules.expression.tree import Node, Parser

__all__ = ["ExpressionError", "Program", "Quantity", "parse"]


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled expression. `names` in order of first use; `boolean`: the result is a truth.

    `quantity` of the result, plain for a truth. Equal where text and `quantities` (one a name) are.
    """

    text: str
    quantities: tuple[Quantity, ...]
    names: tuple[str, ...] = field(compare=False)
    boolean: bool = field(compare=False)
    quantity: Quantity = field(compare=False)
    _scalar: expression_scalar.Numeric = field(compare=False, repr=False)
    _vector: expression_vector.Numeric = field(compare=False, repr=False)

    def scalar(self, values: Sequence[float]) -> float:
        """The result for one value a name; NaN is UNKNOWN, truths are 1.0 and 0.0."""
        # Python's own floats: numpy's would warn where these go to infinity.
        return self._scalar([float(value) for value in values])

    def vector(self, columns: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """(n,) the same for (n,) values a name; (1,) for an expression without names."""
        with np.errstate(all="ignore"):
            return self._vector(columns)


def parse(text: str, quantities: Mapping[str, Quantity]) -> Program:
    """Compile an expression over the names of `quantities`; ExpressionError where it is wrong."""
    units = {quantity.unit for quantity in quantities.values()} - {""}
    parser = Parser(tokens(text, Lexicon.of(quantities, units)), quantities)
    tree = parser.tree()
    kind = Checker(quantities).kind(tree)
    tree = folded(tree)
    names = tuple(parser.names)
    return Program(
        text=text,
        quantities=tuple(quantities[name] for name in names),
        names=names,
        boolean=kind is None,
        quantity=Quantity((kind and kind.unit) or "", (kind and kind.gas) or ""),
        _scalar=_scalar_truth(tree) if kind is None else expression_scalar.number(tree),
        _vector=_vector_truth(tree) if kind is None else _vector_number(tree),
    )


def _scalar_truth(tree: Node) -> expression_scalar.Numeric:
    judge = expression_scalar.truth(tree)

    def judged(values: Sequence[float]) -> float:
        found = judge(values)
        return math.nan if found is None else float(found)

    return judged


def _vector_truth(tree: Node) -> expression_vector.Numeric:
    judge = expression_vector.truth(tree)
    return lambda columns: np.atleast_1d(expression_vector.floats(judge(columns)))


def _vector_number(tree: Node) -> expression_vector.Numeric:
    """Always a copy: the result may be a column of the caller, or a constant of ours."""
    compute = expression_vector.number(tree)
    return lambda columns: np.array(compute(columns), dtype=np.float64, ndmin=1)
