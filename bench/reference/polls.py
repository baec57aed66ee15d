"""The naive pollers: REGISTERS, then ports; one pymodbus client and one endless loop for each.

A job `{"seconds", "period_s"}` polls every port so often for so long, on the schedule and not after
it, and tells how many polls were made, how many answers were wrong and the CPU of it (s). A port
that its client gives up (seen on a busy machine) is not polled again in that job.
"""

import asyncio
import json
import sys
import time
from typing import Any

import uvloop
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException


async def poll(client: Any, registers: int, first: float, job: dict[str, float]) -> tuple[int, int]:
    """Polls that were made of one port, and wrong answers."""
    made = wrong = 0
    right = list(range(registers))
    while (due := first + made * job["period_s"]) < first + job["seconds"]:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        try:
            answer = await client.read_holding_registers(0, count=registers, device_id=1)
        except ModbusException:
            break
        wrong += answer.registers != right
        made += 1
    return made, wrong


async def main(registers: int, ports: list[int]) -> None:
    """Serve jobs until stdin ends."""
    clients: list[Any] = [AsyncModbusTcpClient("127.0.0.1", port=port) for port in ports]
    for client in clients:
        await client.connect()
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        job = json.loads(line)
        start, cpu = time.perf_counter(), time.process_time()
        # Begun one after the other: nobody's fields are all asked in the same millisecond.
        spread = job["period_s"] / len(clients)
        told = await asyncio.gather(
            *(poll(c, registers, start + n * spread, job) for n, c in enumerate(clients))
        )
        made, wrong = (sum(column) for column in zip(*told, strict=True))
        cpu = time.process_time() - cpu
        print(json.dumps({"made": made, "wrong": wrong, "cpu_s": cpu}), flush=True)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), [int(port) for port in sys.argv[2:]]))
