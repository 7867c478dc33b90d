"""How much memory a program needed."""

from pathlib import Path


def peak_mebibytes() -> int:
    """The most memory that this process held since its program began. (`ru_maxrss` goes on from the process that
    started it: a large one makes every child look large.)"""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) >> 10
