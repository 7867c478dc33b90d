"""Makes `names.npz`, the tagger's weights, and measures them. Run by hand; the same packages give the same bytes.

python -m batch_jobs.prepare.cleaning.pii.training [--write] [--labelled presidio_research_generated_small.json ...]

Learnt from invented texts (`invented.py`) and from the standard library's docstrings as text without names. One frame
in five is held out with all that is made of it. Gradients of the conditional likelihood, one text at a time, with
steps that shrink for each weight (Duchi, Hazan and Singer, 2011: AdaGrad); features are left out at random, so that
neither frames nor names are learnt by heart.
"""

import argparse
import ast
import json
import os
import random
import re
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from faker.providers.lorem.en_US import Provider as Lorem

from batch_jobs.prepare.batches import Flags, Integers, Texts
from batch_jobs.prepare.cleaning.pii import words as lists_of
from batch_jobs.prepare.cleaning.pii.invented import Invented, entries, everyday, frames, invent, split
from batch_jobs.prepare.cleaning.pii.tagger import (
    ADDRESS,
    BITS,
    FEATURES,
    NAME,
    OF_NEIGHBOURS,
    OF_THE_WORD,
    PLACE,
    TAGS,
    WEIGHTS,
    Tagger,
    rows_of,
)
from batch_jobs.prepare.cleaning.pii.words import BREAK, GAPS, Lists, Words
from batch_jobs.prepare.compiling import compiled
from tunesmith.contracts.preparation import PiiType

MADE, ROUNDS, SEED = 80_000, 5, 20261124
RATE, LEVELS = 0.15, 20
STRANGE = 0.1
UNCOMMON = 0.2
"""Share of words in small letters that are learnt as if no list of common words had them: real texts have more words
than the list. Of others a quarter as many."""
WITHOUT_LISTS, WITHOUT_WORD, WITHOUT_NEIGHBOUR = 0.35, 0.3, 0.35
"""Shares of words that are learnt as if no list of names had them, without their letters, without a neighbour's."""

Labelled = Invented


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="replace names.npz")
    parser.add_argument("--labelled", type=Path, nargs="*", default=[], help="JSON of presidio-research")
    asked = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":  # some of Faker's lists are sets, whose order it decides
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", __spec__.name, *sys.argv[1:]])
    learnt, held_out = split(frames())
    if asked.write:
        write(invent(learnt, MADE, SEED, STRANGE), list(docstrings()))
    report("frames that were held out", invent(held_out, 4_000, SEED + 1))
    for file in asked.labelled:
        report(file.name, list(labelled(file)))


