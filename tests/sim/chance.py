"""All randomness of a world, from one seed: a stream for each part, so that a change of one part
moves no other, and the half of the faults that the seed leaves on."""

from __future__ import annotations

from random import Random

S = 1_000_000_000
FAULTS = (
    # the disk
    "crash_before_commit", "crash_after_commit", "io_error", "full", "busy", "slow_disk",
    # the process
    "crash_at_random", "crash_while_sending", "crash_again", "long_down", "wall_jump",
    # the provider
    "refuses", "times_out", "error_in_body", "slow_provider", "few_tokens",
    # the field
    "dropouts", "stuck", "late", "duplicates", "bad_quality", "nan", "link_loss", "silent_loss",
    # people
    "stale_versions", "repeated_commands", "shelves", "out_of_service", "slow_people", "silences",
    "disposes",
)  # fmt: skip


class Chance:
    """`on` names the faults of this seed; `heal` switches all off."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.on = set(FAULTS)
        swarm = self.stream("swarm")
        self.on = {fault for fault in FAULTS if swarm.random() < 0.5}

    def stream(self, name: str) -> Random:
        """The stream of one part."""
        return Random(f"{self.seed}:{name}")

    def heal(self) -> None:
        """From now on nothing fails."""
        self.on.clear()

    def hits(self, fault: str, stream: Random, share: float) -> bool:
        """Whether a fault happens now; the stream moves on in either case."""
        return stream.random() < share and fault in self.on
