"""What a part of an expression is: a truth, or a number of some quantity; what mixes is refused.

Unit and gas must be the same wherever values meet. A literal fits: without a unit anywhere, with
one any gas of that unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from parkwatch.rules.expression.text import ExpressionError
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
    parts_of,
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """What a name measures: `unit` as declared (`ppm`, `%LEL`, `mm`, empty for states and plain
    numbers) and `gas`, so that ppm of one gas is never added to ppm of another."""

    unit: str = ""
    gas: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """A quantity of which unit and gas may still be open (None), as those of a literal are."""

    unit: str | None = None
    gas: str | None = None

    def __str__(self) -> str:
        return f"{self.unit or ''} {self.gas or ''}".strip() or "无单位 (no unit)"


OPEN, PLAIN = Kind(), Kind("", "")
_CANNOT = {
    "+": "不能相加 cannot be added",
    "-": "不能相减 cannot be subtracted",
    "*": "不能相乘 cannot be multiplied",
    "/": "不能相除 cannot be divided",
    "min": "不能同在 min 中 cannot share one min",
    "max": "不能同在 max 中 cannot share one max",
    "mean": "不能同在 mean 中 cannot share one mean",
}


class Checker:
    """Judges the trees of one text; `quantities` of the names in it."""

    def __init__(self, quantities: Mapping[str, Quantity]) -> None:
        self._quantities = quantities

    def kind(self, node: Node) -> Kind | None:
        """The kind of a number, None for a truth; ExpressionError where parts do not fit."""
        match node:
            case Comparison():
                left, right = self._number(node.left), self._number(node.right)
                _meet(left, right, node.sign_at, node.operator)
                return None
            case Logic() | Not() | Truth():
                for part in parts_of(node):
                    self._truth(part)
                return None
            case Negative():
                return self._number(node.of)
            case Chain():
                return self._chain(node)
            case Call():
                return self._call(node)
        return self._leaf(node)

    def _leaf(self, node: Number | Name) -> Kind:
        if isinstance(node, Number):
            return Kind(node.unit, None) if node.unit else OPEN
        quantity = self._quantities[node.name]
        # A state or a plain number is one whatever gas its detector is for.
        return Kind(quantity.unit, quantity.gas) if quantity.unit else PLAIN

    def _number(self, node: Node) -> Kind:
        """The kind of what must be a number."""
        kind = self.kind(node)
        if kind is None:
            raise ExpressionError(
                node.at,
                "真假不是数 a truth is no number",
                "用 and / or / not 连接,或 count(...) 计数 join truths by and, or, not; count them",
            )
        return kind

    def _truth(self, node: Node) -> None:
        kind = self.kind(node)
        if kind is None or (isinstance(node, Name) and not kind.unit):
            return
        example = f", as `{node.name} >= ...`" if isinstance(node, Name) else ""
        raise ExpressionError(
            node.at,
            f"此处须为真假,而这是数 a truth is needed, this is a number: {kind}",
            f"写成比较 write a comparison{example}",
        )

    def _chain(self, node: Chain) -> Kind:
        kind = self._number(node.first)
        for step in node.steps:
            other = self._number(step.node)
            if step.operator in "+-":
                kind = _meet(kind, other, step.at, step.operator)
            else:
                kind = _product(kind, other, step.at, step.operator)
        return kind

    def _call(self, node: Call) -> Kind:
        if node.function == "count":
            for part in node.parts:
                self._truth(part)
            return PLAIN
        kind = self._number(node.parts[0])
        for part in node.parts[1:]:
            kind = _meet(kind, self._number(part), part.at, node.function)
        return kind


def _fit(left: Kind, right: Kind) -> Kind | None:
    """The one kind that both are, None where they are different."""
    if left.unit is None or right.unit is None:
        return right if left.unit is None else left
    if left.unit != right.unit:
        return None
    if left.gas is None or right.gas is None:
        return right if left.gas is None else left
    return left if left.gas == right.gas else None


def _meet(left: Kind, right: Kind, at: int, operator: str) -> Kind:
    kind = _fit(left, right)
    if kind is None:
        raise _refusal(left, right, at, operator)
    return kind


def _product(left: Kind, right: Kind, at: int, operator: str) -> Kind:
    """A plain factor or divisor keeps the quantity; equal quantities divide to a plain number."""
    if not right.unit:
        return right if left.unit is None else left
    if operator == "*" and not left.unit:
        return right
    if operator == "/" and left.unit and _fit(left, right):
        return PLAIN
    raise _refusal(left, right, at, operator)


def _refusal(left: Kind, right: Kind, at: int, operator: str) -> ExpressionError:
    cannot = _CANNOT.get(operator, "不能比较 cannot be compared")
    if operator == "*" or (operator == "/" and not left.unit):
        fix = "乘除只用无单位的数,或同量相除 multiply and divide by plain numbers, or like by like"
    elif left.unit == right.unit:
        fix = "每种气体各与限值比较,再用 and / or 连接 compare each gas with its limit, then join"
    else:
        fix = "两边须用同一单位 give both sides the same unit"
    return ExpressionError(at, f"{left} 与 {right} {cannot}", fix)
