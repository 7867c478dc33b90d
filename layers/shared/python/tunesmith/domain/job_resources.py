"""How many machines a `prepare` job gets, and how much of each, by the size of what was uploaded. Pure.

Figures without another source were measured on two processors of a cloud machine with the default recipe
(docs/data.md). What is right for most uploads may be wrong for one of very short rows or of very well compressed
ones: the recipe's `prepare.vcpus` and `prepare.memory_gib` win.
"""

import math
from collections.abc import Sequence

from tunesmith.contracts.datasets import Source
from tunesmith.contracts.jobs import JobResources
from tunesmith.contracts.machines import DISK_GIB, MOST_MEMORY_GIB, MOST_VCPUS, NODE_MEMORY_MIB, NODE_VCPUS
from tunesmith.contracts.nodes import MOST_NODES
from tunesmith.contracts.recipes import PrepareRecipe

INFLATION = {".gz": 8, ".zst": 8, ".parquet": 6, ".pq": 6}
"""Bytes of text in a stored byte, by the end of the name. Chats take 3 to 8; what repeats itself takes more."""
UNKNOWN_BYTES = 5 << 30
"""Of a source that nobody looked at: no object of an upload is larger."""

VCPUS = ((2, 2_000_000_000), (4, 10_000_000_000), (8, 40_000_000_000))
"""vCPUs for so many bytes of text: enough that the work takes minutes, where the start of a machine takes three."""
VCPUS_BEYOND = 16
BYTES_PER_VCPU_SECOND = 9_000_000
"""Measured: 18 MB of text a second on two."""

GIB = 1 << 30
MEMORY_PER_VCPU = int(3.5 * GIB)
"""What a machine of the classes m7i, m6i and m6a can give beside each vCPU: less would leave memory unused."""
FIXED_MEMORY = GIB
"""Measured: 0.6 GB for a few rows; up to 0.25 GB of text is held besides."""
WORKING_MEMORY = 64 << 20
"""Of one vCPU: the blocks that it works on."""
MEMORY_PER_TEXT_BYTE = 1.5
"""Measured: up to 500 bytes a row, whatever its length; half of them are a mapped file that may be paged out. So this
holds rows of 340 bytes, and four times as many bytes of rows of 1,500."""

USABLE_DISK = (DISK_GIB - 30) * GIB
"""The system and the image need the rest."""
DISK_PER_TEXT_BYTE = 1.5
"""Measured: 0.6 for the rows in between (3 where a row has 90 bytes), 0.3 for the files that come out."""

ALONE_BYTES = 50_000_000_000
"""Text of which one machine makes a dataset version where the recipe leaves it open (`nodes: auto`)."""
BYTES_PER_NODE = 12_500_000_000

SHORTEST_SECONDS = 2 * 3_600
LONGEST_SECONDS = 24 * 3_600
PATIENCE = 30
"""Times as long as it should take, a job may: a byte takes nine times as long where a row has 90 of them, and eight
processors do less than four times the work of two."""


def prepare_resources(sources: Sequence[Source], recipe: PrepareRecipe) -> JobResources:
    """What the recipe says by hand, and for what it leaves open what the size of the sources asks for."""
    text = text_bytes(sources)
    nodes = _nodes(text) if recipe.nodes == "auto" else recipe.nodes
    if nodes > 1:
        seconds = _timeout(text, nodes * NODE_VCPUS)
        return JobResources(nodes=nodes, vcpus=NODE_VCPUS, memory_mib=NODE_MEMORY_MIB, timeout_seconds=seconds)
    vcpus = recipe.vcpus or _vcpus(text)
    memory_gib = recipe.memory_gib or _memory_gib(text, vcpus)
    return JobResources(vcpus=vcpus, memory_mib=memory_gib * 1_024, timeout_seconds=_timeout(text, vcpus))


def disk_problem(sources: Sequence[Source], recipe: PrepareRecipe) -> str | None:
    """Why one machine could not hold what lies between the passes, with the figures; None where it may. Compressed
    files count as they are stored, and those of unknown size not at all: what is refused certainly has no room."""
    stored = [source.size or 0 for source in sources]
    needed = max(stored, default=0) + DISK_PER_TEXT_BYTE * sum(stored)
    if prepare_resources(sources, recipe).nodes > 1 or needed <= USABLE_DISK:
        return None
    return (
        f"{sum(stored) / 1e9:,.0f} GB in {len(stored)} files need about {needed / 1e9:,.0f} GB of disk while they are "
        f"prepared, one machine has {USABLE_DISK / 1e9:,.0f}: set prepare.nodes to auto, or make several datasets"
    )


def text_bytes(sources: Sequence[Source]) -> int:
    """Bytes of the sources as text, that of compressed ones as it usually is."""
    return sum(_stored(source) * _inflation(source.uri) for source in sources)


def _stored(source: Source) -> int:
    return UNKNOWN_BYTES if source.size is None else source.size


def _inflation(uri: str) -> int:
    return next((times for end, times in INFLATION.items() if uri.lower().endswith(end)), 1)


def _nodes(text: int) -> int:
    return 1 if text <= ALONE_BYTES else min(MOST_NODES, math.ceil(text / BYTES_PER_NODE))


def _vcpus(text: int) -> int:
    return min(MOST_VCPUS, next((vcpus for vcpus, most in VCPUS if text <= most), VCPUS_BEYOND))


def _memory_gib(text: int, vcpus: int) -> int:
    """Whole GiB: the larger of what comes with the vCPUs and what the rows take."""
    rows = FIXED_MEMORY + vcpus * WORKING_MEMORY + MEMORY_PER_TEXT_BYTE * text
    return min(MOST_MEMORY_GIB, math.ceil(max(vcpus * MEMORY_PER_VCPU, rows) / GIB))


def _timeout(text: int, vcpus: int) -> int:
    seconds = PATIENCE * text / (BYTES_PER_VCPU_SECOND * vcpus)
    return round(min(max(seconds, SHORTEST_SECONDS), LONGEST_SECONDS))
