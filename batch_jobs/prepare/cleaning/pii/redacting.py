"""Replaces what was found: by typed placeholders that agree within a row, or by keyed pseudonyms that agree everywhere.

The texts are rewritten by one compiled copy; the strings among the extras are `extras`' work.
"""

from collections import Counter
from dataclasses import replace

import numpy as np

from batch_jobs.prepare.batches import Flags, Integers, RowBatch, Texts, take_texts
from batch_jobs.prepare.cleaning.pii.detector import Detector
from batch_jobs.prepare.cleaning.pii.extras import ExtrasRewriter, rows_with_some
from batch_jobs.prepare.cleaning.pii.replacements import Replacements, RowReplacements, rows_of
from batch_jobs.prepare.cleaning.pii.spans import TYPES, Spans
from batch_jobs.prepare.compiling import compiled
from batch_jobs.prepare.lanes import copy_bytes
from tunesmith.contracts.preparation import PiiType, RedactStyle


def redact(
    batch: RowBatch, detector: Detector, style: RedactStyle = RedactStyle.PLACEHOLDER, key: bytes | None = None
) -> tuple[RowBatch, Counter[PiiType], Flags]:
    """The batch without what the detector finds, how many of each type were found, and which rows had any.

    A batch in which nothing is found is returned itself. Redacting again changes nothing. Raises ValueError for
    pseudonyms without a key.
    """
    spans = detector.find(batch.texts)
    replacements = RowReplacements(batch, spans, style, key)
    counts: Counter[PiiType] = Counter()
    flags = np.zeros(len(batch), np.bool_)
    texts, new = batch.texts, replacements.of_first()
    while len(spans):
        flags[rows_of(batch, spans)] = True
        counts.update(_count(spans))
        texts = _rewritten(texts, spans, new)
        spans = _find_in(texts, np.unique(spans.text), detector)
        new = replacements.of_later(texts, spans)
    extras = dict(batch.extras)
    for row in rows_with_some(batch.extras, detector):
        rewriter = ExtrasRewriter(detector, replacements.of_row(row))
        rewritten = rewriter.extras(batch.extras[row])
        if rewriter.counts:
            extras[row], flags[row] = rewritten, True
            counts.update(rewriter.counts)
    if not counts:
        return batch, counts, flags
    return replace(batch, texts=texts, extras=extras), counts, flags


def redact_text(text: str, detector: Detector) -> str:
    """One text for people to read, with placeholders."""
    return ExtrasRewriter(detector, Replacements(RedactStyle.PLACEHOLDER)).string(text)


def _count(spans: Spans) -> Counter[PiiType]:
    times = np.bincount(spans.code, minlength=len(TYPES)).tolist()
    return Counter({kind: count for kind, count in zip(TYPES, times, strict=True) if count})


def _find_in(texts: Texts, chosen: Integers, detector: Detector) -> Spans:
    """What is found in these texts only: a value that stood close to another may be told once that one is gone."""
    part = take_texts(texts, chosen)
    spans = detector.find(part)
    moved = texts.offsets[chosen[spans.text]] - part.offsets[spans.text]
    return Spans(chosen[spans.text], spans.start + moved, spans.end + moved, spans.code)


def _rewritten(texts: Texts, spans: Spans, new: list[bytes]) -> Texts:
    if not new:
        return texts
    bounds = np.cumsum([0, *map(len, new)], dtype=np.int64)
    growth = np.zeros(len(texts) + 1, np.int64)
    np.add.at(growth, spans.text + 1, np.diff(bounds) - (spans.end - spans.start))
    low = texts.offsets[0]
    offsets = texts.offsets - low + np.cumsum(growth)
    buffer = np.empty(offsets[-1], np.uint8)
    replaced = np.frombuffer(bytearray().join(new), np.uint8)
    _gather(texts.buffer, low, texts.offsets[-1], spans.start, spans.end, replaced, bounds, buffer)
    return Texts(buffer, offsets)


@compiled
def _gather(source, low, high, start: Integers, end: Integers, new, bounds, buffer):
    """Copy what lies between the spans, and the new bytes in their places."""
    at = 0
    for span in range(len(start)):
        copy_bytes(source, low, buffer, at, start[span] - low)
        at += start[span] - low
        size = bounds[span + 1] - bounds[span]
        copy_bytes(new, bounds[span], buffer, at, size)
        at += size
        low = end[span]
    copy_bytes(source, low, buffer, at, high - low)
