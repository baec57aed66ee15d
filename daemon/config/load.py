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
from parkwatch.daemon.config.model import Config
from parkwatch.daemon.config.refusals import refusal
from parkwatch.daemon.config.repair import hides, repaired
from parkwatch.daemon.config.rule_tables import references
from parkwatch.daemon.config.sources import Source, Written, merge, read
from parkwatch.daemon.config.template import effective
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
    return load_sources(sources, path, env, problems, data=data, now_ns=now_ns)


def load_sources(
    sources: Sequence[Source], path: Path, env: Mapping[str, str],
    problems: Sequence[Problem] = (), *, data: Path | None = None, now_ns: int | None = None,
) -> Loaded:  # fmt: skip
    """The same for texts that are already read; `path` is what they were read from."""
    file = Path(sources[0].name) if sources and path.is_dir() else path
    written = merge(sources)
    found = [*problems, *written.problems]
    if found:
        # Half a park says nothing about the other half: its references would all be unknown.
        return Loaded(None, _sorted(found), tuple(sources), file, written)
    now = time.time_ns() if now_ns is None else now_ns
    config, findings = _checked(written.raw, file.parent, env, data, now)
    found += [_problem(finding, written) for finding in findings]
    return Loaded(config, _sorted(found), tuple(sources), file, written)


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
    dotted = ".".join(map(str, finding.path))
    return Problem(
        finding.code, file, line, dotted, finding.message, finding.why, finding.fix, finding.level
    )


def _sorted(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda p: (p.file, p.line, p.code, p.path)))
