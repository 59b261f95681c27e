"""What a run took of the machine: processor time and memory, over all its processes on this machine."""

import resource
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor time, and the most memory that one process held."""

    cpu_s: float
    peak_bytes: int


def measure_usage() -> Usage:
    """Give what this process and its finished children have used."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu_s = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    return Usage(cpu_s, 1024 * max(usage.ru_maxrss for usage in usages))
