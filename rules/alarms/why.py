"""Why an alarm is as it is, in words: one line and a table, the same in console, message, CLI.

Whatever stands in a cause gives readable words in Chinese or English: a key that is missing or odd
costs its own words and nothing else. Causes are old when they are read: journals outlive versions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from parkwatch.rules.alarms import why_words as words
from parkwatch.rules.alarms.why_words import clean, digits, listed, mapping, number
from parkwatch.rules.transition import AlarmView, Transition

Said = Mapping[str, Any] | Transition | AlarmView
Clock = Callable[[int], str]
"""Engine time in ns as people read it: rules know no time zone."""
_WOVEN = frozenset({
    "value", "unit", "quality", "reason", "tag", "point", "measured", "measured_unit", "measure",
    "inputs", "limit", "side", "held_s", "on_delay_s", "voters", "full_scale", "reads", "lost",
    "first_out", "links", "reached", "learned",
})  # fmt: skip
"""Keys whose rows are made of more than the key's own value."""
_BEYOND = {"over_range": "high", "under_range": "low"}
"""Reasons that stand for a value: on which side they count as reached."""


@dataclass(frozen=True, slots=True)
class Row:
    """One input: `key` for programs, `label` and `text` for people."""

    key: str
    label: str
    text: str


def line(said: Said, lang: str = "zh", *, alarm: str = "", clock: Clock | None = None) -> str:
    """One line of words: what was seen, what it was held against, for how long, by which clause.

    `lang` is `zh` or `en`; `alarm` is the id where only a cause is given.
    """
    return _speaker(said, lang, alarm, clock).line()


def table(
    said: Said, lang: str = "zh", *, alarm: str = "", clock: Clock | None = None
) -> list[Row]:
    """Every input of the decision, a row each: samples, limit, timers, voters, rule, circumstances.

    The rows and their keys do not depend on the language. What this version has no words for is
    shown as it is.
    """
    return list(_speaker(said, lang, alarm, clock).rows())


def _speaker(said: Said, lang: str, alarm: str, clock: Clock | None) -> _Speaker:
    event = said.event if isinstance(said, Transition) else ""
    if isinstance(said, Transition | AlarmView):
        alarm, said = said.alarm, said.cause
    return _Speaker(mapping(said), lang, alarm, event, clock)


