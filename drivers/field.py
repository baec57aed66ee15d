"""The only door to a Modbus device: four reads, and no way to write.

A facade over pymodbus' client. It offers the functions 1 to 4 and nothing else, and a guard at the
client's own sending end lets nothing else out, whoever asks for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU

from parkwatch.drivers.plan import Block

CONNECT_S = 3.0
READS = frozenset({1, 2, 3, 4})
# Every failure here becomes a quality and an event; a line for each of 200 dead devices hides both.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)


class NoAnswer(Exception):  # noqa: N818 - says what happened on the line
    """Nothing that can be trusted came back; the connection must not be used again."""


class Refused(Exception):  # noqa: N818 - says what happened on the line
    """The device answered with an exception code (1 to 11)."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}")
        self.code = code


class FieldReader:
    """One connection to one Modbus TCP unit; never opened twice.

    After NoAnswer the caller closes it and makes another: a late answer, or the end of the old
    connection, then finds nobody whom it could deceive.
    """

    def __init__(self, host: str, port: int, unit_id: int, timeout_s: float) -> None:
        self._sent = 0
        client = AsyncModbusTcpClient(
            host,
            port=port,
            timeout=timeout_s,
            retries=0,
            reconnect_delay=0,  # Its own reconnecting would go on behind our back.
            trace_pdu=self._guard,
        )
        self._close: Callable[[], None] = client.close
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
        """The words (or bits as 0 and 1) of a block, exactly as many; NoAnswer or Refused."""
        try:
            async with asyncio.timeout(self._deadline_s):
                answer: ModbusPDU = await self._reads[block.function](
                    block.address, count=block.count, device_id=self._unit
                )
        except (OSError, TimeoutError, ModbusException) as error:
            raise NoAnswer(str(error) or "no answer in time") from error
        return self._checked(block, answer)

    def close(self) -> None:
        """Drop the connection; a late answer has nowhere to arrive."""
        self._close()

    def _checked(self, block: Block, answer: ModbusPDU) -> Sequence[int]:
        """pymodbus takes an answer without id, to another function, or of another length."""
        if answer.transaction_id != self._sent:
            raise NoAnswer(f"answer {answer.transaction_id} to request {self._sent}")
        if answer.function_code & 0x7F != block.function:
            raise NoAnswer(f"an answer to function {answer.function_code & 0x7F}")
        if answer.isError():
            raise Refused(int(answer.exception_code))
        bits = block.function <= 2
        values = answer.bits if bits else answer.registers
        due = -(-block.count // 8) * 8 if bits else block.count
        if len(values) != due:
            raise NoAnswer(f"{len(values)} values in the answer, {due} are due")
        return [int(v) for v in values[: block.count]]

    def _guard(self, sending: bool, pdu: ModbusPDU) -> ModbusPDU:  # noqa: FBT001 - pymodbus' call
        """Sees every PDU before it leaves; what is no read is a slip of ours and ends the task."""
        if sending:
            if pdu.function_code not in READS:
                raise AssertionError(f"function {pdu.function_code} does not read")
            self._sent = pdu.transaction_id
        return pdu
