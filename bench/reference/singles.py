"""The naive Modbus loop of single reads: HOST PORT REGISTERS; one after the other, over and over.

A job `{"seconds"}` tells how many registers it has read meanwhile and how many were not theirs.
"""

import json
import sys
import time
from typing import Any

from pymodbus.client import ModbusTcpClient


def main(host: str, port: int, registers: int) -> None:
    """Serve jobs until stdin ends."""
    client: Any = ModbusTcpClient(host, port=port)
    client.connect()
    print("ready", flush=True)
    for line in sys.stdin:
        read = wrong = 0
        began = time.perf_counter()
        end = began + json.loads(line)["seconds"]
        while time.perf_counter() < end:
            address = read % registers
            answer: Any = client.read_holding_registers(address, count=1, device_id=1)
            wrong += answer.registers != [address]
            read += 1
        told = {"rate": read / (time.perf_counter() - began), "wrong": wrong}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
