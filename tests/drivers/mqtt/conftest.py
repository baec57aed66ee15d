"""The MQTT driver runs on the loop that the daemon runs on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import uvloop


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """uvloop: its transports differ from asyncio's own."""
    return {"uvloop": uvloop.new_event_loop}
