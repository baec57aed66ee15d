"""A disk as strace saw it, and what a power cut may leave of it.

A write is safe once its file was synced, a name once its folder was. What is not safe may be there,
be missing, be there in part (512 B) or without what was written before it. Assumed: a folder's own
name is safe once the folder was synced, and a rename is whole or not at all. The shared memory of
SQLite is never there.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TypeVar

SECTOR = 512
ACKED = "acked"
"""The name of the file that is no file: what a workload writes there was acknowledged then."""
MODES = ("dropped", "kept", "prefix", "subset", "torn", "reordered")
CALLS = (
    "openat,close,write,pwrite64,fsync,fdatasync,ftruncate,rename,renameat,renameat2,unlink,"
    "unlinkat,mkdir,writev,pwritev,fallocate,sendfile,copy_file_range,link,linkat,symlink"
)
_LINE = re.compile(r"^(\w+)\((.*)\) += (-?\d+)")
_BEGUN = " <unfinished ...>\n"
_RESUMED = re.compile(r"^<\.\.\. \w+ resumed>")
_FD = re.compile(r"^(\d+)<")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes into a file; `size` instead of data: it was cut or made longer."""

    file: int
    offset: int
    data: bytes = b""
    size: int = -1


@dataclass(frozen=True, slots=True)
class Name:
    """A name begins (`file`) or ends (-1); with `old` it is a rename."""

    path: str
    file: int
    old: str = ""


@dataclass(frozen=True, slots=True)
class Sync:
    """A file, or a folder by its path, is safe as it was after the first `begun` operations."""

    begun: int
    file: int = -1
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Ack:
    """Somebody was told."""

    text: str


Op = Write | Name | Sync | Ack
T = TypeVar("T")


@dataclass(slots=True)
class _Open:
    file: int
    append: bool
    folder: str = ""
    at: int = 0


class UnknownCall(Exception):  # noqa: N818 - as in rules/fault.py
    """A call changed a file in a way that is not modelled: the images would lie."""


