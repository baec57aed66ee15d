"""Formulas over several points: evaluated when all readings of one moment are in.

So a block read is seen whole, and how it is cut into batches changes nothing. Where a point is read
twice in one moment the first value is evaluated before the second is taken: no peak is lost. That
goes for every point, whether or not a formula has it: what an enable expression switches may look
at any, and what one rule says must not hang on which points other rules have in formulas.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from parkwatch.rules.evaluate.channels import Channels
from parkwatch.rules.evaluate.compile import Table, by_point, ints, stretches
from parkwatch.rules.expression import Program

SCALAR_MAX = 12
"""Formulas of one program up to which the scalar evaluator is cheaper than numpy's fixed cost."""


class Formulas:
    """All formula channels: which of them wait for the moment to end, and their results.

    `of[p]` are the channels that a point enters; `waiting`: there is something to evaluate. A turn
    is a moment, or the part of it in which no point is read twice.
    """

    def __init__(self, table: Table, channels: Channels) -> None:
        self._channels = channels
        self._first = table.points
        self._programs: list[Program] = []
        self._inputs: dict[int, tuple[int, ...]] = {}
        self._program: dict[int, int] = {}
        self.of: dict[int, list[int]] = {}
        number: dict[Program, int] = {}
        for channel, formula in table.formulas():
            if formula.program not in number:
                number[formula.program] = len(self._programs)
                self._programs.append(formula.program)
            self._program[channel] = number[formula.program]
            self._inputs[channel] = formula.points
            for point in dict.fromkeys(formula.points):
                self.of.setdefault(point, []).append(channel)
        self._turn, self._moment = 1, 0
        self._turns = np.zeros(table.points, dtype=np.int64)
        self._at_turn = ints(self._turns)
        self._dirty = np.zeros(table.channels, dtype=np.bool_)
        self.mark(self._inputs)
        self._begin, self._flat = by_point(self.of, table.points)

    def mark(self, channels: Iterable[int]) -> None:
        """Have some channels evaluated at the end of the moment."""
        for channel in channels:
            self._dirty[channel] = True
        self.waiting = bool(self._dirty.any())

    def read(self, point: int, now: int) -> bool:
        """A point is read; whether it already was in this turn: that one is over then, and what
        waits is to be evaluated first."""
        turn, again = self._turn, False
        if now != self._moment:
            self._moment = now
            turn = self._turn = turn + 1
        elif self._at_turn[point] == turn:
            turn = self._turn = turn + 1
            again = True
        self._at_turn[point] = turn
        return again

    def read_many(self, points: NDArray[np.int32], now: int) -> int:
        """The same for many, none twice, up to the first that already was: how many these are."""
        if now != self._moment:
            self._moment = now
            self._turn += 1
        seen = self._turns[points] == self._turn
        count = int(seen.argmax()) if seen.any() else len(points)
        self._turns[points[:count]] = self._turn
        self._turn += count < len(points)
        return count

    def enter(self, point: int) -> None:
        """A point reads otherwise, or as before."""
        self._dirty[self.of[point]] = True
        self.waiting = True

    def enter_all(self, points: NDArray[np.int32]) -> None:
        """The same for many; those that enter no formula may be among them."""
        every, _ = stretches(self._begin, points)
        if not len(every):
            return
        self._dirty[self._flat[every]] = True
        self.waiting = True

    def results(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """(n,) the channels that waited, ascending, and (n,) their results; nothing waits then."""
        due = np.flatnonzero(self._dirty)
        self._dirty[due] = False
        self.waiting = False
        found = np.empty(len(due))
        by_program: dict[int, list[int]] = {}
        for i, channel in enumerate(due.tolist()):
            by_program.setdefault(self._program[channel], []).append(i)
        for number, places in by_program.items():
            program = self._programs[number]
            inputs = [self._inputs[int(due[i])] for i in places]
            if len(places) <= SCALAR_MAX or not program.names:
                operand = self._channels.operand
                found[places] = [program.scalar([operand(p) for p in row]) for row in inputs]
            else:
                columns = np.array(inputs, dtype=np.int64).T
                found[places] = program.vector([self._channels.as_operand(c) for c in columns])
        return due, found


def enabled(result: float) -> bool:
    """What an enable expression says: only a sure FALSE switches a condition off."""
    return math.isnan(result) or result != 0.0
