"""The tree of an expression, and the parser that builds it; precedence as in Python.

Chains (`a + b - c`, `a and b and c`) are one node with many parts, so that the depth of a tree is
bounded by NESTING_MAX and not by the length of the text. Parentheses leave no node.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from parkwatch.rules.expression.text import (
    FUNCTIONS,
    ExpressionError,
    Token,
    missing_operator,
    nearest,
    operator_of,
)

NAMES_MAX = 64
NESTING_MAX = 32
COMPARISONS = frozenset({">", ">=", "<", "<=", "==", "!="})


@dataclass(frozen=True, slots=True)
class Number:
    """A literal, or a part without names that was worked out. `at`: the column of any node."""

    at: int
    value: float
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Truth:
    """A truth without names that was worked out; None is UNKNOWN."""

    at: int
    value: bool | None


@dataclass(frozen=True, slots=True)
class Name:
    """A point; `index` in the order of first use."""

    at: int
    name: str
    index: int


@dataclass(frozen=True, slots=True)
class Negative:
    """`- of`."""

    at: int
    of: Node


@dataclass(frozen=True, slots=True)
class Step:
    """An operator of a chain, the column it stands in, and what follows it."""

    at: int
    operator: str
    node: Node


@dataclass(frozen=True, slots=True)
class Chain:
    """`first + a - b ...` or `first * a / b ...`, from left to right."""

    at: int
    first: Node
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """`left operator right`; `sign_at` is the column of the operator."""

    at: int
    left: Node
    operator: str
    sign_at: int
    right: Node


@dataclass(frozen=True, slots=True)
class Logic:
    """All (`and`) or any (`or`) of the parts, at least two."""

    at: int
    operator: str
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """`not of`."""

    at: int
    of: Node


@dataclass(frozen=True, slots=True)
class Call:
    """A function of `FUNCTIONS` with at least one argument."""

    at: int
    function: str
    parts: tuple[Node, ...]


Node = Number | Truth | Name | Negative | Chain | Comparison | Logic | Not | Call


def parts_of(node: Node) -> tuple[Node, ...]:
    """What a node is made of, in the order of the text."""
    match node:
        case Negative() | Not():
            return (node.of,)
        case Chain():
            return (node.first, *(step.node for step in node.steps))
        case Comparison():
            return (node.left, node.right)
        case Logic() | Call():
            return node.parts
    return ()


def with_parts(node: Node, parts: Sequence[Node]) -> Node:
    """The same node made of other parts, as many as it has."""
    match node:
        case Negative() | Not():
            return replace(node, of=parts[0])
        case Chain():
            pairs = zip(node.steps, parts[1:], strict=True)
            steps = tuple(replace(step, node=part) for step, part in pairs)
            return replace(node, first=parts[0], steps=steps)
        case Comparison():
            return replace(node, left=parts[0], right=parts[1])
        case Logic() | Call():
            return replace(node, parts=tuple(parts))
    return node


class Parser:
    """Recursive descent over the tokens of one text; `names` fills in the order of first use."""

    def __init__(self, tokens: Iterable[Token], known: Collection[str]) -> None:
        self.names: dict[str, int] = {}
        self._known = known
        self._tokens = list(tokens)
        self._next = 0
        self._depth = 0

    def tree(self) -> Node:
        """The whole text as one tree; ExpressionError where it is none."""
        node = self._any()
        token = self._token
        if token.kind == "end":
            return node
        if token.text == ")":
            raise ExpressionError(token.at, "多余的 ) is one too many", "删除或补 ( remove it")
        raise _unexpected(token)

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._tokens[self._next]
        self._next += token.kind != "end"
        return token

    def _is(self, *signs: str) -> bool:
        return self._token.kind == "sign" and self._token.text in signs

    def _deeper(self, at: int) -> None:
        self._depth += 1
        if self._depth > NESTING_MAX:
            raise ExpressionError(
                at,
                f"嵌套超过 {NESTING_MAX} 层 nested too deeply",
                "拆成几条规则 split it into several rules",
            )

    def _any(self) -> Node:
        return self._logic("or", self._all)

    def _all(self) -> Node:
        return self._logic("and", self._not)

    def _logic(self, operator: str, part: Callable[[], Node]) -> Node:
        first = part()
        parts = [first]
        while self._is(operator):
            self._take()
            parts.append(part())
        return first if len(parts) == 1 else Logic(first.at, operator, tuple(parts))

    def _not(self) -> Node:
        if not self._is("not"):
            return self._comparison()
        at = self._take().at
        self._deeper(at)
        node = self._not()
        self._depth -= 1
        return Not(at, node)

    def _comparison(self) -> Node:
        left = self._sum()
        if not self._is(*COMPARISONS):
            return left
        sign = self._take()
        right = self._sum()
        if self._is(*COMPARISONS):
            raise ExpressionError(
                self._token.at,
                "比较不能连写 comparisons do not chain",
                "用 and 连接 write `a < b and b < c`",
            )
        return Comparison(left.at, left, sign.text, sign.at, right)

    def _sum(self) -> Node:
        return self._chain(("+", "-"), self._product)

    def _product(self) -> Node:
        return self._chain(("*", "/"), self._minus)

    def _chain(self, signs: tuple[str, ...], part: Callable[[], Node]) -> Node:
        first = part()
        steps: list[Step] = []
        while self._is(*signs):
            sign = self._take()
            steps.append(Step(sign.at, sign.text, part()))
        return Chain(first.at, first, tuple(steps)) if steps else first

    def _minus(self) -> Node:
        if not self._is("-"):
            return self._value()
        at = self._take().at
        self._deeper(at)
        node = self._minus()
        self._depth -= 1
        return Negative(at, node)

    def _value(self) -> Node:
        token = self._take()
        if token.kind == "number":
            return Number(token.at, token.value, token.unit)
        if token.kind == "name":
            return self._call(token) if self._is("(") else self._name(token)
        if token.text == "(":
            self._deeper(token.at)
            node = self._any()
            self._close(token.at)
            return node
        raise _no_value(token)

    def _call(self, token: Token) -> Node:
        opened = self._take().at
        if token.text not in FUNCTIONS:
            meant = operator_of(token.text)
            fix = f"请写 write `{meant}`" if meant else nearest(token.text, FUNCTIONS)
            raise ExpressionError(
                token.at,
                f"未知函数 unknown function {token.text!r}",
                fix or f"已知函数 known functions: {', '.join(FUNCTIONS)}",
            )
        self._deeper(opened)
        if self._is(")"):
            raise ExpressionError(
                opened, f"{token.text}() 没有参数 has no argument", "写出参数 write its arguments"
            )
        arguments = [self._any()]
        while self._is(","):
            self._take()
            arguments.append(self._any())
        self._close(opened)
        if token.text == "abs" and len(arguments) > 1:
            raise ExpressionError(
                arguments[1].at, "abs 只有一个参数 abs takes one argument", "删除多余的 remove it"
            )
        return Call(token.at, token.text, tuple(arguments))

    def _close(self, opened: int) -> None:
        if self._token.kind == "end":
            raise ExpressionError(opened, "( 未闭合 is never closed", "补上 ) add the )")
        if not self._is(")"):
            raise _unexpected(self._token)
        self._take()
        self._depth -= 1

    def _name(self, token: Token) -> Node:
        name = token.text
        if name not in self._known:
            raise self._unknown(token)
        index = self.names.setdefault(name, len(self.names))
        if index == NAMES_MAX:
            raise ExpressionError(
                token.at,
                f"名称超过 {NAMES_MAX} 个 too many names",
                "拆成几条规则 split it into several rules",
            )
        return Name(token.at, name, index)

    def _unknown(self, token: Token) -> ExpressionError:
        name = token.text
        if name in FUNCTIONS:
            return ExpressionError(
                token.at, f"{name} 是函数 is a function", f"加括号 write `{name}(...)`"
            )
        if meant := operator_of(name):
            return ExpressionError(
                token.at, f"无此运算符 no operator {name!r}", f"请写 write `{meant}`"
            )
        return ExpressionError(
            token.at,
            f"未知名称 unknown name {name!r}",
            nearest(name, self._known)
            or f"已知名称 known names: {', '.join(list(self._known)[:8]) or '-'}",
        )


def _unexpected(token: Token) -> ExpressionError:
    """For what stands where an operator must."""
    if token.text == ",":
        return ExpressionError(token.at, "逗号只用于函数 , is for functions", "删除 remove it")
    return missing_operator(token.at, token.text)


def _no_value(token: Token) -> ExpressionError:
    """For what stands where a value must."""
    if token.kind == "end":
        return ExpressionError(token.at, "表达式不完整 the end comes too early", "写完 complete it")
    if token.text == "not":
        return ExpressionError(
            token.at, "not 须在括号内 needs parentheses here", "写成 write `(not ...)`"
        )
    if token.text == "+":
        return ExpressionError(token.at, "不用正号 no sign + before a value", "删除 remove it")
    return ExpressionError(
        token.at,
        f"{token.text!r} 之前缺少数值或名称 a value is missing",
        "补上或删除运算符 add it or remove the operator",
    )
