"""Block-read planning: spans merged into few reads, each span whole in exactly one of them.

Where a transport has no transaction id, the answers of a unit's blocks also differ in length: then
a late one is never taken for another block's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from parkwatch.drivers.config import Span

WORDS_MAX, BITS_MAX = 125, 2000
"""What one read may ask for by the Modbus specification: functions 3 and 4, functions 1 and 2."""
BITS_A_WORD = 16
NEVER: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True, slots=True)
class Block:
    """One read: function 1 to 4, 0-based address, count, and the spans that lie in it."""

    function: int
    address: int
    count: int
    spans: tuple[Span, ...] = ()

    def __post_init__(self) -> None:
        assert self.function in (1, 2, 3, 4)
        assert 0 < self.count <= (BITS_MAX if self.function <= 2 else WORDS_MAX)

    @property
    def reply_bytes(self) -> int:
        """How many data bytes its answer has: all that tells it from another block's."""
        return -(-self.count // 8) if self.function <= 2 else 2 * self.count

    @property
    def padded(self) -> bool:
        """Whether it reads what no span asked for: a device may refuse that."""
        asked = {a for s in self.spans for a in range(s.address, s.address + s.count)}
        return len(asked) < self.count

    def words(self, span: Span, answer: Sequence[int]) -> Sequence[int]:
        """What of the block's answer belongs to one of its spans."""
        at = span.address - self.address
        return answer[at : at + span.count]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a device bears: words (or 16 bits each) a read, words read to no purpose between two
    spans, and (function, address) that no read may touch because reading or missing them acts."""

    words_max: int = 100
    gap_max: int = 16
    never: frozenset[tuple[int, int]] = NEVER

    def count_max(self, function: int) -> int:
        most = min(max(self.words_max, 2), WORDS_MAX)
        return min(most * BITS_A_WORD, BITS_MAX) if function <= 2 else most

    def gap(self, function: int) -> int:
        return self.gap_max * BITS_A_WORD if function <= 2 else self.gap_max

    def touches(self, function: int, start: int, end: int) -> bool:
        """Whether a read of [start, end) holds what must not be read, or leaves the table."""
        if start < 0 or end > 65_536:
            return True
        return bool(self.never) and any((function, a) in self.never for a in range(start, end))


def plan(spans: Iterable[Span], bounds: Bounds, *, distinct: bool = False) -> list[Block]:
    """Few blocks that hold every span whole, once.

    No block mixes functions or groups; an `exact` span is a block of its own. `distinct`: no two
    blocks of a function have answers of equal length where a word more or a cut between spans
    avoids that (`exact` ones of equal length stay).
    """
    wanted = sorted(set(spans), key=lambda s: (s.group, s.function, s.address, s.count))
    exact = [Block(s.function, s.address, s.count, (s,)) for s in wanted if s.exact]
    taken = {(block.function, block.reply_bytes) for block in exact}
    blocks: list[Block] = []
    for run in _runs([s for s in wanted if not s.exact], bounds):
        rest: Sequence[Span] = run
        while rest:
            block = _block(rest)
            if distinct and (block.function, block.reply_bytes) in taken:
                block = _told_apart(rest, bounds, taken) or block
            taken.add((block.function, block.reply_bytes))
            blocks.append(block)
            rest = rest[len(block.spans) :]
    return [*blocks, *exact]


def _runs(spans: Sequence[Span], bounds: Bounds) -> Iterator[list[Span]]:
    """Neighbours that one read can hold, in their order."""
    run: list[Span] = []
    start = end = 0
    for span in spans:
        after = span.address + span.count
        if run and not _joins(run[0], span, (start, end), bounds):
            yield run
            run = []
        start, end = (start, max(end, after)) if run else (span.address, after)
        run.append(span)
    if run:
        yield run


def _joins(first: Span, span: Span, so_far: tuple[int, int], bounds: Bounds) -> bool:
    start, end = so_far
    after = span.address + span.count
    return (
        (span.function, span.group) == (first.function, first.group)
        and span.address - end <= bounds.gap(span.function)
        and max(end, after) - start <= bounds.count_max(span.function)
        and not bounds.touches(span.function, end, span.address)
    )


def _told_apart(run: Sequence[Span], bounds: Bounds, taken: set[tuple[int, int]]) -> Block | None:
    """The run a little longer, else as much of it as makes an answer of a length of its own."""
    whole = _block(run)
    function = whole.function
    for more in range(1, bounds.gap(function) + 1):
        if whole.count + more > bounds.count_max(function):
            break
        before, after = whole.address - more, whole.address + whole.count
        longer = replace(whole, count=whole.count + more)
        if (function, longer.reply_bytes) in taken:
            continue
        # Downwards first: what lies below a register that exists is more often there than not.
        if not bounds.touches(function, before, whole.address):
            return replace(longer, address=before)
        if not bounds.touches(function, after, after + more):
            return longer
    for kept in range(len(run) - 1, 0, -1):
        shorter = _block(run[:kept])
        if (function, shorter.reply_bytes) not in taken:
            return shorter
    return None


def _block(run: Sequence[Span]) -> Block:
    first = run[0]
    end = max(span.address + span.count for span in run)
    return Block(first.function, first.address, end - first.address, tuple(run))
