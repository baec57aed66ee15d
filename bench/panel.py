"""The field tool: the simulator's Modbus server with UNITS panels of CHANNELS registers.

Prints `{"ready": …, "port": N}`. A job `{"rate", "seconds"}` moves so many channels a second across
the limit, at moments that have nothing to do with anybody's scan, and tells when each moved.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from typing import Any

from parkwatch.simulator.modbus_server import ModbusServer, Unit

UP, DOWN, STEPS = 60, 10, 30
SPACING_S = 4.0
"""No probe moves again sooner: two scans would have to fail to lose a change."""


async def move(server: ModbusServer, job: dict[str, Any], state: dict[tuple[int, int], bool],
               turn: int) -> list[tuple[int, int, int, int, bool]]:  # fmt: skip
    """`[ns, unit, register, value, up]` of each change."""
    dice = random.Random(turn)  # noqa: S311 - a schedule, not a secret
    keys = list(state)
    dice.shuffle(keys)
    n = round(job["rate"] * job["seconds"])
    keys = keys[: max(1, min(len(keys), round(job["rate"] * SPACING_S)))]
    at_least = SPACING_S / len(keys)
    moved = []
    start = time.perf_counter()
    for i in range(n):
        due = start + i * max(at_least, 1 / job["rate"]) + dice.random() * at_least / 2
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        unit, register = key = keys[i % len(keys)]
        state[key] = up = not state[key]
        value = (UP if up else DOWN) + i // len(keys) % STEPS
        server.units[unit].holding[register] = value
        moved.append((time.perf_counter_ns(), unit, register, value, up))
    return moved


async def main(units: int, channels: int) -> None:
    """Serve until stdin ends."""
    server = ModbusServer({u: Unit.sized(holding=channels + 32) for u in range(1, units + 1)})
    for unit in server.units.values():
        unit.holding[:channels] = DOWN
    port = await server.start("127.0.0.1", 0)
    print(json.dumps({"ready": "panel", "port": port}), flush=True)
    state = {(u, r): False for u in server.units for r in range(channels)}
    loop = asyncio.get_running_loop()
    turn = 0
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        turn += 1
        moved = await move(server, json.loads(line), state, turn)
        writes = server.counters.writes
        print(json.dumps({"moved": moved, "writes": writes}), flush=True)
    await server.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
