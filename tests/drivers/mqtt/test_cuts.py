"""The line to the broker fails again and again: no reading is lost, none comes twice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from listening import Listener
from mqtting import LINKS, READINGS, config, payload, publisher, source, values

from parkwatch.drivers.mqtt import fastlink, paholink
from parkwatch.simulator.fault_proxy import Cut, FaultProxy

pytestmark = pytest.mark.mosquitto
WaitAsync = Callable[..., Awaitable[None]]
CUTS = (Cut.RESET, Cut.HALF_OPEN, Cut.STALL, Cut.REFUSE, Cut.DELAY)
"""TCP loses and changes no byte within a connection: faults of bytes are those of the codec."""
BURST, LASTING_S = 20, (0.05, 1.5)


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS.keys())
async def test_a_line_that_is_cut_loses_nothing_and_doubles_nothing(
    mosquitto: Any,
    wait_until_async: WaitAsync,
    link: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (fastlink, paholink):
        monkeypatch.setattr(module, "KEEPALIVE_S", 1)
    chance, sink, sent = random.Random(1), Listener(), 0
    proxy = FaultProxy((mosquitto.host, mosquitto.port))
    port = await proxy.start("127.0.0.1", 0)
    try:
        loop = asyncio.get_running_loop()
        with publisher(mosquitto) as gateway:
            async with source(config(mosquitto, port=port, **link), sink):
                await wait_until_async(lambda: "broker_up" in sink.kinds, "connected", 20)
                for cut in CUTS:
                    for _ in range(BURST):
                        gateway.publish(READINGS, payload(sent), qos=1)
                        sent += 1
                    await proxy.cut(cut)
                    until = loop.time() + chance.uniform(*LASTING_S)
                    while loop.time() < until:
                        gateway.publish(READINGS, payload(sent), qos=1)
                        sent += 1
                        await asyncio.sleep(0.01)
                    await proxy.lift()
                    await wait_until_async(
                        lambda n=sent: len(set(values(sink))) == n, f"all came after {cut}", 20
                    )
    finally:
        await proxy.close()
    assert values(sink) == list(range(sent))
