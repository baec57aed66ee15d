"""Reading a configuration: everything that is wrong with it, at once, each with file and line."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from parkwatch.daemon.config import check
from parkwatch.daemon.config.finding import At, Context, Finding
from parkwatch.daemon.config.lists.expand import expand, is_list, read_lists
from parkwatch.daemon.config.lists.read import column_name
from parkwatch.daemon.config.model import Config
from parkwatch.daemon.config.refusals import refusal
from parkwatch.daemon.config.repair import hides, repaired
from parkwatch.daemon.config.rule_tables import references
from parkwatch.daemon.config.sources import Source, Written, merge, read
from parkwatch.daemon.config.template import effective
from parkwatch.daemon.config.words import shortened
from parkwatch.rules.fault import Problem


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a configuration says. `config` is None where a table is malformed; where it is not,
    there may still be errors. `sources`: the files as read. `path`: the file (of a folder its
    first); its folder is what `file:` and `anchors` are relative to."""

    config: Config | None
    problems: tuple[Problem, ...]
    sources: tuple[Source, ...]
    path: Path
    written: Written

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that forbid a first start."""
        return tuple(p for p in self.problems if p.level == "error")


def load(
    path: Path, env: Mapping[str, str], *, data: Path | None = None, now_ns: int | None = None
) -> Loaded:
    """Read and check a file, or all `*.toml` of a folder; never raises for what stands in it.

    `env` is where `env:` secrets are looked up, `data` the data folder whose site key verifies
    overrides (none: there is no key), `now_ns` the time at which they are (default: now).
    """
    sources, problems = read(path)
    written = merge(sources)
    lists, more = read_lists(written)
    found = [*problems, *more]
    now = time.time_ns() if now_ns is None else now_ns
    return _loaded(written, (sources, lists), _Where(path, env, data, now), found)


def load_sources(
    sources: Sequence[Source], path: Path, env: Mapping[str, str], *, data: Path | None = None,
    now_ns: int | None = None,
) -> Loaded:  # fmt: skip
    """The same for texts that are already read, the lists that they name with them; `path` is what
    they were read from."""
    tables = [source for source in sources if not is_list(source)]
    lists = [source for source in sources if is_list(source)]
    now = time.time_ns() if now_ns is None else now_ns
    return _loaded(merge(tables), (tables, lists), _Where(path, env, data, now), [])


@dataclass(frozen=True, slots=True)
class _Where:
    path: Path
    env: Mapping[str, str]
    data: Path | None
    now_ns: int


def _loaded(
    written: Written, sources: tuple[Sequence[Source], Sequence[Source]], where: _Where,
    problems: Sequence[Problem],
) -> Loaded:  # fmt: skip
    """`sources`: tables, then lists; `problems`: what was wrong with reading them."""
    tables, lists = sources
    every = (*tables, *lists)
    file = Path(tables[0].name) if tables and where.path.is_dir() else where.path
    found = [*problems, *written.problems]
    short: list[Finding] = []
    if not _broken(found):
        more, short = expand(written, lists)
        found += more
    if _broken(found):
        # Half a park says nothing about the other half: its references would all be unknown.
        return Loaded(None, _sorted(found), every, file, written)
    config, findings = _checked(written.raw, file.parent, where.env, where.data, where.now_ns)
    told: dict[tuple[object, ...], Problem] = {}
    for problem in (_problem(finding, written) for finding in [*short, *findings]):
        told.setdefault(_same(problem), problem)
    found += told.values()
    return Loaded(config, _sorted(found), every, file, written)


def _checked(
    raw: Mapping[str, Any], base: Path, env: Mapping[str, str], data: Path | None, now_ns: int
) -> tuple[Config | None, list[Finding]]:
    touched: frozenset[At] = frozenset()
    refused: list[Finding] = []
    config: Config | None = None
    usable: Config | None
    try:
        config = usable = Config.model_validate(raw)
    except ValidationError as error:
        refused = [refusal(each) for each in error.errors(include_url=False)]
        usable, touched = repaired(raw)
    if usable is None:
        return None, refused
    context = Context(
        usable,
        tuple(effective(usable)),
        {key: frozenset(value) for key, value in raw.items() if isinstance(value, dict)},
        _doubtful(usable, touched),
        touched,
        base,
        env,
        now_ns,
        data,
    )
    found = [each for each in check.findings(context) if not hides(touched, each.path)]
    return config, refused + found


def _doubtful(config: Config, touched: frozenset[At]) -> frozenset[str]:
    """Full ids of devices some of whose points are not known; a broken device may be any."""
    known = [f"{device.enterprise}/{device.id}" for device in config.device]
    own = [path for path in touched if path[0] == "device"]
    some = {known[int(path[1])] for path in own if len(path) > 1 and _unnamed(path[2:])}
    if any(len(path) < 3 or path[2] in ("id", "enterprise") for path in own):
        named = {point for rule in config.rule for _, point in references(rule)}
        some |= {point.rpartition("/")[0] for point in named} - set(known)
    return frozenset(some)


def _unnamed(path: At) -> bool:
    """Whether a mistake below a device hides how some point of it is called."""
    return path[:1] == ("points",) and (len(path) < 3 or path[2] in ("id", "tag"))


def _problem(finding: Finding, written: Written) -> Problem:
    file, line = written.place(finding.path)
    column = written.column(finding.path)
    dotted = column_name(column) if column else ".".join(map(str, finding.path))
    return Problem(
        finding.code, file, line, dotted, shortened(finding.message), finding.why, finding.fix,
        finding.level,
    )  # fmt: skip


def _broken(problems: Sequence[Problem]) -> bool:
    return any(problem.level == "error" for problem in problems)


def _same(problem: Problem) -> tuple[object, ...]:
    """Devices that one table counts repeat its mistakes: told once."""
    head, *way = problem.path.split(".", 2)
    rest = way[1:] if head == "device" else way
    return problem.code, problem.file, problem.line, head, tuple(rest), problem.message


def _sorted(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda p: (p.file, p.line, p.code, p.path)))
