"""Expressions: what they mean, what they refuse and where, and that both evaluators agree."""

import math
import operator
from collections.abc import Callable, Sequence
from functools import reduce
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from parkwatch.rules.expression import ExpressionError, Program, Quantity, parse

NAN, INF = math.nan, math.inf
H2S, CO, PLAIN = Quantity("ppm", "h2s"), Quantity("ppm", "co"), Quantity()
NAMES = {
    **dict.fromkeys("abc", H2S), **dict.fromkeys("st", PLAIN),
    "co": CO, "co_mg": Quantity("mg/m3", "co"), "lel": Quantity("%LEL", "ch4"),
    "level": Quantity("mm"), "p": Quantity("MPa"), "o2": Quantity("%vol", "o2"),
    "压力": Quantity("MPa"), "trip": Quantity("", "h2s"), "odd": Quantity("次/分"),
}  # fmt: skip


def both(program: Program, values: dict[str, float]) -> float:
    """The result of the scalar path, after the vector path has said the same."""
    row = [values[name] for name in program.names]
    scalar = program.scalar(row)
    vector = program.vector([np.array([value, value]) for value in row])
    assert vector.dtype == np.float64
    assert vector.shape == ((2,) if row else (1,))
    np.testing.assert_array_equal(vector, [scalar] * len(vector))
    return scalar


def said(text: str, **values: float) -> float:
    return both(parse(text, NAMES), values)


# --- meaning --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3", 7), ("(1 + 2) * 3", 9), ("7 - 2 - 1", 4), ("8 / 4 / 2", 1), ("8/(4/2)", 4),
        ("-2 * -3", 6), ("- -2", 2), ("2--2", 4), ("6 / 2 * 3", 9), ("1 - 2 + 3", 2),
        (".5 + 1. + 2e1 + 1E-1", 21.6), ("1 + 1 >= 2", 1),
        ("not 1 > 2 and 1 > 2", 0), ("not (1 > 2 and 1 > 2)", 1), ("not 1 > 2 or 1 < 2", 1),
        ("1<2 or 1<2 and 1>2", 1), ("(1<2 or 1<2) and 1>2", 0), ("not not 1<2", 1),
        ("1 > 2 and 1 > 2 or 1 < 2", 1), ("2 <= 2", 1), ("2 < 2", 0), ("2 == 2.0", 1),
        ("2 != 2", 0), ("abs(-3)", 3), ("abs(2 - 5) * 2", 6), ("min(3, 1, 2)", 1), ("max(3)", 3),
        ("mean(1, 2, 6)", 3), ("max(1, min(5, 3))", 3), ("count(1>0, 1>2, 2>1)", 2),
        ("count(1>0, 2>1) >= 2 and 1>0", 1), ("20 ppm > 3ppm", 1), ("3 mm - 1 mm", 2),
        ("10 mg/m3 / 5 mg/m3", 2), ("25%LEL >= 25 %LEL", 1), ("19.5 %vol < 21%vol", 1),
        ("0.8 MPa * 2", 1.6), ("6 次/分 / 3", 2), ("1 / 0", NAN), ("0 / 0 > 1", NAN),
        ("1e308 * 10", INF), ("1e308 * 10 - 1e308 * 10", NAN), ("1 /\n\u3000(3 - 3)", NAN),
    ],
)  # fmt: skip
def test_a_constant_expression_means_what_arithmetic_says(text: str, expected: float) -> None:
    assert parse(text, NAMES).names == ()
    assert said(text) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("text", "names", "boolean", "quantity"),
    [
        ("b + a - b", "b a", False, H2S), ("压力 * 2 + 0.1 MPa", "压力", False, Quantity("MPa")),
        ("a / b", "a b", False, PLAIN), ("a / 20 ppm * s", "a s", False, PLAIN),
        ("s * a / 3", "s a", False, H2S), ("max(3, a, 20 ppm)", "a", False, H2S),
        ("20 ppm + 3", "", False, Quantity("ppm")), ("trip", "trip", False, PLAIN),
        ("trip == s", "trip s", True, PLAIN), ("trip and not s", "trip s", True, PLAIN),
        ("count(a > 20 ppm, co > 20 ppm)", "a co", False, PLAIN),
        ("a * 2 > 20 ppm and lel >= 25 %LEL", "a lel", True, PLAIN),
        ("a > 5 - 3 and co < 20 ppm / 2", "a co", True, PLAIN),
        ("odd > 3 次/分", "odd", True, PLAIN),
    ],
)  # fmt: skip
def test_names_come_in_order_of_use_and_units_fit(
    text: str, names: str, boolean: bool, quantity: Quantity
) -> None:
    program = parse(text, NAMES)
    found = (program.text, program.names, program.boolean, program.quantity)
    assert found == (text, tuple(names.split()), boolean, quantity)


