"""A real SIGKILL at a chosen line of the product's own code, without a switch in that code."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any


def killed_at(number: int, modules: tuple[ModuleType, ...], work: Callable[[], object]) -> bool:
    """Run `work` in a child that dies when it comes to the so-many-th new line of these modules;
    False where it came to its end before that."""
    files = {module.__file__ for module in modules}
    child = os.fork()
    if child == 0:
        seen: set[tuple[str, int]] = set()

        def trace(frame: FrameType, event: str, _arg: object) -> Any:
            if frame.f_code.co_filename not in files:
                return None
            if event == "line":
                seen.add((frame.f_code.co_filename, frame.f_lineno))
                if len(seen) == number:
                    os.kill(os.getpid(), signal.SIGKILL)
            return trace

        sys.settrace(trace)
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - the parent is told by the exit code
            os.write(2, f"{error!r}\n".encode())
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0, "the work itself failed"
    return False


def every_kill(
    modules: tuple[ModuleType, ...], fresh: Callable[[], Path], work: Callable[[Path], object]
) -> Iterator[Path]:
    """A fresh folder for each line that the work comes by, in which it was killed there; at last
    one in which it came to its end."""
    for number in count(1):
        folder = fresh()
        killed = killed_at(number, modules, lambda at=folder: work(at))  # type: ignore[misc]
        yield folder
        if not killed:
            return
