"""The only door to a Modbus device: four reads, and no way to write.

A facade over pymodbus' client; nothing else of that client can be reached from here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU

from parkwatch.drivers.plan import Block

CONNECT_S = 3.0


class NoAnswer(Exception):  # noqa: N818 - says what happened on the line
    """Nothing that can be trusted came back; the connection must not be used again."""


class Refused(Exception):  # noqa: N818 - says what happened on the line
    """The device answered with an exception code (1 to 11)."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}")
        self.code = code


class FieldReader:
    """One connection to one Modbus TCP unit."""

    def __init__(self, host: str, port: int, unit_id: int, timeout_s: float) -> None:
        client = AsyncModbusTcpClient(
            host, port=port, timeout=timeout_s, retries=0, reconnect_delay=0
        )
        self._close = client.close
        self._connect = client.connect
        self._unit = unit_id
        self._deadline_s = timeout_s + 1.0
        self._reads = {
            1: client.read_coils,
            2: client.read_discrete_inputs,
            3: client.read_holding_registers,
            4: client.read_input_registers,
        }

    async def open(self) -> None:
        """Connect, or NoAnswer."""
        try:
            async with asyncio.timeout(CONNECT_S):
                connected = await self._connect()
        except (OSError, TimeoutError, ModbusException) as error:
            raise NoAnswer(f"no connection: {error}") from error
        if not connected:
            raise NoAnswer("no connection")

    async def read(self, block: Block) -> Sequence[int]:
        """The words (or bits as 0 and 1) of a block; NoAnswer or Refused."""
        try:
            async with asyncio.timeout(self._deadline_s):
                answer: ModbusPDU = await self._reads[block.function](
                    block.address, count=block.count, device_id=self._unit
                )
        except (OSError, TimeoutError, ModbusException) as error:
            raise NoAnswer(str(error) or "no answer in time") from error
        if answer.isError():
            raise Refused(int(getattr(answer, "exception_code", 0)))
        values = answer.bits if block.function <= 2 else answer.registers
        if len(values) < block.count:
            raise NoAnswer(f"{len(values)} of {block.count} values in the answer")
        return [int(v) for v in values[: block.count]]

    def close(self) -> None:
        """Drop the connection; a late answer has nowhere to arrive."""
        self._close()