def test_a_program_is_a_value() -> None:
    one, same = parse("a > 1", NAMES), parse("a > 1", {"a": H2S})
    assert one == same
    assert hash(one) == hash(same)
    assert one != parse("a > 1", {"a": CO})
    assert one != parse("a > 2", NAMES)
    assert len({one, same, parse("a>1", NAMES)}) == 2


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "at", "what", "fix"),
    [
        # words and signs
        ("", 0, "early", ""), ("a >", 3, "early", ""), ("a > )", 4, "missing", ""),
        ("(a > 1", 0, "closed", ")"), ("a > 1)", 5, "too many", ""), ("a, b", 1, "functions", ""),
        ("(a, b)", 2, "functions", ""), ("a b", 2, "operator", ""), ("2 a", 2, "operator", ""),
        ("a > 1 AND b > 1", 6, "'AND'", "`and`"), ("a > 1 且 b > 1", 6, "且", "`and`"),
        ("a > 1 && b > 1", 6, "&&", "`and`"), ("s || t", 2, "||", "`or`"), ("!s", 0, "!", "`not`"),
        ("a = 1", 2, "=", "`==`"), ("a => 1", 2, "=>", "`>=`"), ("a <> 1", 2, "<>", "`!=`"),
        ("a ＞ 1", 2, "＞", "`>`"), ("a ≥ 1", 2, "≥", "`>=`"), ("a ** 2", 2, "**", "`*`"),
        ("s % 2", 2, "%", "unit"), ("s & t", 2, "&", "`and`"), ("a > 'x'", 4, "understood", ""),
        ("a < b < c", 6, "chain", "and"), ("+a", 0, "+", "remove"), ("s * not t", 4, "not", "("),
        ("NOT (s)", 0, "function", "`not`"), ("a > 1e999", 4, "large", ""), ("\ud800", 0, "", ""),
        ("__import__('os')", 11, "understood", ""), ("s.real", 1, "understood", ""),
        # names, units, functions
        ("levle > 1", 0, "levle", "level?"), ("a > 1 or zz", 9, "zz", "known"),
        ("a > 3 pmp", 6, "pmp", "ppm?"), ("a > 3PPM", 5, "PPM", "ppm?"),
        ("co_mg > 10 mg/m³", 11, "mg/m³", "mg/m3?"), ("a > 1 furlong", 6, "furlong", "known"),
        ("maxx(a, b)", 0, "maxx", "max?"), ("max + 1", 0, "max", "max(...)"),
        ("max()", 3, "argument", ""), ("abs(a, b)", 7, "one argument", ""),
        # truth and number
        ("s and 3", 6, "truth", "write"), ("a and s", 0, "ppm h2s", "`a >= ...`"),
        ("not (s + 1)", 5, "truth", ""), ("count(s, 2)", 9, "truth", ""),
        ("(s and t) + 1", 1, "number", "count"), ("-(a > 1)", 2, "number", ""),
        ("(a > 1) == (b > 1)", 1, "number", "and"), ("max(a, b > 1)", 7, "number", ""),
        # units
        ("a + co", 2, "ppm h2s 与 ppm co 不能相加", "each gas"), ("a > co", 2, "ppm co", "each"),
        ("co - co_mg", 3, "ppm co 与 mg/m3 co 不能相减", "unit"), ("a < 10 mg/m3", 2, "mg/m3", ""),
        ("a >= level", 2, "ppm h2s 与 mm 不能比较", "unit"), ("a > s", 2, "no unit", "unit"),
        ("min(a, 3, co)", 10, "ppm co", "each"), ("mean(p, 1 mm)", 8, "MPa 与 mm", "unit"),
        ("a * b", 2, "multiplied", "plain"), ("a / co", 2, "ppm co", ""),
        ("1 / a", 2, "divided", "plain"), ("a > 2 * s", 2, "no unit", ""),
        ("a * 2 ppm", 2, "multiplied", ""), ("a / b > 3 ppm", 6, "ppm", ""),
        ("a + a / b", 2, "no unit", ""),
        ("s > 3 ppm", 2, "ppm", ""), ("a + 1 + 2 %LEL", 6, "%LEL", ""),
    ],
)  # fmt: skip
def test_a_refusal_names_the_column_the_fault_and_the_way_out(
    text: str, at: int, what: str, fix: str
) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text, NAMES)
    error = caught.value
    assert (error.at, what in error.what, fix in error.fix) == (at, True, True), vars(error)


