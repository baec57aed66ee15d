"""Series as rule tests write them: `0 0 30x5 0..60x10 bad:fault uncertain:doubtful@12 - 2x40`.

A token is one sample or, with `xN`, N of them. `A..BxN` goes from A to B in N samples, both
included. `-` is no sample. `bad:REASON` and `uncertain:REASON` carry a quality; `@VALUE` says what
is read all the same. After its last token a series is silent.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from parkwatch.rules.quality import BAD, GOOD, UNCERTAIN, Reason, reason_name

STEPS_MAX = 1_000_000
_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_TOKEN = re.compile(
    rf"(?:(?P<gap>-)|(?P<status>bad|uncertain):(?P<reason>[a-z_-]+)(?:@(?P<at>{_NUMBER}))?"
    rf"|(?P<first>{_NUMBER})(?:\.\.(?P<last>{_NUMBER}))?)(?:x(?P<times>\d{{1,9}}))?",
    re.ASCII,
)
_REASONS = {reason.name.lower(): int(reason) for reason in Reason if reason is not Reason.NONE}
_VALUELESS = frozenset({int(Reason.OVER_RANGE), int(Reason.UNDER_RANGE)})
_FORMS = "30 | 30x5 | 0..60x10 | - | bad:fault | uncertain:doubtful@12"


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading; `value` is NaN where there is none."""

    value: float
    quality: int = GOOD


class SeriesError(ValueError):
    """A token that means nothing; `number` counts from 1. Texts are Chinese first."""

    def __init__(self, number: int, token: str, what: tuple[str, str], fix: str) -> None:
        super().__init__(f"{number}: {token}: {what[1]}")
        self.number, self.token, self.what, self.fix = number, token, what, fix


def samples(text: str) -> list[Sample | None]:
    """The samples of a series, None where there is none; SeriesError at its first bad token.

    >>> [sample and sample.value for sample in samples("0 5x2 - 0..4x3")]
    [0.0, 5.0, 5.0, None, 0.0, 2.0, 4.0]
    """
    found: list[Sample | None] = []
    for number, token in enumerate(text.split(), start=1):
        match = _TOKEN.fullmatch(token)
        if match is None:
            what = ("不是样本", "is no sample")
            raise SeriesError(number, token, what, _FORMS)
        times = int(match["times"] or 1)
        if not 0 < times <= STEPS_MAX - len(found):
            what = (f"总数须为 1 … {STEPS_MAX}", f"a series has 1 … {STEPS_MAX} samples")
            raise SeriesError(number, token, what, "xN")
        found += _of(match, number, times)
    return found


def written(sample: Sample | None) -> str:
    """A sample as a series writes it."""
    if sample is None:
        return "-"
    if sample.quality == GOOD:
        return f"{sample.value:g}"
    status = "uncertain" if sample.quality & BAD == 0 else "bad"
    value = "" if math.isnan(sample.value) else f"@{sample.value:g}"
    return f"{status}:{reason_name(sample.quality)}{value}"


def _of(match: re.Match[str], number: int, times: int) -> list[Sample | None]:
    if match["gap"]:
        return [None] * times
    if match["status"]:
        return [_judged(match, number)] * times
    first = _finite(match["first"], match, number)
    if match["last"] is None:
        return [Sample(first)] * times
    last = _finite(match["last"], match, number)
    if times < 2:
        what = ("斜坡须写明样本数", "a ramp says how many samples it has")
        raise SeriesError(number, match[0], what, f"{match['first']}..{match['last']}x10")
    step = (last - first) / (times - 1)
    return [*(Sample(round(first + step * i, 9)) for i in range(times - 1)), Sample(last)]


def _judged(match: re.Match[str], number: int) -> Sample:
    """A sample whose quality is told."""
    reason = _REASONS.get(match["reason"].replace("-", "_"))
    if reason is None:
        what = (f"未知原因 {match['reason']}", f"unknown reason {match['reason']}")
        raise SeriesError(number, match[0], what, " | ".join(_REASONS))
    bad = match["status"] == "bad"
    if match["at"] is None and not bad and reason not in _VALUELESS:
        what = ("存疑的样本须有数值", "an uncertain sample has a value")
        raise SeriesError(number, match[0], what, f"uncertain:{match['reason']}@12")
    value = math.nan if match["at"] is None else _finite(match["at"], match, number)
    return Sample(value, (BAD if bad else UNCERTAIN) | reason)


def _finite(text: str, match: re.Match[str], number: int) -> float:
    value = float(text)
    if math.isinf(value):
        what = ("数过大", "is too large a number")
        raise SeriesError(number, match[0], what, _FORMS)
    return value