class Recording:
    """The calls of a process on the files below a folder, as operations in order."""

    def __init__(self, root: Path) -> None:
        self._root = f"{root.resolve()}/"
        self.ops: list[Op] = []
        self._files: dict[str, int] = {}
        self._sizes: list[int] = []
        self._open: dict[int, _Open] = {}
        self._begun: dict[str, tuple[str, int]] = {}

    def read(self, log: Path) -> list[Op]:
        """What strace wrote with `-f -y -xx`: a call counts when it has ended."""
        with log.open(encoding="ascii") as lines:
            for line in lines:
                thread, _, text = line.partition(" ")
                self._line(thread, text.lstrip())
        return self.ops

    def _line(self, thread: str, text: str) -> None:
        begun = len(self.ops)
        if text.startswith("close("):
            self._closed(text)  # Its number may be another file's before we hear of its end.
        if text.endswith(_BEGUN):
            self._begun[thread] = text.removesuffix(_BEGUN), begun
            return
        if _RESUMED.match(text):
            head, begun = self._begun.pop(thread)
            text = head + _RESUMED.sub("", text)
        found = _LINE.match(text)
        if found and int(found[3]) >= 0:
            self._call(found[1], found[2], int(found[3]), begun)
        elif not found and not text.startswith(("+++", "---")):
            raise UnknownCall(text[:200])

    def _call(self, call: str, args: str, result: int, begun: int) -> None:
        texts = [bytes.fromhex(t.replace("\\x", "")) for t in _TEXT.findall(args)]
        fd = _FD.match(args)
        opened = self._open.get(int(fd[1])) if fd else None
        match call:
            case "openat":
                self._opened(texts[0], args, result)
            case "mkdir" | "unlink" | "unlinkat" | "rename" | "renameat" | "renameat2":
                self._renames(call, texts)
            case "write" | "pwrite64" if opened is not None:
                at = int(args.rpartition(",")[2]) if call == "pwrite64" else -1
                self._written(opened, texts[0][:result], at)
            case "ftruncate" if opened is not None:
                self._sized(opened.file, int(args.rpartition(",")[2]))
            case "fsync" | "fdatasync" if opened is not None:
                self.ops.append(Sync(begun, opened.file, opened.folder))
            case "link" | "linkat":
                self._linked(texts[0], texts[1])
            case "symlink" if self._inside(texts[-1]):
                raise UnknownCall(f"{call}({texts[-1]!r}")
            case _ if opened is not None and call not in ("write", "pwrite64", "close"):
                raise UnknownCall(f"{call}({args[:80]}")

    def _renames(self, call: str, names: Sequence[bytes]) -> None:
        if call.startswith("rename"):
            self._renamed(*names)
        else:
            self._named(names[0], made=call == "mkdir")

    def _closed(self, text: str) -> None:
        fd = re.match(r"close\((\d+)", text)
        if fd:
            self._open.pop(int(fd[1]), None)

    def _inside(self, name: bytes) -> str:
        """The path below the root, empty where it is elsewhere or SQLite's shared memory."""
        path = name.decode()
        if not path.startswith(self._root) or path.endswith("-shm"):
            return ""
        return path.removeprefix(self._root)

    def _opened(self, name: bytes, args: str, fd: int) -> None:
        self._open.pop(fd, None)
        folder = name.decode().rstrip("/") + "/"
        if folder.startswith(self._root) and "O_CREAT" not in args and Path(folder).is_dir():
            self._open[fd] = _Open(-1, append=False, folder=folder.removeprefix(self._root) or "/")
            return
        path = self._inside(name)
        if not path or "O_RDONLY" in args:
            return
        if path not in self._files:
            self._files[path] = len(self._sizes)
            self._sizes.append(0)
            if not path.endswith(ACKED):
                self.ops.append(Name(path, self._files[path]))
        file = self._files[path]
        if "O_TRUNC" in args and self._sizes[file]:
            self._sized(file, 0)
        self._open[fd] = _Open(file, append="O_APPEND" in args)

    def _written(self, opened: _Open, data: bytes, at: int) -> None:
        if opened.file == self._files.get(ACKED, -2):
            self.ops.append(Ack(data.decode()))
            return
        file = opened.file
        where = at if at >= 0 else self._sizes[file] if opened.append else opened.at
        if at < 0:
            opened.at = where + len(data)
        self._sizes[file] = max(self._sizes[file], where + len(data))
        self.ops.append(Write(file, where, data))

    def _sized(self, file: int, size: int) -> None:
        self._sizes[file] = size
        self.ops.append(Write(file, 0, size=size))

    def _named(self, name: bytes, *, made: bool) -> None:
        path = self._inside(name)
        if path and made:
            self.ops.append(Name(f"{path}/", -2))
        elif path and self._files.pop(path, None) is not None:
            self.ops.append(Name(path, -1))

    def _linked(self, old: bytes, new: bytes) -> None:
        before, after = self._inside(old), self._inside(new)
        if before or after:
            self._files[after] = self._files[before]
            self.ops.append(Name(after, self._files[after]))

    def _renamed(self, old: bytes, new: bytes) -> None:
        before, after = self._inside(old), self._inside(new)
        if not before and not after:
            return
        if not before or not after:
            raise UnknownCall(f"rename {old!r} {new!r}")
        self._files[after] = self._files.pop(before)
        self.ops.append(Name(after, self._files[after], before))


def record(command: Sequence[str], root: Path, env: dict[str, str]) -> list[Op]:
    """Run a command and record what it does below a folder; it must end with 0."""
    log = root.with_suffix(".strace")
    strace = ["strace", "-f", "--seccomp-bpf", "-y", "-xx", "-s", "100000000", "-o", str(log),
              "-e", f"trace={CALLS}"]  # fmt: skip
    subprocess.run([*strace, *command], check=True, env={**os.environ, **env})
    ops = Recording(root).read(log)
    log.unlink()
    return ops


@dataclass(slots=True)
class _File:
    safe: bytearray = field(default_factory=bytearray)
    waiting: list[tuple[int, Write]] = field(default_factory=list)


