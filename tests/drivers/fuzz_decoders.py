"""Random and mangled input against every decoder until the time is over:
`make fuzz ONLY=registers SECONDS=60 ARGS="--seed N"`.

Ends with one line a decoder, and with 1 where anything but the declared exceptions comes out, an
answer breaks its promise, or memory grows after the warm-up.
"""

from __future__ import annotations

import argparse
import gc
import resource
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import fuzz_field
import fuzz_mqtt
import fuzz_texts

Step = Callable[[Random], int]
"""Some inputs of one decoder: how many. AssertionError, or whatever came out of the decoder."""
DECODERS: dict[str, Step] = {
    "registers": fuzz_field.registers,
    "frames": fuzz_field.frames,
    "units": fuzz_field.units,
    "mqtt": fuzz_mqtt.payloads,
    "gateways": fuzz_mqtt.gateways,
    "wire": fuzz_mqtt.wire,
    "lists": fuzz_texts.lists,
    "sources": fuzz_texts.sources,
}
WARM_SHARE = 0.3
GROWTH_BYTES_MAX = 8 << 20


@dataclass
class Report:
    name: str
    seed: int
    inputs: int = 0
    seconds: float = 0.0
    before: int = 0
    after: int = 0
    broken: str = ""

    @property
    def holds(self) -> bool:
        return not self.broken and self.after - self.before <= GROWTH_BYTES_MAX

    def __str__(self) -> str:
        return (
            f"fuzz {self.name}: {self.inputs} inputs, {int(bool(self.broken))} exceptions, RSS "
            f"{self.before / 2**20:.1f} -> {self.after / 2**20:.1f} MiB, seed {self.seed} "
            f"({self.seconds:.0f} s){self.broken}"
        )


def fuzzed(name: str, seconds: float, seed: int, steps_max: int = 0) -> Report:
    """Steps with the seeds from `seed` on, until the time is over or one breaks."""
    report, step = Report(name, seed), DECODERS[name]
    begun, steps = time.monotonic(), 0
    while not steps_max or steps < steps_max:
        lasted = time.monotonic() - begun
        if lasted >= seconds:
            break
        if not report.before and lasted >= WARM_SHARE * seconds:
            report.before = resident()
        try:
            report.inputs += step(Random(seed + steps))
        except Exception:  # noqa: BLE001 - whatever it is, it is a finding
            report.broken = f"\n{traceback.format_exc()}--seed {seed + steps} --steps 1"
            break
        steps += 1
    report.seconds = time.monotonic() - begun
    report.after = resident()
    report.before = report.before or report.after
    return report


def resident() -> int:
    """Bytes of this process that are in memory, of what is still used."""
    gc.collect()
    pages = Path("/proc/self/statm").read_text("ascii").split()[1]
    return int(pages) * resource.getpagesize()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=(*DECODERS, "decoders"), default="decoders")
    parser.add_argument("--seconds", type=float, default=60.0, help="for how long, each")
    parser.add_argument("--seed", type=int, help="of the first step (default: from the clock)")
    parser.add_argument("--steps", type=int, default=0, help="at most so many (0: any number)")
    asked = parser.parse_args(arguments)
    seed = time.time_ns() // 1_000_000 % 10**9 if asked.seed is None else asked.seed
    warnings.simplefilter("error")
    failed = 0
    for name in DECODERS if asked.only == "decoders" else (asked.only,):
        report = fuzzed(name, asked.seconds, seed, asked.steps)
        sys.stdout.write(f"{report}\n")
        sys.stdout.flush()
        failed += not report.holds
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
