"""The text of an expression in tokens; what is none is refused with what to write instead.

Columns are 0-based indices into the text. Nothing is normalised silently: full-width signs and
look-alike units are refused with the plain form, so that the text is read as it is stored.
"""

from __future__ import annotations

import difflib
import math
import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from parkwatch.rules.units import UNITS

TEXT_MAX = 2000
KEYWORDS = frozenset({"and", "or", "not"})
FUNCTIONS = ("abs", "min", "max", "mean", "count")

_FIELD_UNITS = (
    "%", "‰", "%RH", "ppb", "mm", "cm", "m", "Pa", "kPa", "MPa", "bar", "mbar", "℃", "°C", "K",
    "A", "mA", "V", "kV", "kW", "Hz", "rpm", "r/min", "mm/s", "m/s", "m3/h", "t/h", "kg/h",
    "L/min", "kg", "t", "s", "min", "h",
)  # fmt: skip
"""Known beside those that are declared: so a mismatch is told as one, not as an unknown unit."""

_HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U000323af"
_NAME = re.compile(f"[A-Za-z_{_HAN}][A-Za-z0-9_{_HAN}]*")
_NUMBER = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_SIGN = re.compile(r"&&|\|\||<>|=>|=<|\*\*|//|>=|<=|==|!=|[-+*/(),<>]")
_UNIT_WORD = re.compile(r"[^\s()+\-*,<>=!&|]+")
_UNIT_STARTS = "_%‰°℃℉"
_REFUSED = {
    "&&": "and", "&": "and", "||": "or", "|": "or", "!": "not", "~": "not", "=": "==", "=>": ">=",
    "=<": "<=", "<>": "!=", "**": "*", "^": "*", "//": "/", "≥": ">=", "≤": "<=", "≠": "!=",
    "≧": ">=", "≦": "<=", "×": "*", "÷": "/", "−": "-", "–": "-", "—": "-", "、": ",",
    "[": "(", "]": ")", "{": "(", "}": ")", "¬": "not", "∧": "and", "∨": "or",
}  # fmt: skip
WORDS = {
    "且": "and", "并且": "and", "与": "and", "和": "and", "或": "or", "或者": "or", "非": "not",
    "不": "not",
}  # fmt: skip
"""Words that mean an operator; refused, because they could be names."""


class ExpressionError(ValueError):
    """`at` 0-based column in the text; `what` and `fix` for people, Chinese first."""

    def __init__(self, at: int, what: str, fix: str) -> None:
        super().__init__(what)
        self.at, self.what, self.fix = at, what, fix


