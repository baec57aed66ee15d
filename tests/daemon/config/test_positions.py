"""An error must name the line that has it, however the file is laid out."""

import tomllib
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from parkwatch.daemon.config.positions import line_of, positions

KEYS = st.sampled_from(["a", "b-1", "zone", "标签", 'q"t', "x.y", ""])
Doc = dict[str, Any]
# Every leaf is another number, so that its line can be found in the text by eye.
LEAVES = st.just(None)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, min_size=1, max_size=3)
    ),
    max_leaves=8,
)
STRINGS = (
    '"# [not] {a} = \\" comment"',
    "'''\n[[x]]\na = 1\n'''",
    '"""\n\\\n  b = {\n"""""',
    "'[]'",
)


def quoted(key: str) -> str:
    return key if key.isascii() and key.replace("-", "").isalnum() else f'"{key}"'.replace(
        'q"t', 'q\\"t'
    )  # fmt: skip


class Writer:
    """Writes a document in one of TOML's many layouts; notes the line of every leaf."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.text = ""
        self.leaves: dict[tuple[str | int, ...], int] = {}
        self.number = 10_000

    def put(self, text: str) -> None:
        self.text += text

    def gap(self) -> None:
        """A comment that looks like a table, a blank line, CRLF, or nothing."""
        self.put(self.draw(st.sampled_from(["", "\n", "\r\n", "# [x] = {\n", "  # ]]\n\n"])))

    def document(self, doc: Doc) -> None:
        tables = []
        for key, value in doc.items():
            many = isinstance(value, list) and value and all(isinstance(v, dict) for v in value)
            if (isinstance(value, dict) or many) and self.draw(st.booleans()):
                tables.append((key, value))
            else:
                self.pair(key, value, (key,))
                self.put("\n")
                self.gap()
        for key, value in tables:
            if isinstance(value, dict):
                self.put(f"[ {quoted(key)} ] # [c]\n")
                self.pairs(value, (key,))
                continue
            for number, element in enumerate(value):
                self.put(f"[[{quoted(key)}]]\n")
                self.pairs(element, (key, number))

    def pairs(self, table: Doc, path: tuple[str | int, ...]) -> None:
        for key, value in table.items():
            self.gap()
            self.pair(key, value, (*path, key))
            self.put("\n")

    def pair(self, key: str, value: Any, path: tuple[str | int, ...]) -> None:
        if isinstance(value, dict) and self.draw(st.booleans()):
            for number, (inner, leaf) in enumerate(value.items()):
                self.put("\n" if number else "")
                self.put(f"{quoted(key)} . {quoted(inner)} = ")
                self.value(leaf, (*path, inner))
            return
        self.put(f"{quoted(key)} = ")
        self.value(value, path)

    def value(self, value: Any, path: tuple[str | int, ...]) -> None:
        if isinstance(value, list):
            self.put("[")
            for number, element in enumerate(value):
                self.gap()
                self.value(element, (*path, number))
                self.gap()
                self.put(", ")
            self.gap()
            self.put("]")
        elif isinstance(value, dict):
            self.put("{ ")
            for number, (key, inner) in enumerate(value.items()):
                self.put(", " if number else "")
                self.put(f"{quoted(key)} = ")
                self.value(inner, (*path, key))
            self.put(" }")
        else:
            self.leaves[path] = self.text.count("\n") + 1
            self.put(self.draw(st.sampled_from(["1", "-2.5e3", "1979-05-27 07:32:00", *STRINGS])))


def paths_of(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from paths_of(inner, (*path, key))


@st.composite
def documents(draw: st.DrawFn) -> Writer:
    writer = Writer(draw)
    writer.document(draw(st.dictionaries(KEYS, VALUES, max_size=4)))
    return writer


@settings(max_examples=200, deadline=None)
@given(documents())
def test_every_path_has_its_line_in_every_layout(writer: Writer) -> None:
    parsed = tomllib.loads(writer.text)
    lines = positions(writer.text)
    assert set(lines) == set(paths_of(parsed))
    for path, line in writer.leaves.items():
        assert lines[path] == line, path


def test_nested_tables_of_arrays() -> None:
    text = '[[device]]\n[device.more]\nx = 1\n[[device.points]]\ntag = "a"\n[[device]]\nid = "b"\n'
    lines = positions(text)
    assert lines[("device", 0, "more", "x")] == 3
    assert lines[("device", 0, "points", 0, "tag")] == 5
    assert lines[("device", 1, "id")] == 7
    assert set(lines) == set(paths_of(tomllib.loads(text)))


def test_what_is_not_there_is_named_where_it_should_be() -> None:
    lines = positions("[zone.a]\nname = 'x'\n")
    assert line_of(lines, ("zone", "a", "enterprise")) == 1
    assert line_of(lines, ("device", 0)) == 0
