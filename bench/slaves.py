"""The field of `drivers`: PORTS Modbus servers of the simulator, REGISTERS holding registers each.

Every register holds its own address. Prints `{"ports": [...]}`. A job `{"seconds"}` tells when each
port was asked meanwhile (perf_counter ns, one clock for all processes) and how often anybody wrote.
"""

from __future__ import annotations

import asyncio
import functools
import json
import sys
import time

import uvloop

from parkwatch.simulator.modbus_server import ModbusServer, Unit


async def main(ports: int, registers: int) -> None:
    """Serve until stdin ends."""
    asked: list[list[int]] = [[] for _ in range(ports)]
    servers, listening = [], []
    for at in asked:
        unit = Unit.sized(holding=registers)
        unit.holding[:] = range(registers)
        server = ModbusServer({1: unit}, functools.partial(_note, at))
        listening.append(await server.start("127.0.0.1", 0))
        servers.append(server)
    print(json.dumps({"ports": listening}), flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        for at in asked:
            at.clear()
        await asyncio.sleep(json.loads(line)["seconds"])
        told = [list(at) for at in asked]
        writes = sum(server.counters.writes for server in servers)
        print(json.dumps({"asked": told, "writes": writes}), flush=True)
    for server in servers:
        await server.close()


def _note(at: list[int]) -> None:
    at.append(time.perf_counter_ns())


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