@dataclass(frozen=True, slots=True)
class Token:
    """`kind`: `number`, `name`, `sign` (operators, keywords, parentheses) or `end`.

    `value` and `unit` (empty without one) are those of a number.
    """

    kind: str
    text: str
    at: int
    value: float = 0.0
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The words of one site: `names` and their `units`, and `known`: all units, longest first."""

    names: Collection[str]
    units: Collection[str]
    known: Sequence[str]

    @classmethod
    def of(cls, names: Collection[str], units: Collection[str]) -> Lexicon:
        """With the units that are known everywhere."""
        # `3 A` with a point A is a forgotten operator, unless somebody declared the unit.
        field = (unit for unit in _FIELD_UNITS if unit not in names)
        known = {*UNITS, *field, *units} - {""}
        return cls(names, units, sorted(known, key=lambda unit: (-len(unit), unit)))


def tokens(text: str, lexicon: Lexicon) -> Iterator[Token]:
    """The tokens of a text, an `end` last."""
    if len(text) > TEXT_MAX:
        raise ExpressionError(
            TEXT_MAX,
            f"表达式长 {len(text)} 字符,最多 {TEXT_MAX} the text is too long",
            "拆成几条规则 split it into several rules",
        )
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        token, at = _token(text, at, lexicon)
        yield token
    yield Token("end", "", len(text))


def _token(text: str, at: int, lexicon: Lexicon) -> tuple[Token, int]:
    """The token at a column, and the column after it."""
    if number := _NUMBER.match(text, at):
        return _number(text, at, number.end(), lexicon)
    if name := _NAME.match(text, at):
        word = name.group()
        return Token("sign" if word in KEYWORDS else "name", word, at), name.end()
    sign = _SIGN.match(text, at)
    if sign and sign.group() not in _REFUSED:
        return Token("sign", sign.group(), at), sign.end()
    wrong = sign.group() if sign else text[at]
    raise ExpressionError(at, f"无法识别 {wrong!r} is not understood", _instead(wrong))


def _instead(wrong: str) -> str:
    """What to write for a sign that is not of this language."""
    plain = unicodedata.normalize("NFKC", wrong)
    right = _REFUSED.get(wrong) or _REFUSED.get(plain) or (plain if plain != wrong else "")
    if right.strip():
        return f"请写 write `{right}`"
    if wrong == "%":
        return "% 只作单位,紧跟数字 % is a unit and follows a number, as `25 %LEL`"
    return "删除该字符 remove it; 可用 known: + - * / > >= < <= == != and or not ( ) ,"


def _number(text: str, at: int, end: int, lexicon: Lexicon) -> tuple[Token, int]:
    """A number with the unit directly after it, if one is there, and the column after both."""
    digits = text[at:end]
    value = float(digits)
    if math.isinf(value):
        raise ExpressionError(
            at, f"数值过大 {digits} is too large", "写有限的数 write a finite number"
        )
    start = end
    while start < len(text) and text[start].isspace():
        start += 1
    for unit in lexicon.known:
        if text.startswith(unit, start) and _ends(text, start, unit):
            return Token("number", digits, at, value, unit), start + len(unit)
    first = text[start : start + 1]
    if first and (first.isalpha() or first in _UNIT_STARTS):
        _refuse_word(text, start, lexicon)
    return Token("number", digits, at, value), end


def _ends(text: str, start: int, unit: str) -> bool:
    """Whether a unit ends where it ends: `mm` does not in `mmol`, `%` not in `%LEL`."""
    after = text[start + len(unit) : start + len(unit) + 1]
    return not (after.isalnum() or (after != "" and after in _UNIT_STARTS))


def _refuse_word(text: str, at: int, lexicon: Lexicon) -> None:
    """ExpressionError for a word after a number that is no unit; nothing for a keyword."""
    name = _NAME.match(text, at)
    word = name.group() if name else ""
    if word in KEYWORDS:
        return
    if word in lexicon.names or word in FUNCTIONS or operator_of(word):
        raise missing_operator(at, word)
    found = _UNIT_WORD.match(text, at)
    written = found.group() if found else text[at]
    # One of their own units was meant, rather than one that nobody measures in.
    near = nearest(written, lexicon.units) or nearest(written, lexicon.known)
    some = ", ".join(sorted(lexicon.units)[:8])
    fix = near or f"已知单位 known units: {some}"
    raise ExpressionError(at, f"未知单位 unknown unit {written!r}", fix)


def operator_of(word: str) -> str:
    """The operator that a word is meant to be, or empty."""
    return WORDS.get(word) or (word.lower() if word.lower() in KEYWORDS else "")


def missing_operator(at: int, word: str) -> ExpressionError:
    """Two values side by side."""
    if meant := operator_of(word):
        return ExpressionError(at, f"无此运算符 no operator {word!r}", f"请写 write `{meant}`")
    return ExpressionError(
        at,
        f"{word!r} 之前缺少运算符 an operator is missing",
        "写明 + - * / 比较或 and / or write the operator",
    )


def nearest(word: str, known: Collection[str]) -> str:
    """`did you mean ...?` with the known word that was probably meant, or empty."""
    folded = {unicodedata.normalize("NFKC", name).casefold(): name for name in sorted(known)}
    plain = unicodedata.normalize("NFKC", word).casefold()
    near = difflib.get_close_matches(plain, folded, 1)
    return f"是否 did you mean {folded[near[0]]}?" if near else ""
