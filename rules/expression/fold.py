"""Parts of a tree without names, worked out once: then every truth that is left has a name in it,
and so the length of the columns."""

from __future__ import annotations

from parkwatch.rules.expression import scalar as expression_scalar
from parkwatch.rules.expression.scalar import is_count
from parkwatch.rules.expression.tree import (
    Comparison,
    Logic,
    Node,
    Not,
    Number,
    Truth,
    parts_of,
    with_parts,
)


def folded(node: Node) -> Node:
    """The same tree, its largest parts without names replaced by a Number or a Truth.

    A count stays one: where it is compared it can be decided, as a number it may be UNKNOWN.
    """
    parts = tuple(map(folded, parts_of(node)))
    node = with_parts(node, parts)
    if not parts or is_count(node) or not all(map(_nameless, parts)):
        return node
    if isinstance(node, Comparison | Logic | Not):
        return Truth(node.at, expression_scalar.truth(node)(()))
    return Number(node.at, expression_scalar.number(node)(()))


def _nameless(part: Node) -> bool:
    """Whether a folded part has no names."""
    if is_count(part):
        return all(isinstance(counted, Truth) for counted in parts_of(part))
    return isinstance(part, Number | Truth)
