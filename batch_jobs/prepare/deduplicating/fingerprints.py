"""What a row is equal to, and what each of its answers answers: 128-bit fingerprints, in one compiled pass.

Rows have the same fingerprint where they differ only in outer white space (Unicode form and line breaks are the work of
the cleaning before). Each segment is hashed with MurmurHash3 x64 128 (Appleby, 2011: public domain), seeded with what
the segment is, and folded into the row's state: so no two rows agree because one's end is the other's beginning.
"""

import hashlib
import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batch_jobs.prepare.batches import Extras, RowBatch
from batch_jobs.prepare.compiling import compiled
from batch_jobs.prepare.hashing import mix
from batch_jobs.prepare.lanes import load_word

Hashes = NDArray[np.uint64]
ASSISTANT = 2
"""Index into batches.ROLES."""


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """Of the rows of a batch."""

    row: Hashes
    """[rows, 2]: 128 bits of all that a row is."""
    prompt: Hashes
    """[rows]: of all that stands before the answer that ends the row, or before the two answers of a pair; of the
    whole row where it has no answer, or nothing stands before it."""
    before: Hashes
    """[segments]: of all that stands before the segment in its row."""


def fingerprints(batch: RowBatch) -> Fingerprints:
    rows, segments = len(batch), len(batch.role)
    row, prompt, before = np.empty((rows, 2), np.uint64), np.empty(rows, np.uint64), np.empty(segments, np.uint64)
    _fingerprint(
        batch.texts.buffer,
        batch.texts.offsets,
        batch.role,
        batch.part,
        batch.trained,
        batch.first,
        row,
        prompt,
        before,
    )
    for index, extras in batch.extras.items():
        _fold_extras(row[index], extras)
    return Fingerprints(row, prompt, before)


def _fold_extras(row: Hashes, extras: Extras) -> None:
    """Tools, tool calls and labels make another row; kept columns do not."""
    calls = [[place, turn.name, turn.tool_calls, turn.tool_call_id] for place, turn in sorted(extras.turns.items())]
    if calls or extras.tools is not None or extras.label is not None:
        said = json.dumps([calls, extras.tools, extras.label]).encode()
        row ^= np.frombuffer(hashlib.sha256(said).digest()[:16], np.uint64)


@compiled
def _fingerprint(buffer, offsets, role, part, trained, first, row, prompt, before):
    for index in range(len(first) - 1):
        high, low = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
        weights, answered, paired = np.uint64(0), False, False
        for segment in range(first[index], first[index + 1]):
            before[segment] = high
            if part[segment] == 0:
                answered = role[segment] == ASSISTANT and segment > first[index]
                if answered:
                    prompt[index] = high
            elif not paired:
                paired, answered = True, segment > first[index]
                prompt[index] = high
            start, end = _strip(buffer, offsets[segment], offsets[segment + 1])
            one, two = murmur(buffer, start, end, np.uint64(role[segment]) * np.uint64(8) + np.uint64(part[segment]))
            if role[segment] == ASSISTANT and not trained[segment]:
                weights = mix(weights ^ np.uint64(segment - first[index] + 1))
            high = mix(high ^ one) + np.uint64(0x52DCE729)
            low = mix(low ^ two) + np.uint64(0x38495AB5) + high
        row[index, 0], row[index, 1] = high ^ weights, low
        if not answered:
            prompt[index] = high


@compiled
def _strip(buffer, start, end):
    while start < end and _is_space(buffer[start]):
        start += 1
    while end > start and _is_space(buffer[end - 1]):
        end -= 1
    return start, end


@compiled
def _is_space(byte):
    """Of ASCII's: other control characters are content."""
    return byte == 32 or 9 <= byte <= 13


@compiled
def _rotate(value, by):
    return (value << np.uint64(by)) | (value >> np.uint64(64 - by))


@compiled
def murmur(buffer, start, end, seed):
    """MurmurHash3 x64 128 of `buffer[start:end]`, its last partial block zero-padded with its length folded in."""
    c1, c2 = np.uint64(0x87C37B91114253D5), np.uint64(0x4CF5AD432745937F)
    one = two = seed
    at = start
    while at + 16 <= end:
        k1, k2 = load_word(buffer, at), load_word(buffer, at + 8)
        one ^= _rotate(k1 * c1, 31) * c2
        one = (_rotate(one, 27) + two) * np.uint64(5) + np.uint64(0x52DCE729)
        two ^= _rotate(k2 * c2, 33) * c1
        two = (_rotate(two, 31) + one) * np.uint64(5) + np.uint64(0x38495AB5)
        at += 16
    k1 = k2 = np.uint64(0)
    for index in range(end - at):
        byte = np.uint64(buffer[at + index])
        if index < 8:
            k1 |= byte << np.uint64(8 * index)
        else:
            k2 |= byte << np.uint64(8 * (index - 8))
    two ^= _rotate(k2 * c2, 33) * c1
    one ^= _rotate(k1 * c1, 31) * c2
    length = np.uint64(end - start)
    one, two = one ^ length, two ^ length
    one += two
    two += one
    one, two = mix(one), mix(two)
    one += two
    return one, two + one
