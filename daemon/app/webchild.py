"""The child process `web`: started, watched and started again; it never holds up the daemon."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path

log = logging.getLogger("parkwatch.web")
PAUSE_S_MAX = 10.0
STOP_S = 3.0


class WebChild:
    """Keeps `python -m parkwatch.daemon.web DATA PID` running until `run` is cancelled."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self.restarts = 0
        self.pid = 0
        self._process: asyncio.subprocess.Process | None = None

    def restart(self) -> None:
        """End the child, so that `run` starts another one that asks anew for what it serves."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()

    async def run(self) -> None:
        pause_s = 0.2
        while True:
            started = asyncio.get_running_loop().time()
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "parkwatch.daemon.web", str(self._data), str(os.getpid())
            )
            self._process, self.pid = process, process.pid
            try:
                code = await process.wait()
            finally:
                await _end(process)
            if asyncio.get_running_loop().time() - started > PAUSE_S_MAX:
                pause_s = 0.2
            self.restarts += 1
            log.warning("web ended with %s; again in %.1f s", code, pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_S_MAX)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
