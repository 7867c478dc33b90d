"""Redaction's search beside the usual ways: one stdlib `re` after another, one re2 alternation. Six types.

python -m tests.bench.pii [--repetitions 5]

The corpus: docstrings of the standard library, one text in fifty with a planted value of one of the types (Faker,
seeded). A plant counts as found where a span covers it.
"""

import argparse
import random
import re
from collections.abc import Callable, Iterable

import re2
from faker import Faker

from batch_jobs.prepare.batches import Texts
from batch_jobs.prepare.cleaning.pii.detector import Detector
from tests.bench.measuring import in_turns, run_here, table
from tunesmith.contracts.preparation import PiiType
from tunesmith_cli.demo.docstring_task import docstring_pairs

TYPES = (
    PiiType.EMAIL,
    PiiType.PHONE,
    PiiType.CREDIT_CARD,
    PiiType.IBAN,
    PiiType.US_SSN,
    PiiType.IP_ADDRESS,
)
PATTERNS = (
    r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b",
    r"(?:\+?\d{1,3}[ .-]?)?\(?\d{3}\)?[ .-]?\d{3}[ .-]?\d{4}\b",
    r"\b(?:\d[ -]?){13,19}\b",
    r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b",
    r"\b\d{3}-\d{2}-\d{4}\b",
    r"\b(?:\d{1,3}\.){3}\d{1,3}\b",
)
"""What such scripts have: no check digits, no context."""

Pairs = Iterable[tuple[int, int]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=5)
    asked = parser.parse_args()
    texts, plants = corpus()
    together, detector = Texts.of(texts), Detector(TYPES)
    each = [re.compile(pattern) for pattern in PATTERNS]
    alternation = re2.compile("|".join(f"(?:{pattern})" for pattern in PATTERNS))
    ways: dict[str, Callable[[], object]] = {
        "tunesmith": lambda: detector.find(together),
        "stdlib `re`, one after another": lambda: [[p.findall(text) for p in each] for text in texts],
        "re2, one alternation": lambda: [alternation.findall(text) for text in texts],
    }
    samples = in_turns({name: lambda way=way: run_here(way) for name, way in ways.items()}, asked.repetitions)  # type: ignore[misc]
    ours = samples["tunesmith"].cpu
    size = len(together.buffer) / 1e6
    spans = detector.find(together)
    told: list[list[tuple[int, int]]] = [[] for _ in texts]
    for index, (start, end, _) in zip(spans.text.tolist(), spans, strict=True):
        told[index].append((start - int(together.offsets[index]), end - int(together.offsets[index])))
    found = {
        "tunesmith": told,
        "stdlib `re`, one after another": [[m.span() for p in each for m in p.finditer(text)] for text in texts],
        "re2, one alternation": [[m.span() for m in alternation.finditer(text)] for text in texts],
    }
    print(f"{len(texts):,} texts, {size:.1f} MB, {len(plants):,} plants; {asked.repetitions} repetitions, medians\n")
    table(
        ["way", "MB per CPU s", "CPU, of ours", "plants found", "spans that are no plant"],
        [[name, size / s.cpu, s.cpu / ours, *quality(found[name], plants)] for name, s in samples.items()],
    )


def quality(found: list[list[tuple[int, int]]], plants: dict[int, tuple[int, int]]) -> tuple[str, int]:
    covered = sum(any(s <= start and end <= e for s, e in found[index]) for index, (start, end) in plants.items())
    false = sum(
        not (index in plants and s < plants[index][1] and plants[index][0] < e)
        for index, spans in enumerate(found)
        for s, e in spans
    )
    return f"{covered / len(plants):.4f}", false


def corpus() -> tuple[list[str], dict[int, tuple[int, int]]]:
    """ASCII texts, so that characters are bytes, and where the plant stands in those that have one."""
    faker, chance = Faker("en_US"), random.Random(7)
    faker.seed_instance(7)
    make = (
        faker.email,
        lambda: faker.numerify("(###) 555-01##"),
        lambda: faker.credit_card_number("visa16"),
        faker.iban,
        faker.ssn,
        faker.ipv4_public,
    )
    texts = [" ".join(f"{pair.summary} {pair.summary}".split()) for pair in docstring_pairs()] * 8
    texts = [text.encode("ascii", "ignore").decode() for text in texts]
    plants = {}
    for index in range(0, len(texts), 50):
        value = chance.choice(make)()
        plants[index] = (len(texts[index]) + 4, len(texts[index]) + 4 + len(value))
        texts[index] += f" by {value} today"
    return texts, plants


if __name__ == "__main__":
    main()
