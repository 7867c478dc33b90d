"""The corpus of the race: chat rows as JSON lines with planted defects, and beside it what was planted.

    python -m tests.bench.prepare.corpus FILE --megabytes 20 [--seed 1]

The same bytes on every run. FILE.truth.jsonl has one object a line of FILE:
{id, kind: ok|exact|normalised|near|foreign|low_quality|broken, of?, rate?, pii?: [[type, value]], decoys?: [value]}.
Settings may be tuned on one seed; what is published is scored on another, whose texts and plants are others.
"""

import argparse
import copy
import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.bench.prepare.planting import RATES, SENTENCES, decoy, disguised, edited, personal
from tests.bench.prepare.prose import Prose, source_digest

TUNED, SCORED = 1, 2
"""Seeds: settings may look at the first only."""
FOREIGN = [
    "cs_CZ",
    "da_DK",
    "de_DE",
    "el_GR",
    "es_ES",
    "fa_IR",
    "fr_FR",
    "he_IL",
    "it_IT",
    "ja_JP",
    "nl_NL",
    "pl_PL",
    "ru_RU",
    "th_TH",
    "uk_UA",
    "vi_VN",
    "zh_CN",
]
QUESTIONS = (
    "How do I use this? {}",
    "Explain the following passage in simpler terms:\n\n{}",
    "Summarise: {}",
    "What does this mean in practice? {}",
    "I get an error when I try this, what should I check? {}",
    "{}",
    "Rewrite for a beginner: {}",
)
SYSTEMS = ("You are a helpful assistant.", "You are a senior engineer. Answer briefly and cite the manual.", None, None)
NOISE = ("!!!! ???? ####", "a a a a a a a a a a a a", "lorem", "\u00a0\u2026 ....", "12 34 5 6 7 8 9 0 1 2 3")
BASES = 20_000
"""Rows that are remembered, to be duplicated."""

Row = dict[str, Any]


def write_corpus(file: Path, megabytes: float, seed: int = SCORED) -> str:
    """Writes FILE and its truth; returns the SHA-256 of FILE."""
    digest, size = hashlib.sha256(), 0
    with file.open("wb") as lines, truth_file(file).open("w") as truths:
        for line, truth in CorpusBuilder(seed).rows():
            if size >= megabytes * 1e6:
                break
            lines.write(line)
            digest.update(line)
            truths.write(json.dumps(truth) + "\n")
            size += len(line)
    return digest.hexdigest()


def truth_file(file: Path) -> Path:
    return file.with_name(file.name + ".truth.jsonl")


