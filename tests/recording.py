"""Commands at a terminal, recorded into a page between its markers, and compared with it."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

BLOCK = re.compile(r"<!-- recorded: ([a-z0-9-]+) -->\n```([a-z]+)\n(.*?)```\n", re.DOTALL)
COMMAND_S = 40.0
When = tuple[str, Callable[[subprocess.Popen[bytes]], object]]
"""A pattern of what a terminal shows, and what somebody does then."""


class Terminal:
    """Commands at a pseudo-terminal, in one folder, and all that it showed."""

    def __init__(self, folder: Path, passwords: Mapping[str, str]) -> None:
        self.folder = folder
        self._passwords = passwords

    def run(
        self, words: str, code: int = 0, *, by: tuple[str, ...] = (),
        when: tuple[When, ...] = (),
    ) -> str:  # fmt: skip
        """One command as the terminal shows it; it ends with `code`. Each of `by` types a password
        when asked; what is to be done `when` a pattern shows is done once, in that order."""
        own, other = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "parkwatch.daemon.cli", *words.split()[1:]],
            cwd=self.folder, stdin=other, stdout=other, stderr=other, start_new_session=True,
            env={**os.environ, "NO_COLOR": "1"},
        )  # fmt: skip
        os.close(other)
        waiting = [*(_typed(own, p, self._passwords[p]) for p in by), *when]
        seen, at = "", 0
        try:
            for text in _shown(own):
                seen += text
                while waiting and (found := re.search(waiting[0][0], seen[at:])):
                    at += found.end()
                    waiting.pop(0)[1](process)
        except TimeoutError as error:
            process.kill()
            raise AssertionError(f"{words}: not within {COMMAND_S} s\n{seen}") from error
        os.close(own)
        ended = process.wait(COMMAND_S)
        assert (ended, waiting) == (code, []), f"{words}: {ended}\n{seen}"
        return f"$ {words}\n{seen}"


def _typed(terminal: int, person: str, password: str) -> When:
    """A person who types the password when asked."""
    typed = f"{password}\n".encode()
    return re.escape(f"({person}): "), lambda _: os.write(terminal, typed)


def _shown(terminal: int) -> Iterator[str]:
    """What a terminal shows until the last program that has it ends."""
    end, rest = time.monotonic() + COMMAND_S, b""
    while select.select([terminal], [], [], max(0.0, end - time.monotonic()))[0]:
        try:
            got = os.read(terminal, 65_536)
        except OSError:  # EIO: nobody has the other end.
            return
        whole, newline, rest = (rest + got).rpartition(b"\n")
        if newline or rest.endswith(b"): "):
            yield (whole + newline + rest).decode().replace("\r\n", "\n")
            rest = b""
    raise TimeoutError


def recorded(page: str) -> dict[str, str]:
    """The blocks of a page by name."""
    return {name: text for name, _, text in BLOCK.findall(page)}


def written(page: str, blocks: dict[str, str]) -> str:
    """The page with these blocks."""

    def block(found: re.Match[str]) -> str:
        name, kind, _ = found.groups()
        return f"<!-- recorded: {name} -->\n```{kind}\n{blocks[name]}```\n"

    return BLOCK.sub(block, page)


def plain(block: str) -> str:
    """A block without what differs from run to run: times, how fast a reading came, the widths
    that follow from them, and all but the last line of a test that is watched."""
    for pattern, name in (
        (r"(.*现值 now .*\n)+(?=.*现值 now )", ""),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}|\d\d-\d\d \d\d:\d\d:\d\d", "TIME"),
        (r"\d\d:\d\d 仅演练", "TIME 仅演练"),
        (r"剩 left \d+:\d\d", "剩 left"),
        (r"\d+\.\d s|(?<=良) +\d+ s", " N s"),
        (r" +", " "),
    ):
        block = re.sub(pattern, name, block)
    return block