def write(examples: list[Invented], prose: list[str], weights_file: Path = WEIGHTS) -> None:
    """Learn in a fixed order and keep a byte a weight."""
    lists = made_lists(prose)
    examples = [*examples, *(Invented(text, []) for text in prose[: len(prose) * 4 // 5])]
    random.Random(SEED).shuffle(examples)
    texts = Texts.of([made.text for made in examples])
    words = Words.of(texts)
    right = _tags_of(examples, texts, words)
    chance = np.random.default_rng(SEED)
    flags = lists.of_words(words)
    unknown = chance.random(len(words)) < WITHOUT_LISTS
    flags[unknown] &= np.uint8(0xFF & ~(lists_of.FIRST_NAME | lists_of.LAST_NAME | lists_of.PLACE))
    share = np.where(words.shape == lists_of.SMALL, UNCOMMON, UNCOMMON / 4)
    flags[chance.random(len(words)) < share] &= np.uint8(0xFF & ~lists_of.COMMON)
    rows = rows_of((words.identity, words.prefix, words.suffix, words.shape, words.gap, flags)).astype(np.int32)
    first = np.flatnonzero(words.gap == BREAK)
    order = np.stack([first, np.append(first[1:], len(words))], axis=1)
    weights = np.zeros((1 << BITS, TAGS), np.float32)
    steps = np.zeros((GAPS, TAGS, TAGS), np.float32)
    squares, squares_of_steps = np.full_like(weights, 1e-3), np.full_like(steps, 1e-3)
    dropped = np.zeros(FEATURES, np.float64)
    dropped[list(OF_THE_WORD)], dropped[list(OF_NEIGHBOURS)] = WITHOUT_WORD, WITHOUT_NEIGHBOUR
    for turn in range(ROUNDS):
        chance.shuffle(order)
        learn(rows, words.gap, right, order, dropped, weights, steps, squares, squares_of_steps, RATE, SEED + turn)
    scale = LEVELS / np.quantile(np.abs(weights[weights != 0]), 0.9995)
    small = np.clip(np.round(weights * scale), -LEVELS, LEVELS).astype(np.int8)
    rounded = np.clip(np.round(steps * scale), -(1 << 15) + 1, (1 << 15) - 1).astype(np.int16)
    np.savez_compressed(weights_file, weights=small, steps=rounded, check=lists.check, flags=lists.flags)
    Tagger.packaged.cache_clear()


def made_lists(prose: Sequence[str]) -> Lists:
    """Names, places and so on of the packages, and the words that documentation writes in small letters."""
    learnt, _ = split(frames())
    written = [*prose, *(re.sub(r"\{\w+\}", "", frame) for frame in learnt), " ".join([*Lorem.word_list, *everyday()])]
    common = {word for text in written for word in re.findall(r"(?<![\w.])[a-z]{2,}(?![\w(])", text)}
    known = {part: list(values) for part, values in entries().items()}
    return Lists.of(
        {
            lists_of.FIRST_NAME: known["first"],
            lists_of.LAST_NAME: known["last"],
            lists_of.PLACE: known["place"],
            lists_of.COMMON: sorted(common),
            lists_of.STREET: known["street"],
            lists_of.COMPANY: known["company"],
            lists_of.TITLE: known["title"],
            lists_of.DATE: known["date"],
        }
    )


def _tags_of(examples: Sequence[Invented], texts: Texts, words: Words) -> Integers:
    right = np.zeros(len(words), np.int64)
    for index, made in enumerate(examples):
        for first, last, tag in made.spans:
            at = np.searchsorted(words.start, texts.offsets[index] + first)
            until = np.searchsorted(words.start, texts.offsets[index] + last)
            right[at:until] = tag + 1 if tag in (NAME, ADDRESS) else tag
            if at < until:
                right[at] = tag
    return right


def docstrings() -> Iterator[str]:
    """Prose without names: docstrings of the standard library, in the order of its files."""
    library = Path(sysconfig.get_paths()["stdlib"])
    for file in sorted([*library.glob("*.py"), *library.glob("[a-s]*/[a-z]*.py")]):
        if file.parent.name == "site-packages":
            continue
        for node in ast.walk(ast.parse(file.read_text(errors="replace"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
                yield text[:1000]


@compiled
def learn(rows, gap, right, order, dropped, weights, steps, squares, squares_of_steps, rate, seed):
    """One pass over the texts whose first and last words `order` has. Changes weights, steps and sums of squares."""
    np.random.seed(seed)
    longest = 0
    for at in range(len(order)):
        longest = max(longest, order[at, 1] - order[at, 0])
    score, forth, back = np.empty((longest, TAGS)), np.empty((longest, TAGS)), np.empty((longest, TAGS))
    kept = np.empty((longest, FEATURES), np.int64)
    number = np.empty(longest, np.int64)
    change = np.empty(TAGS)
    ways = np.empty((TAGS, TAGS))
    for at in range(len(order)):
        low, size = order[at, 0], order[at, 1] - order[at, 0]
        for i in range(size):
            number[i] = 0
            score[i] = 0.0
            for place in range(FEATURES):
                if dropped[place] > 0 and np.random.random() < dropped[place]:
                    continue
                row = rows[low + i, place]
                kept[i, number[i]] = row
                number[i] += 1
                for tag in range(TAGS):
                    score[i, tag] += weights[row, tag]
        whole = _forth(score, steps, gap, low, size, forth)
        _back(score, steps, gap, low, size, back)
        for i in range(size):
            for tag in range(TAGS):
                change[tag] = (1.0 if tag == right[low + i] else 0.0) - np.exp(forth[i, tag] + back[i, tag] - whole)
            for place in range(number[i]):
                row = kept[i, place]
                for tag in range(TAGS):
                    squares[row, tag] += change[tag] * change[tag]
                    weights[row, tag] += rate * change[tag] / np.sqrt(squares[row, tag])
            if i:
                kind = gap[low + i]
                for one in range(TAGS):
                    for two in range(TAGS):
                        likely = forth[i - 1, one] + steps[kind, one, two] + score[i, two] + back[i, two] - whole
                        ways[one, two] = -np.exp(likely)
                ways[right[low + i - 1], right[low + i]] += 1.0
                for one in range(TAGS):
                    for two in range(TAGS):
                        it = ways[one, two]
                        squares_of_steps[kind, one, two] += it * it
                        steps[kind, one, two] += rate * it / np.sqrt(squares_of_steps[kind, one, two])


@compiled
def _log_sum(values):
    top = values.max()
    return top + np.log(np.exp(values - top).sum())


@compiled
def _forth(score, steps, gap, low, size, forth):
    """Log of the weight of all ways to each tag of each word; returns that of all ways to the end."""
    forth[0] = score[0]
    for i in range(1, size):
        for tag in range(TAGS):
            forth[i, tag] = score[i, tag] + _log_sum(forth[i - 1] + steps[gap[low + i], :, tag])
    return _log_sum(forth[size - 1])


@compiled
def _back(score, steps, gap, low, size, back):
    """Log of the weight of all ways from each tag of each word to the end."""
    back[size - 1] = 0.0
    for i in range(size - 2, -1, -1):
        for tag in range(TAGS):
            back[i, tag] = _log_sum(steps[gap[low + i + 1], tag] + score[i + 1] + back[i + 1])


def labelled(file: Path) -> Iterator[Labelled]:
    """Rows of presidio-research. Postcodes are addresses; places are kept, for report()."""
    kinds = {
        "PERSON": NAME,
        "ADDRESS": ADDRESS,
        "STREET_ADDRESS": ADDRESS,
        "ZIP_CODE": ADDRESS,
        "LOCATION": PLACE,
        "GPE": PLACE,
    }
    for row in json.loads(file.read_text()):
        text = row["full_text"]
        yield Labelled(
            text,
            [
                (
                    len(text[: span["start_position"]].encode()),
                    len(text[: span["end_position"]].encode()),
                    kinds[span["entity_type"]],
                )
                for span in row["spans"]
                if span["entity_type"] in kinds
            ],
        )


def report(name: str, examples: Sequence[Labelled]) -> None:
    """A line of figures for names and one for addresses.

    recall: of the labelled spans, how many are covered by half or more. precision: of the spans told, how many are
    covered by labelled ones by half or more. A place that stands in an address span which touches a labelled address
    counts as labelled, for labels differ on whether it belongs to the address; `strict` is without this. leaked: of
    the bytes of labelled spans, how many no span of their type covers.
    """
    texts = Texts.of([made.text for made in examples])
    found = Tagger.packaged().find(texts)
    place = _covered(texts, _spans_of(texts, examples, PLACE))
    for kind, tag in ((PiiType.PERSON, NAME), (PiiType.ADDRESS, ADDRESS)):
        spans = _spans_of(texts, examples, tag)
        ours = [(start, end) for start, end, type_ in found if type_ is kind]
        told, truth = _covered(texts, ours), _covered(texts, spans)
        lenient = truth | place if tag == ADDRESS else truth
        recall = np.mean([told[s:e].mean() >= 0.5 for s, e in spans])
        precision = np.mean([truth[s:e].any() and lenient[s:e].mean() >= 0.5 for s, e in ours])
        strict = np.mean([truth[s:e].mean() >= 0.5 for s, e in ours])
        print(
            f"{name}: {kind} recall {recall:.3f}, precision {precision:.3f} (strict {strict:.3f}), "
            f"bytes leaked {1 - told[truth].mean():.3f}, {len(spans)} spans, {len(ours)} told"
        )


def _spans_of(texts: Texts, examples: Sequence[Labelled], tag: int) -> list[tuple[int, int]]:
    return [
        (int(offset) + start, int(offset) + end)
        for offset, made in zip(texts.offsets, examples, strict=False)
        for start, end, what in made.spans
        if what == tag
    ]


def _covered(texts: Texts, spans: Sequence[tuple[int, int]]) -> Flags:
    covered = np.zeros(len(texts.buffer), np.bool_)
    for start, end in spans:
        covered[start:end] = True
    return covered


if __name__ == "__main__":
    main()