def test_a_unit_that_is_also_a_point_is_a_forgotten_operator() -> None:
    with pytest.raises(ExpressionError, match="operator") as caught:
        parse("3 A > 2", {"A": PLAIN})
    assert caught.value.at == 2
    assert both(parse("i > 3 A", {"i": Quantity("A"), "A": PLAIN}), {"i": 4.0}) == 1


@pytest.mark.parametrize(
    "opening", ["(", "not ", "-", "abs(", "s or s and s < s + s * count(", "s+s*mean(s,"]
)
def test_nesting_has_an_end(opening: str) -> None:
    end = ")" * opening.count("(")
    both(parse(opening * 32 + "s" + end * 32, NAMES), {"s": 1.0})
    with pytest.raises(ExpressionError, match="nested") as caught:
        parse(opening * 33 + "s" + end * 33, NAMES)
    assert len(opening) * 32 <= caught.value.at < len(opening) * 33


def test_a_text_is_at_most_2000_characters_and_a_long_chain_is_not_deep() -> None:
    for text in ("s" + "+s" * 999, "s" + " or s" * 399, "count(" + "s," * 990 + "s)==1"):
        assert math.isfinite(both(parse(text.ljust(2000), NAMES), {"s": 1.0}))
        with pytest.raises(ExpressionError) as caught:
            parse(text.ljust(2001), NAMES)
        assert caught.value.at == 2000
    assert both(parse("count(" + "s," * 990 + "s)", NAMES), {"s": 1.0}) == 991


def test_names_are_at_most_64() -> None:
    many = {f"n{i}": PLAIN for i in range(65)}
    text = " + ".join(many)
    parse(text.removesuffix(" + n64") + " + n0", many)
    with pytest.raises(ExpressionError, match="64") as caught:
        parse(text, many)
    assert caught.value.at == text.index("n64")


# --- three values ---------------------------------------------------------------------------------

KLEENE = [
    # s, t, s and t, s or t, not s
    (1, 1, 1, 1, 0), (1, 0, 0, 1, 0), (0, 1, 0, 1, 1), (0, 0, 0, 0, 1), (1, NAN, NAN, 1, 0),
    (0, NAN, 0, NAN, 1), (NAN, 1, NAN, 1, NAN), (NAN, 0, 0, NAN, NAN), (NAN, NAN, NAN, NAN, NAN),
    (INF, -2, 1, 1, 0),
]  # fmt: skip


