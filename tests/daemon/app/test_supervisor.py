"""An end that a library swallows is asked for again: SIGTERM never waits for ever."""

import asyncio

from parkwatch.daemon.app import supervisor
from parkwatch.daemon.app.supervisor import end


async def stubborn(times: int, begun: asyncio.Event) -> None:
    """Goes on after so many cancellations, as pymodbus does with a request in flight."""
    while True:
        try:
            begun.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            times -= 1
            if times < 0:
                raise


async def test_a_swallowed_cancellation_is_repeated() -> None:
    begun = asyncio.Event()
    task = asyncio.create_task(stubborn(1, begun))
    await begun.wait()
    await end([task], 0.01)
    assert task.cancelled()


async def test_what_never_ends_holds_nothing_up_and_a_failed_task_is_no_error() -> None:
    begun = asyncio.Event()
    task = asyncio.create_task(stubborn(supervisor.END_TRIES, begun))

    async def fails() -> None:
        raise OSError(5, "…")

    await begun.wait()
    failed = asyncio.create_task(fails())
    await end([task, failed], 0.01)
    assert not task.done()
    assert failed.done()
    await end([task], 0.01)
    assert task.cancelled()