class _Speaker:
    def __init__(
        self, cause: Mapping[str, Any], lang: str, alarm: str, event: str, clock: Clock | None
    ) -> None:
        self._cause = cause
        self._en = lang == "en"
        self._owner, _, self._group = alarm.rpartition(":")
        self._event = event
        self._clock = clock
        self._kind = words.kind_of(cause, self._group)

    # One line ------------------------------------------------------------------------------

    def line(self) -> str:
        pieces = (piece for piece in (self._core(), *self._circumstances()) if piece)
        shadow = self._say("shadow") if self._cause.get("shadow") else ""
        return shadow + self._comma().join(pieces)

    def _core(self) -> str:
        if self._kind == "vote":
            return self._vote()
        if self._kind == "fault":
            return self._after_tag(self._fault())
        if self._kind == "link":
            return self._after_tag(self._link())
        if self._kind in words.KINDS:
            return self._after_tag(self._compared())
        parts = (self._group_word(), self._own_value(), self._text("text"))
        return self._after_tag(" ".join(p for p in parts if p) or self._say("nothing"))

    def _circumstances(self) -> Iterator[str]:
        """What may go with every kind of cause; empty where the cause does not say it."""
        yield self._beyond()
        yield self._lost()
        told = self._text("reason") in _BEYOND and self._number("value") is None
        if self._kind != "fault" and not told:
            yield self._reason()
        if self._cause.get("doubtful"):
            yield self._say("doubtful")
        yield self._held()
        yield self._filled("rule", self._text("name"))
        yield self._filled("enable", self._text("enable"))
        yield self._inputs()
        yield self._first_out()
        yield self._learned()
        yield self._filled("clause", self._text("clause"))
        if self._kind not in ("link", "other"):
            yield self._text("text")
        yield self._filled("spoken_for", self._links())
        yield self._deed()

    def _inputs(self) -> str:
        """What else was read; the alarm's own point was told already."""
        inputs = listed(self._cause.get("inputs"))
        if len(inputs) == 1 and mapping(inputs[0]).get("point") == self._cause.get("point", ""):
            return ""
        shown = self._few([self._sample(one) for one in inputs])
        return self._say("inputs", inputs=shown) if shown else ""

    def _compared(self) -> str:
        """A number against a limit, or an expression that holds."""
        if "expression" in self._cause and self._is_truth():
            truth = {1.0: "holds", 0.0: "holds_not"}
            measured = self._number("measured") if "measured" in self._cause else 1.0
            how = "unknown" if measured is None else truth.get(float(measured), "unknown")
            said = self._say(how, expression=self._text("expression"))
            kind = "" if self._kind == "expression" else self._word(words.KINDS, self._kind)
            return f"{kind}{self._comma()}{said}" if kind else said
        compared, unit = self._measured()
        side = "low" if self._text("side") == "low" else "high"
        relation = self._relation(side)
        if self._group == "state" and self._kind == "limit" and relation == "reached":
            return self._group_word()
        value = self._amount(compared, unit)
        if compared is None:
            beyond = self._text("reason") in _BEYOND
            value = self._reason() if beyond else self._say("not_known")
        said = self._beside(self._measure(), value)
        limit = self._number("limit")
        if limit is not None:
            bound = self._amount(limit, unit)
            if self._kind in ("trend", "flatline") and side == "low":
                relation = f"{relation}_least"
            said += self._say(relation, side=self._word(words.SIDES, side), limit=bound)
        if "measured" in self._cause and self._own_value():
            said += self._say("present", value=self._own_value())
        if self._text("expression"):
            said += f" ({self._text('expression')})"
        return said

    def _relation(self, side: str) -> str:
        """How the compared number stands to its limit; what is held may be within the deadband."""
        compared, limit = self._measured()[0], self._number("limit")
        if compared is None:
            counts_as = _BEYOND.get(self._text("reason"))
            return "reached" if counts_as == side else "unknown_side"
        if limit is None:
            return "unknown_side"
        if compared >= limit if side == "high" else compared <= limit:
            return "reached"
        return "holding" if "held_s" in self._cause else "back"

    def _vote(self) -> str:
        voters = [self._sample(one) for one in listed(self._cause.get("voters"))]
        shown = self._few(voters)
        if self._cause.get("single") and len(voters) < 2:
            said = self._say("alone")
        else:
            said = self._say("together", n=len(voters)) if voters else self._say("no_voter")
        if shown:
            said += f"{': ' if self._en else ':'}{shown}"
        healthy = self._number("healthy")
        if healthy is not None:
            said += self._say("witnesses", n=digits(healthy))
        gas = self._text("gas")
        return self._after_tag(f"{gas} {said}" if gas else said)

    def _fault(self) -> str:
        reason = self._text("reason")
        if reason == "none":
            return self._say("seen_again", value=self._own_value() or self._say("not_known"))
        return self._word(words.REASONS, reason) if reason else self._say("fault")

    def _link(self) -> str:
        said = self._group_word() or self._say("link")
        points, hidden = self._number("points"), self._number("suppressed")
        if points is not None:
            said += self._say("points", n=digits(points))
        if hidden:
            said += self._say("suppressed", n=digits(hidden))
        text = self._text("text")
        return f"{said} ({text})" if text else said

    # Circumstances -------------------------------------------------------------------------

    def _beyond(self) -> str:
        if "full_scale" not in self._cause:
            return ""
        reads = (self._number(key) for key in ("reads", "measured", "value"))
        found = next((one for one in reads if one is not None), None)
        full = digits(self._number("full_scale"))
        if found is None:
            return self._say("beyond_unknown", full=full)
        return self._say("beyond", value=digits(found), full=full)

    def _lost(self) -> str:
        lost = self._cause.get("lost")
        seen = mapping(lost)
        value = number(seen.get("value") if seen else lost)
        if value is None:
            return ""
        unit = clean(seen.get("unit")) or self._text("unit")
        trend, slope = clean(seen.get("trend")), number(seen.get("trend"))
        if slope is not None:
            trend = "rising" if slope > 0 else "falling" if slope < 0 else "steady"
        said = self._say("lost", value=self._amount(value, unit))
        return said + (self._comma() + self._word(words.TRENDS, trend) if trend else "")

    def _held(self) -> str:
        held, delay = self._number("held_s"), self._number("on_delay_s")
        if not held:
            return ""
        said = self._say("held", n=digits(held))
        return said + (self._say("delay", n=digits(delay)) if delay is not None else "")

    def _first_out(self) -> str:
        first = mapping(self._cause.get("first_out"))
        tag = clean(first.get("tag")) or clean(first.get("point"))
        if not tag:
            return ""
        said = self._say("first_out", tag=tag)
        when, apart = first.get("time"), number(first.get("uncertainty_ms"))
        if self._clock is not None and isinstance(when, int):
            said += f" {self._clock(when)}"
        if apart is not None:
            said += f" ±{digits(apart)} ms"
        others = self._few([clean(one) for one in listed(first.get("together"))])
        return said + (self._say("with", tags=others) if others else "")

    def _learned(self) -> str:
        """When level 2 was reached, and when anybody could know."""
        reached, learned = self._cause.get("reached"), self._cause.get("learned")
        if self._clock is None or not isinstance(reached, int) or not isinstance(learned, int):
            return ""
        return self._say("learned", reached=self._clock(reached), learned=self._clock(learned))

    def _links(self) -> str:
        return self._few([clean(one) for one in listed(self._cause.get("links"))])

    def _deed(self) -> str:
        """Who acknowledged or reset, and why they said so."""
        verb, person = words.HAPPENED.get(self._event), self._text("person")
        if verb is None or not person:
            return ""
        said = self._say("deed", person=person, verb=verb[self._en])
        return f"{said}: {self._text('why')}" if self._text("why") else said

    # The table -----------------------------------------------------------------------------

    def rows(self) -> Iterator[Row]:
        cause = self._cause
        if {"value", "quality", "reason"} & set(cause):
            yield self._row("sample", self._sample(cause, whole=True))
        if {"measured", "measure"} & set(cause):
            compared = self._amount(*self._measured())
            yield self._row("measured", self._beside(self._measure(), compared))
        for one in listed(cause.get("inputs")):
            yield self._row("input", self._sample(one, whole=True))
        yield from self._limit_rows()
        for one in listed(cause.get("voters")):
            yield self._row("voter", self._sample(one, whole=True))
        woven = (("full_scale", self._beyond()), ("lost", self._lost()),
                 ("first_out", self._first_out()), ("links", self._links()),
                 ("reached", self._learned()))  # fmt: skip
        yield from (self._row(key, text) for key, text in woven if text)
        yield from self._simple_rows()

    def _limit_rows(self) -> Iterator[Row]:
        if "limit" in self._cause:
            low = self._text("side") == "low"
            side = self._word(words.SIDES, "low" if low else "high")
            bound = self._amount(self._number("limit"), self._measured()[1])
            yield self._row("limit", f"{side} {'<=' if low else '>='} {bound}")
        for key in ("held_s", "on_delay_s"):
            if key in self._cause:
                yield self._row(key, f"{digits(self._number(key))} s")

    def _simple_rows(self) -> Iterator[Row]:
        known = [key for key in words.LABELS if key in self._cause]
        rest = sorted(str(key) for key in self._cause if key not in words.LABELS)
        for key in (*known, *rest):
            value = self._cause.get(key)
            if key in _WOVEN or value in (None, ""):
                continue
            text = self._spoken(value)
            if isinstance(value, bool):
                text = self._say("yes" if value else "no")
            elif number(value) is not None:
                text = digits(number(value))
            elif key == "kind":
                text = self._word(words.KINDS, text)
            yield self._row(key, text)

    def _row(self, key: str, text: str) -> Row:
        label = words.LABELS.get(key)
        return Row(key, label[self._en] if label else clean(key) or "--", text or "--")

    # Pieces --------------------------------------------------------------------------------

    def _is_truth(self) -> bool:
        """Whether an expression is a truth and not a number against a limit."""
        plain = self._number("measured") in (None, 0.0, 1.0)
        return plain and self._number("limit") in (None, 0.5, 1.0) and not self._measured()[1]

    def _measured(self) -> tuple[float | None, str]:
        """The number that was compared, and its unit: the value where nothing else was."""
        if {"measured", "measure"} & set(self._cause):
            return self._number("measured"), self._text("measured_unit")
        return self._number("value"), self._text("unit")

    def _measure(self) -> str:
        """What the number is called: the cause's own words, else those of its kind."""
        told = words.measured(self._text("measure"), en=self._en)
        return told or self._word(words.MEASURES, self._kind)

    def _reason(self) -> str:
        reason = self._text("reason")
        return "" if reason == "none" else self._word(words.REASONS, reason)

    def _own_value(self) -> str:
        value = self._number("value")
        return "" if value is None else self._amount(value, self._text("unit"))

    def _sample(self, sample: Any, *, whole: bool = False) -> str:
        """Tag and value of one reading, `whole` with its point and quality; a text is itself."""
        told = mapping(sample)
        if not told:
            return clean(sample)
        tag, point = clean(told.get("tag")), clean(told.get("point"))
        value = self._amount(number(told.get("value")), clean(told.get("unit")))
        names = [tag or point, f"({point})" if whole and point and tag else ""]
        quality, reason = clean(told.get("quality")), clean(told.get("reason"))
        notes = (
            [self._word(words.QUALITIES, quality)]
            if quality and (whole or quality != "good")
            else []
        )
        if reason not in ("", "none"):
            notes.append(self._word(words.REASONS, reason))
        return " ".join(one for one in (*names, value, *notes) if one)

    def _amount(self, value: float | None, unit: str) -> str:
        if value is None:
            return "--"
        return f"{digits(value)}{' ' if self._en and unit else ''}{unit}"

    def _beside(self, name: str, value: str) -> str:
        """Name and value; Chinese needs no space between them."""
        tight = not self._en and name and not name[-1].isascii()
        return f"{name}{'' if tight else ' '}{value}".strip()

    def _few(self, names: list[str]) -> str:
        named = [name for name in names if name]
        text = (", " if self._en else "、").join(named[: words.SHOWN_MAX])
        more = len(named) - words.SHOWN_MAX
        return text + (self._say("more", n=more) if more > 0 else "")

    def _filled(self, sentence: str, text: str) -> str:
        return self._say(sentence, text=text) if text else ""

    def _after_tag(self, said: str) -> str:
        tag = self._text("tag") or self._text("point") or clean(self._owner)
        return f"{tag} {said}" if tag else said

    def _group_word(self) -> str:
        return self._word(words.GROUPS, clean(self._group))

    def _comma(self) -> str:
        return ", " if self._en else ","

    def _say(self, sentence: str, **fields: object) -> str:
        return words.SENTENCES[sentence][self._en].format(**fields)

    def _word(self, known: Mapping[str, words.Word], key: str) -> str:
        return words.word(known, key, en=self._en)

    def _spoken(self, value: Any) -> str:
        return words.spoken(value, en=self._en)

    def _text(self, key: str) -> str:
        return self._spoken(self._cause.get(key))

    def _number(self, key: str) -> float | None:
        return number(self._cause.get(key))