@pytest.mark.parametrize(("s", "t", "all_of", "any_of", "negated"), KLEENE)
def test_logic_is_kleene_s(
    s: float, t: float, all_of: float, any_of: float, negated: float
) -> None:
    results = [said(x, s=s, t=t) for x in ("s and t", "s or t", "not s")]
    np.testing.assert_array_equal(results, [all_of, any_of, negated])
    turned = [said(x, s=s, t=t) for x in ("not s or not t", "not s and not t")]
    np.testing.assert_array_equal(turned, [1 - all_of, 1 - any_of])
    constant = [said(x, s=s) for x in ("1>2 and s", "1<2 or s", "s and 0/0>1", "0/0>1 or s")]
    unknown = [0.0 if s == 0 else NAN, NAN if s == 0 or math.isnan(s) else 1.0]
    np.testing.assert_array_equal(constant, [0.0, 1.0, *unknown])


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("a > 1", [NAN], NAN), ("a != a", [NAN], NAN), ("a == 1", [NAN], NAN), ("a > 1", [INF], 1),
        ("a <= 1", [-INF], 1), ("a >= b", [INF, INF], 1), ("a - b > 0", [INF, INF], NAN),
        ("a / s", [1, 0], NAN), ("a * 2 / s", [1, -0.0], NAN), ("a / s", [1e308, 5e-324], INF),
        ("abs(a)", [NAN], NAN), ("abs(a)", [-INF], INF), ("max(a, b)", [NAN, 5], NAN),
        ("max(a, b, c)", [NAN, 5, INF], INF), ("max(a, b)", [INF, NAN], INF),
        ("max(a, b)", [NAN, -INF], NAN), ("min(a, b)", [NAN, -INF], -INF),
        ("mean(a, b)", [1, 2], 1.5), ("min(a, b)", [NAN, INF], NAN),
        ("mean(a, b)", [INF, NAN], NAN), ("-a", [INF], -INF),
        ("count(a > 1, b > 1, c > 1) >= 2", [2, 2, NAN], 1),
        ("count(a > 1, b > 1, c > 1) >= 2", [0, 0, NAN], 0),
        ("count(a > 1, b > 1, c > 1) >= 2", [2, 0, NAN], NAN),
        ("2 <= (count(a > 1, b > 1, c > 1))", [2, 2, NAN], 1),
        ("count(a > 1, b > 1) < 3", [NAN, NAN], 1), ("count(a > 1, b > 1) > 2", [NAN, NAN], 0),
        ("count(a > 1, b > 1) == 3", [NAN, NAN], 0), ("count(a > 1, b > 1) != 3", [NAN, NAN], 1),
        ("count(a > 1, b > 1) == 1", [2, NAN], NAN), ("count(a > 1, b > 1) == 1.5", [NAN, NAN], 0),
        ("count(a > 1, b > 1) >= s", [2, 2, NAN], NAN), ("1.5 == count(a>1, b>1)", [2, NAN], 0),
        ("count(a > 1) + 0 < 3", [NAN], NAN), ("count(1>0, a>1) >= 2", [2], 1),
        ("count(a > 1, 0/0 > 1, 1 > 0) >= 1", [NAN], 1), ("count(0/0 > 1) <= s", [1], 1),
        ("count(a > 1, b > 1) > count(a < 1)", [2, 2], 1), ("count(1>0) + 1 > 1 and s", [1], 1),
        ("count(1>0) > 0 or s", [NAN], 1), ("s and 0 < count(0/0>1, 1>0)", [1], 1),
    ],
)  # fmt: skip
def test_unknown_and_out_of_range(text: str, values: list[float], expected: float) -> None:
    program = parse(text, NAMES)
    result = both(program, dict(zip(program.names, values, strict=True)))
    np.testing.assert_array_equal(result, expected)


