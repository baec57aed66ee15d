"""The naive Modbus loop: read, compare, remember. HOST PORT UNITS CHANNELS SCAN_S; ends at SIGTERM.

It prints when each channel crossed the limit, for the pairs `(unit, register)` it was told to read.
"""

import json
import signal
import sys
import time
from typing import Any

from pymodbus.client import ModbusTcpClient

LIMIT = 50


def main(host: str, port: int, units: int, channels: int, scan_s: float) -> None:
    """Poll until SIGTERM, then print `{"crossed": [[ns, unit, register, up], …], "scans": n}`."""
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    client: Any = ModbusTcpClient(host, port=port)
    client.connect()
    last: dict[tuple[int, int], bool] = {}
    crossed: list[tuple[int, int, int, bool]] = []
    scans, due = 0, time.perf_counter()
    while not ended:
        for unit in range(1, units + 1):
            answer: Any = client.read_holding_registers(0, count=channels, device_id=unit)
            for register, value in enumerate(answer.registers):
                up = value >= LIMIT
                if up != last.get((unit, register), False):
                    crossed.append((time.perf_counter_ns(), unit, register, up))
                last[unit, register] = up
        scans += 1
        if scans == 1:
            print("ready", flush=True)
        due += scan_s
        time.sleep(max(0.0, due - time.perf_counter()))
    print(json.dumps({"crossed": crossed, "scans": scans}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