class CorpusBuilder:
    """Rows and what was planted in them, endlessly."""

    def __init__(self, seed: int):
        self._draw, self._prose, self._bases, self._count = random.Random(seed), Prose(seed), list[Row](), 0

    def rows(self) -> Iterator[tuple[bytes, Row]]:
        while True:
            row, truth = self._planted()
            yield self._line(row, truth) + b"\n", truth
            self._count += 1

    def _planted(self) -> tuple[Row, Row]:
        way = self._draw.random()
        if self._bases and way < 0.16:
            return self._duplicate(way)
        if way < 0.20:
            return self._foreign()
        if way < 0.215:
            return self._low_quality()
        if way < 0.225:
            return self._row(), {"id": self._id, "kind": "broken"}
        return self._ordinary()

    @property
    def _id(self) -> str:
        return f"r{self._count:08d}"

    def _ordinary(self) -> tuple[Row, Row]:
        row, truth = self._row(), {"id": self._id, "kind": "ok"}
        if self._draw.random() < 0.08:
            truth["pii"] = [self._insert(row, *personal(self._draw)) for _ in range(self._draw.choice((1, 1, 2)))]
        elif self._draw.random() < 0.05:
            truth["decoys"] = [self._insert(row, "decoy", decoy(self._draw))[1]]
        else:
            self._remember(row)
        return row, truth

    def _remember(self, row: Row) -> None:
        if len(self._bases) < BASES:
            self._bases.append(row)
        else:
            self._bases[self._draw.randrange(BASES)] = row

    def _duplicate(self, way: float) -> tuple[Row, Row]:
        base = self._draw.choice(self._bases)
        row = copy.deepcopy(base)
        row.update(id=self._id, created_at=self._date())
        truth = {
            "id": self._id,
            "kind": "exact" if way < 0.04 else "normalised" if way < 0.06 else "near",
            "of": base["id"],
        }
        if truth["kind"] == "normalised":
            for message in row["messages"]:
                message["content"] = disguised(message["content"])
        elif truth["kind"] == "near":
            truth["rate"] = self._draw.choice(RATES)
            for message in row["messages"][row["messages"][0]["role"] == "system" :]:
                message["content"] = edited(message["content"], truth["rate"], self._draw, self._prose.word)
        return row, truth

    def _foreign(self) -> tuple[Row, Row]:
        words = vocabulary(self._draw.choice(FOREIGN))
        row = self._row()
        for message in row["messages"]:
            message["content"] = " ".join(self._draw.choice(words) for _ in range(self._draw.randint(8, 120))) + "."
        return row, {"id": self._id, "kind": "foreign"}

    def _low_quality(self) -> tuple[Row, Row]:
        row = self._row()
        for message in row["messages"]:
            message["content"] = self._draw.choice(NOISE) * self._draw.randint(1, 20) + f" {self._count}"
        return row, {"id": self._id, "kind": "low_quality"}

    def _row(self) -> Row:
        draw, messages = self._draw, []
        turns = 1 if draw.random() < 0.7 else draw.choice((2, 2, 3, 4))
        if system := draw.choice(SYSTEMS):
            messages.append({"role": "system", "content": system})
        for _ in range(turns):
            question = self._prose.take(min(1_500, int(draw.lognormvariate(4.6, 0.8))))
            messages.append({"role": "user", "content": draw.choice(QUESTIONS).format(question)})
            messages.append(
                {"role": "assistant", "content": self._answer(min(8_000, int(draw.lognormvariate(5.9, 0.9))))}
            )
        return {
            "id": self._id,
            "source": draw.choice(("support", "docs", "forum", "synthetic")),
            "created_at": self._date(),
            "messages": messages,
            "tags": draw.sample(("linux", "python", "perl", "sql", "kernel"), 2),
            "meta": {"model": "teacher-x", "score": round(draw.random(), 4), "turns": turns},
        }

    def _answer(self, characters: int) -> str:
        paragraphs = [self._prose.take(min(characters, 400)) for _ in range(1 + characters // 500)]
        if self._draw.random() < 0.2:
            paragraphs.append("Voil\u00e0: caf\u00e9 na\u00efve \u2014 \u201cok\u201d.")
        return "\n\n".join(paragraphs)

    def _date(self) -> str:
        draw = self._draw
        month, day, hour, minute = draw.randint(1, 12), draw.randint(1, 28), draw.randint(0, 23), draw.randint(0, 59)
        return f"2026-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:00Z"

    def _insert(self, row: Row, kind: str, value: str) -> tuple[str, str]:
        message = self._draw.choice([message for message in row["messages"] if message["role"] != "system"])
        sentence = SENTENCES[kind].format(value)
        message["content"] = self._draw.choice((f"{message['content']} {sentence}", f"{sentence} {message['content']}"))
        return kind, value

    def _line(self, row: Row, truth: Row) -> bytes:
        if truth["kind"] != "broken":
            return _dumps(row, ascii_only=self._draw.random() < 0.3)
        way = self._draw.choice(("truncated", "latin-1", "no role", "no messages", "an array", "null"))
        if way == "truncated":
            return _dumps(row)[: -self._draw.randint(5, 80)]
        if way == "latin-1":
            row["messages"][-1]["content"] += " caf\u00e9 na\u00efve"
            return _dumps(row).decode().encode("latin-1", "replace")
        if way == "an array":
            return _dumps([row["id"], 1])
        if way == "no role":
            del row["messages"][-1]["role"]
        elif way == "no messages":
            row["messages"] = []
        else:
            row["messages"][-1]["content"] = None
        return _dumps(row)


@cache
def vocabulary(locale: str) -> tuple[str, ...]:
    """Common words of a language, from Faker's translations."""
    words = import_module(f"faker.providers.lorem.{locale}").Provider.word_list
    return tuple(sorted(set(words)))


def _dumps(value: object, ascii_only: bool = False) -> bytes:
    return json.dumps(value, ensure_ascii=ascii_only).encode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--megabytes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=SCORED)
    asked = parser.parse_args()
    digest = write_corpus(asked.file, asked.megabytes, asked.seed)
    with truth_file(asked.file).open() as truths:
        kinds = Counter(json.loads(line)["kind"] for line in truths)
    print(f"sha256 {digest}\nwords  {source_digest()}\nrows   {kinds.total():,} {dict(sorted(kinds.items()))}")


if __name__ == "__main__":
    main()