def test_numpy_s_own_floats_do_not_warn() -> None:
    extreme = np.array([1e308, 1e308, 0.0])
    assert parse("a + b", NAMES).scalar(extreme) == INF  # type: ignore[arg-type]
    assert math.isnan(parse("a / s", NAMES).scalar(list(extreme[1:])))


def test_columns_are_neither_written_nor_handed_back() -> None:
    column = np.array([1.0, 2.0])
    for text in ("a", "max(a)", "a + 1", "a > 1 and a < 5"):
        parse(text, NAMES).vector([column])[:] = 9.0
    assert column.tolist() == [1.0, 2.0]
    assert parse("a > 1 or b > 1", NAMES).vector([column[:0]] * 2).shape == (0,)


# --- properties: random trees, and a slow obvious reading of them ---------------------------------

Tree = tuple[Any, ...]  # an operator or a function with its parts, or only the text of a leaf
ORDER: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "==": operator.eq,
    "!=": operator.ne,
}  # fmt: skip
ARITHMETIC: dict[str, Callable[..., float]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
    "neg": operator.neg, "abs": abs, "min": lambda *x: min(x), "max": lambda *x: max(x),
    "mean": lambda *x: reduce(operator.add, x) / len(x),
}  # fmt: skip
LEVEL = {"or": 1, "and": 2, "not": 3, "+": 5, "-": 5, "*": 6, "/": 6, "neg": 7}
LEVEL.update(dict.fromkeys(ORDER, 4))
SIDES = ("ppm loose", "loose ppm", "plain plain", "count plain", "plain count", "count count")
SHAPES = {
    "ppm": "+ ppm loose|- loose ppm|* ppm plain|* plain ppm|/ ppm plain|neg ppm|abs ppm|max ppm|"
    "min ppm loose ppm|max loose ppm|max ppm ppm loose|mean ppm loose|mean loose ppm ppm",
    "plain": "+ plain plain|- plain plain|* plain plain|/ plain plain|/ ppm ppm|neg plain|"
    "max plain plain|count truth|count truth truth truth",
    "count": "count truth|count truth truth|count truth truth truth truth",
    "truth": "and truth truth|or truth truth|not truth|"
    + "|".join(f"{sign} {sides}" for sign in ORDER for sides in SIDES),
}
SHAPES["loose"] = SHAPES["ppm"]
LEAVES = {"ppm": ["a", "b", "c", "20 ppm", "1e308 ppm"], "truth": ["s", "t"], "count": ["0", "2"]}
LEAVES["plain"] = ["s", "t", "0", "1", "2", "1.5", "5e-324", "1e308"]
LEAVES["loose"] = [*LEAVES["ppm"], "0", "2", ".25", "1e-308"]
VALUE = st.sampled_from([NAN, INF, -INF, 0.0, -0.0, 1.0, 2.0, 20.0, 1e308, 5e-324]) | st.floats()
ROW = st.tuples(*[VALUE] * 5).map(lambda row: dict(zip("abcst", row, strict=True)))
EXAMPLES = settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def trees(draw: st.DrawFn, sorts: Sequence[str] = ("truth", "ppm", "plain")) -> Tree:
    """A tree of one of the sorts; whatever it is made of fits in unit and gas."""

    def grown(sort: str, depth: int) -> Tree:
        if depth == 0:
            return (draw(st.sampled_from(LEAVES[sort])),)
        tag, *parts = draw(st.sampled_from(SHAPES[sort].split("|"))).split()
        return (tag, *(grown(part, draw(st.integers(0, depth - 1))) for part in parts))

    tree = grown(draw(st.sampled_from(sorts)), draw(st.integers(1, 4)))
    assume(len(written(tree)) <= 2000)
    return tree


def written(tree: Tree, floor: int = 0) -> str:
    """The text of a tree with no more parentheses than it needs."""
    tag, *parts = tree
    level = LEVEL.get(tag, 8)
    if not parts:
        text = tag
    elif level == 8:
        text = f"{tag}({', '.join(written(part) for part in parts)})"
    elif len(parts) == 1:
        text = ("-" if tag == "neg" else "not ") + written(parts[0], level)
    else:
        left = written(parts[0], level + (tag in ORDER))
        text = f"{left} {tag} {written(parts[1], level + 1)}"
    return text if level >= floor else f"({text})"


