"""Groups of rows: equal ones by fingerprint, near ones by MinHash-LSH, verification and connected components.

Four places of a signature are 64 bits, so a band's key is the signature itself, seen as one integer. Rows that meet
under a key are compared over their whole signatures; pairs that are alike become edges, and edges become groups.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batch_jobs.prepare.compiling import compiled
from batch_jobs.prepare.deduplicating.fingerprints import Hashes
from batch_jobs.prepare.deduplicating.signatures import PLACES, Signatures

ROWS_PER_BAND = 4
MOST_BANDS = PLACES // ROWS_PER_BAND
COMPARED = 32
"""Rows under one key that a row is compared with at most: enough to join its group, and no quadratic work."""

Members = NDArray[np.int64]
Run = Callable[[Callable[[int], Any], Sequence[int]], list[Any]]
"""`map` over a pool of threads: `run(function, items)`."""


def run_in_turn(function: Callable[[int], Any], items: Sequence[int]) -> list[Any]:
    return [function(item) for item in items]


def first_equal(keys: Hashes) -> Members:
    """Per row of `keys` [rows, 2]: the first row with the same key, itself where there is none before it."""
    found = np.empty(len(keys), np.int64)
    _first_equal(np.ascontiguousarray(keys), found, np.full(_capacity(len(keys)), -1, np.int64))
    return found


def near_groups(signed: Signatures, rows: Members, threshold: float, run: Run = run_in_turn) -> Members:
    """Per entry of `rows` (indices into `signed`, ascending): the least index of its group.

    `threshold` is the Jaccard similarity from which two rows are near duplicates.
    """
    if len(rows) < 2:
        return rows.copy()
    signed = np.ascontiguousarray(signed)
    edges = run(lambda band: edges_of_band(signed, rows, band, threshold), range(bands_for(threshold)))
    return rows[components(len(rows), np.concatenate(edges))]


def bands_for(threshold: float) -> int:
    """Bands that miss one pair in 200 at the threshold, or all that there are."""
    missed = 1 - threshold**ROWS_PER_BAND
    return (
        MOST_BANDS if missed >= 1 else min(MOST_BANDS, max(4, math.ceil(math.log(0.005) / math.log(max(missed, 1e-9)))))
    )


def components(count: int, edges: Members) -> Members:
    """Per node 0..count-1: the least node that a path of `edges` [n, 2] leads to."""
    parent = np.arange(count, dtype=np.int64)
    _unite(parent, edges)
    return parent


def edges_of_band(signed: Signatures, rows: Members, band: int, threshold: float) -> Members:
    """Pairs [n, 2] of places in `rows` that meet in one band and are alike."""
    bands, needed = signed.view(np.uint64), math.ceil(threshold * PLACES - 1e-9)
    table, following = np.full(_capacity(len(rows)), -1, np.int32), np.full(len(rows), -1, np.int32)
    edges = np.empty((len(rows), 2), np.int64)
    return edges[: _meet(signed, bands, rows, band, needed, table, following, edges)]


def _capacity(rows: int) -> int:
    """Of an open-addressing table: a power of two, at most half full."""
    return 1 << max(4, (2 * rows - 1).bit_length())


@compiled
def _first_equal(keys, found, table):
    mask = len(table) - 1
    for row in range(len(keys)):
        at = np.int64(keys[row, 0] & np.uint64(mask))
        while table[at] >= 0:
            other = table[at]
            if keys[other, 0] == keys[row, 0] and keys[other, 1] == keys[row, 1]:
                break
            at = (at + 1) & mask
        if table[at] < 0:
            table[at] = row
        found[row] = table[at]


@compiled
def _meet(signed, bands, rows, band, needed, table, following, edges):
    """Insert each row under its key; compare it with the rows there until one is alike. Edges are places in `rows`."""
    mask, count = len(table) - 1, 0
    for place in range(len(rows)):
        row = rows[place]
        key = bands[row, band]
        at = np.int64((key * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20)) & mask
        while table[at] >= 0 and bands[rows[table[at]], band] != key:
            at = (at + 1) & mask
        other, compared, joined = table[at], 0, False
        while other >= 0 and compared < COMPARED:
            if _alike(signed, row, rows[other], needed):
                edges[count, 0], edges[count, 1] = other, place
                count += 1
                joined = True
                break
            other = following[other]
            compared += 1
        if not joined:  # a member that is like another under this key need not be met again
            following[place] = table[at]
            table[at] = place
    return count


@compiled
def _alike(signed, one, other, needed):
    equal = 0
    for place in range(PLACES):
        equal += signed[one, place] == signed[other, place]
    return equal >= needed


@compiled
def _unite(parent, edges):
    for edge in range(len(edges)):
        one, other = _root(parent, edges[edge, 0]), _root(parent, edges[edge, 1])
        if one < other:
            parent[other] = one
        elif other < one:
            parent[one] = other
    for node in range(len(parent)):
        parent[node] = _root(parent, node)


@compiled
def _root(parent, node):
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node