def _folder_of(path: str) -> str:
    return path.rstrip("/").rpartition("/")[0] + "/"


class Disk:
    """The state after some operations: what is safe, and what waits."""

    def __init__(self) -> None:
        self.applied = 0
        self._files: dict[int, _File] = {}
        self._names: dict[str, int] = {}
        self._waiting: list[tuple[int, Name, set[str]]] = []

    def apply(self, op: Op) -> None:
        """The next operation."""
        match op:
            case Write():
                self._files.setdefault(op.file, _File()).waiting.append((self.applied, op))
            case Name():
                self._files.setdefault(op.file, _File())
                folders = {_folder_of(op.path), _folder_of(op.old or op.path)}
                self._waiting.append((self.applied, op, folders))
            case Sync() if op.folder:
                self._sync_names(op)
            case Sync():
                file = self._files[op.file]
                while file.waiting and file.waiting[0][0] < op.begun:
                    _put(file.safe, file.waiting.pop(0)[1])
        self.applied += 1

    def _sync_names(self, op: Sync) -> None:
        still = []
        for number, name, folders in self._waiting:
            if number < op.begun:
                folders.discard(op.folder)
                if name.path == op.folder:
                    folders.clear()
            if folders:
                still.append((number, name, folders))
            else:
                _rename(self._names, name)
        self._waiting = still

    def image(self, rng: Random, mode: str) -> dict[str, bytes]:
        """One image that a cut may leave now; paths end in `/` where they are folders."""
        names = dict(self._names)
        share = rng.random()
        waiting = [name for _, name, _ in self._waiting]
        for name in _chosen(waiting, rng, mode, share):
            _rename(names, name)
        return {path: self._content(file, rng, mode, share) for path, file in names.items()}

    def _content(self, number: int, rng: Random, mode: str, share: float) -> bytes:
        if number < 0:
            return b""
        file = self._files[number]
        if not file.waiting:
            return bytes(file.safe)
        content = bytearray(file.safe)
        waiting = [write for _, write in file.waiting]
        if mode in ("torn", "reordered"):
            waiting = [part for write in waiting for part in _sectors(write)]
        if mode == "reordered":
            rng.shuffle(waiting)
        for write in _chosen(waiting, rng, mode, share):
            _put(content, write)
        longest = max(w.offset + len(w.data) for _, w in file.waiting)
        if mode not in ("dropped", "kept") and rng.random() < 0.3 and longest > len(content):
            content.extend(bytes(longest - len(content)))  # Its length was safe, its bytes not.
        return bytes(content)


def _chosen(waiting: Sequence[T], rng: Random, mode: str, share: float) -> Iterator[T]:
    match mode:
        case "dropped":
            return iter(())
        case "kept":
            return iter(waiting)
        case "prefix":
            return iter(waiting[: rng.randint(0, len(waiting))])
    return (each for each in waiting if rng.random() < share)


def _sectors(write: Write) -> Iterator[Write]:
    """A write in parts that a disk writes whole."""
    at, end = write.offset, write.offset + len(write.data)
    if not write.data:
        yield write
    while at < end:
        stop = min(end, (at // SECTOR + 1) * SECTOR)
        yield Write(write.file, at, write.data[at - write.offset : stop - write.offset])
        at = stop


def _put(content: bytearray, write: Write) -> None:
    if write.size >= 0:
        del content[write.size :]
        content.extend(bytes(write.size - len(content)))
        return
    if write.offset > len(content):
        content.extend(bytes(write.offset - len(content)))
    content[write.offset : write.offset + len(write.data)] = write.data


def _rename(names: dict[str, int], name: Name) -> None:
    if name.old:
        names.pop(name.old, None)
    if name.file == -1:
        names.pop(name.path, None)
    else:
        names[name.path] = name.file


def write_image(image: Mapping[str, bytes], folder: Path) -> None:
    """Make the files of an image below a new folder."""
    folder.mkdir(parents=True)
    for path, content in image.items():
        target = folder / path
        if path.endswith("/"):
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