def value(tree: Tree, at: dict[str, float]) -> float:
    """What a number tree is worth."""
    tag, *parts = tree
    if not parts:
        return at[tag] if tag in at else float(tag.removesuffix("ppm"))
    if tag == "count":
        return possible.pop() if len(possible := tallies(tree, at)) == 1 else NAN
    found = [value(part, at) for part in parts]
    decisive = {"min": -INF, "max": INF}.get(tag)
    if decisive in found:
        return decisive
    unknown = any(math.isnan(x) for x in found) or (tag == "/" and found[1] == 0)
    return NAN if unknown else ARITHMETIC[tag](*found)


def tallies(tree: Tree, at: dict[str, float]) -> set[float]:
    """Every number that a side of a comparison can be; empty where it can be any."""
    if tree[0] != "count":
        return set() if math.isnan(x := value(tree, at)) else {x}
    sums = {0.0}
    for part in tree[1:]:
        sums = {n + truth for n in sums for truth in outcomes(part, at)}
    return sums


def outcomes(tree: Tree, at: dict[str, float]) -> set[bool]:
    """Every outcome that a truth tree can have."""
    tag, *parts = tree
    if not parts:
        return {False, True} if math.isnan(at[tag]) else {at[tag] != 0}
    if tag in ORDER:
        left, right = (tallies(part, at) for part in parts)
        return {ORDER[tag](x, y) for x in left for y in right} or {False, True}
    sets = [outcomes(part, at) for part in parts]
    if tag == "not":
        return {not x for x in sets[0]}
    return {all(pair) if tag == "and" else any(pair) for pair in product(*sets)}


@EXAMPLES
@given(tree=trees(), rows=st.lists(ROW, min_size=1, max_size=6))
def test_scalar_vector_and_reference_agree(tree: Tree, rows: list[dict[str, float]]) -> None:
    program = parse(written(tree), NAMES)
    expected = []
    for at in rows:
        if program.boolean:
            possible = outcomes(tree, at)
            expected.append(NAN if len(possible) == 2 else float(possible.pop()))
        else:
            expected.append(value(tree, at))
        np.testing.assert_array_equal(program.scalar([at[n] for n in program.names]), expected[-1])
    found = program.vector([np.array([at[name] for at in rows]) for name in program.names])
    np.testing.assert_array_equal(found, expected if program.names else expected[:1])


@EXAMPLES
@given(tree=trees(("truth",)), at=ROW, lost=st.sets(st.sampled_from("abcst"), min_size=1))
def test_losing_a_value_never_turns_a_truth(
    tree: Tree, at: dict[str, float], lost: set[str]
) -> None:
    program = parse(written(tree), NAMES)
    before = program.scalar([at[name] for name in program.names])
    after = program.scalar([NAN if name in lost else at[name] for name in program.names])
    assert math.isnan(after) or after == before


PIECE = [*NAMES, *ORDER, *"+-*/(),!&|=%#.", "and", "or", "not", "abs(", "count(", "max", "3"]
PIECE += ["20 ppm", "1e9", "mm", "％", "\x00", "9" * 400]
PIECES = st.lists(st.sampled_from(PIECE), max_size=25)


@EXAMPLES
@given(text=st.text(max_size=40) | PIECES.map(" ".join) | PIECES.map("".join))
def test_any_text_is_a_program_or_a_refusal(text: str) -> None:
    try:
        program = parse(text, NAMES)
    except ExpressionError as refusal:
        error = refusal
    else:
        both(program, dict.fromkeys(program.names, 1.0))
        return
    assert 0 <= error.at <= len(text)
    assert error.what
    assert error.fix
