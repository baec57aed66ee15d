"""What a start found wrong, told as alarms: the configuration's file, the journal, what was not
recorded. Each returns with the start that finds it mended."""

from __future__ import annotations

import logging

from parkwatch.daemon.app.unrecorded import ALARM
from parkwatch.daemon.config.applied import Chosen
from parkwatch.daemon.journal.verify import Verdict
from parkwatch.daemon.pipeline.pipeline import Pipeline
from parkwatch.daemon.pipeline.turn import SystemCondition
from parkwatch.rules.alarms.lifecycle import UNACKNOWLEDGED
from parkwatch.rules.arming import PROVISIONAL, UNARMED

log = logging.getLogger("parkwatch.app")


def arming(chosen: Chosen) -> str:
    """How a park begins: its points armed, or waiting for people to arm them."""
    config = chosen.loaded.config
    return UNARMED if config is not None and config.park.arm == "manual" else PROVISIONAL


def config(pipeline: Pipeline, chosen: Chosen) -> None:
    """A file with errors, or one that is not what runs."""
    broken = chosen.broken
    text = "; ".join(f"{p.file}:{p.line} {p.message}" for p in broken[:5])
    for name, active, grade, what in (
        ("broken", bool(broken), "orange", text),
        ("differs", chosen.differs, "yellow", "配置文件与已应用的不同 the file differs"),
    ):
        alarm = f"system/config:{name}"
        known = pipeline.engine.alarm(alarm)
        if known is not None and active and known.cause.get("text") != what:
            # Other lines than those that people were told of: told anew.
            pipeline.system(SystemCondition(alarm, active=False, grade=grade, text=what))
        if active or known is not None:
            pipeline.system(SystemCondition(alarm, active, grade, what))


def journal(pipeline: Pipeline, verdict: Verdict | None) -> None:
    """What the start found wrong with the journal stays an alarm until somebody resets it."""
    cut = verdict is not None and verdict.cut
    for name, active in (
        ("rollback", cut),
        ("damaged", verdict is not None and not verdict.ok and not cut),
    ):
        alarm = f"system/journal:{name}"
        if active or pipeline.engine.alarm(alarm) is not None:
            what = verdict.what if verdict is not None else ""
            log.log(logging.CRITICAL if active else logging.INFO, "%s: %s", alarm, what)
            pipeline.system(SystemCondition(alarm, active, "red", what, latch=True))


def unrecorded(pipeline: Pipeline, why: str) -> None:
    """That something was not recorded stays an alarm until somebody resets it; one that waits for
    its acknowledgement is not raised again by every start. `why` empty: nothing was lost."""
    view = pipeline.engine.alarm(ALARM)
    waits = view is not None and view.core in UNACKNOWLEDGED
    active = [True] if why and not waits else []
    if active or (view is not None and view.live_level):
        active.append(False)
    for state in active:
        pipeline.system(SystemCondition(ALARM, state, "red", why, latch=True))
