"""What redaction leaves behind, `<EMAIL_1>` or `<EMAIL_0f3a91c2>`: it stays, and its numbers are not given again."""

import re

import numpy as np

from batch_jobs.prepare.batches import Bytes, Flags, Integers
from batch_jobs.prepare.compiling import compiled
from batch_jobs.prepare.lanes import LANES, lowest, mask_of

PLACEHOLDER = re.compile(rb"<[A-Z_]{2,20}_(?:\d{1,9}|[0-9a-f]{8})>")
NUMBERED = re.compile(rb"<([A-Z_]{2,20})_(\d{1,9})>")
_begins = mask_of("<")


def may_have_some(buffer: Bytes, starts: Integers, ends: Integers) -> Flags:
    """In which of the stretches one may begin; in most of them none does."""
    found = np.zeros(len(starts), np.bool_)
    _find_beginnings(buffer, starts, ends, found)
    return found


@compiled
def _find_beginnings(buffer, starts, ends, found):
    for stretch in range(len(starts)):
        at, end = starts[stretch], ends[stretch]
        while at + LANES <= len(buffer) and at < end:
            first = lowest(_begins(buffer, at))
            if first < LANES:
                found[stretch] = at + first < end
                break
            at += LANES
        else:
            for rest in range(at, end):
                found[stretch] |= buffer[rest] == 60
