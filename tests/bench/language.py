"""Language detection beside fastText's own library: recall of foreign texts, English lost, MB per CPU-second.

python -m tests.bench.language [--repetitions 5] [--characters 1500]

The texts were not written for this: translations that this machine's programs bring (`/usr/share/locale`, messages of
one catalogue put together), and English docstrings and manual pages. None was used to choose a setting. Whoever is
asked with `keep: [en]` loses what is surely foreign; `und`, what nobody is sure of, stays.
"""

import argparse
import gettext
import gzip
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import fasttext
import numpy as np

from batch_jobs.prepare.batches import Texts
from batch_jobs.prepare.signals.language import Languages
from batch_jobs.prepare.signals.linear_text_model import packaged_model
from tests.bench.measuring import in_turns, run_here, table
from tunesmith_cli.demo.docstring_task import docstring_pairs

CATALOGUES, MANUALS = Path("/usr/share/locale"), Path("/usr/share/man")
PER_LANGUAGE, MIN_CONFIDENCE = 80, 0.5
MAJOR = "ar bg cs da de el es fa fi fr he hi hr hu id it ja ko lt lv nl no pl pt ro ru sk sl sr sv th tr uk vi zh"
NAMES = {"nb": "no", "nn": "no"}
"""Languages of the operating system's catalogues that the model calls otherwise."""

Row = tuple[str, str]
Detector = Callable[[list[str]], list[tuple[str, float]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--characters", type=int, default=1500, help="of the texts that speed is measured on")
    asked = parser.parse_args()
    if not CATALOGUES.is_dir():
        raise SystemExit(f"{CATALOGUES} is not there: the texts are the translations of a Debian machine's programs")
    measure_quality()
    measure_speed(asked.characters, asked.repetitions)


def measure_quality() -> None:
    library = fasttext.load_model(str(packaged_model()))
    detectors: dict[str, Detector] = {
        "tunesmith": ours,
        "fastText, whole text": lambda texts: [theirs(library, text) for text in texts],
        "fastText, first 256 characters": lambda texts: [theirs(library, text[:256]) for text in texts],
    }
    found = []
    for characters in (60, 200, 600):
        foreign, english = list(translations(characters)), list(english_texts(characters))
        major = [row for row in foreign if row[0] in MAJOR.split()]
        for name, detect in detectors.items():
            found.append(
                [
                    characters,
                    name,
                    foreign_share(detect, major),
                    foreign_share(detect, foreign),
                    exact_share(detect, foreign),
                    foreign_share(detect, english),
                ]
            )
        print(f"{characters} characters: {len(major):,} texts of {len({code for code, _ in major})} major languages,")
        print(f"{len(foreign):,} of all {len({code for code, _ in foreign})}, {len(english):,} English texts\n")
    table(
        ["characters", "detector", "recall, major languages", "recall, all", "right language", "English lost"],
        [[*row[:2], *(f"{share:.4f}" for share in row[2:])] for row in found],
    )


def measure_speed(characters: int, repetitions: int) -> None:
    rows = list(english_texts(characters)) * 3 + list(translations(characters))
    texts = [text for _, text in rows]
    together, one_line = Texts.of(texts), [text.replace("\n", " ") for text in texts]
    languages, library = Languages(), fasttext.load_model(str(packaged_model()))
    size = len(together.buffer) / 1e6
    samples = in_turns(
        {
            "tunesmith": lambda: run_here(lambda: languages.of(together)),
            "fastText, whole texts": lambda: run_here(lambda: [library.predict(text) for text in one_line]),
            "fastText, first 256 characters": lambda: run_here(
                lambda: [library.predict(text[:256]) for text in one_line]
            ),
        },
        repetitions,
    )
    print(
        f"{len(texts):,} texts of about {characters:,} characters, {size:.1f} MB; {repetitions} repetitions, medians\n"
    )
    ours_cpu = samples["tunesmith"].cpu
    table(
        ["detector", "CPU s", "MB per CPU s", "texts per CPU s", "CPU, of ours"],
        [[name, s.cpu, size / s.cpu, len(texts) / s.cpu, s.cpu / ours_cpu] for name, s in samples.items()],
    )


def ours(texts: list[str]) -> list[tuple[str, float]]:
    languages = Languages()
    codes, confidence = languages.of(Texts.of(texts))
    return [(languages.codes[code], sure) for code, sure in zip(codes.tolist(), confidence.tolist(), strict=True)]


def theirs(library: "fasttext.FastText._FastText", text: str) -> tuple[str, float]:
    labels, chances = library.predict(text.replace("\n", " "))
    return (labels[0].removeprefix("__label__"), float(chances[0])) if labels else ("und", 0.0)


def foreign_share(detect: Detector, rows: list[Row]) -> float:
    """Share of the texts that `keep: [en]` drops."""
    told = detect([text for _, text in rows])
    return float(np.mean([is_foreign(code, sure) for code, sure in told]))


def is_foreign(code: str, sure: float) -> bool:
    """Whether `keep: [en]` drops what is told to be of this language."""
    return code not in ("en", "und") and sure >= MIN_CONFIDENCE


def exact_share(detect: Detector, rows: list[Row]) -> float:
    told = detect([text for _, text in rows])
    return float(
        np.mean([code == row[0] and sure >= MIN_CONFIDENCE for (code, sure), row in zip(told, rows, strict=True)])
    )


def translations(characters: int) -> Iterator[Row]:
    """Up to PER_LANGUAGE texts of every language that the model knows."""
    known = set(Languages().codes)
    by_language: dict[str, list[str]] = defaultdict(list)
    for file in sorted(CATALOGUES.glob("*/LC_MESSAGES/*.mo")):
        code = re.split("[_@.]", file.parts[4])[0]
        code = NAMES.get(code, code)
        if code in known and code != "en":
            by_language[code] += _joined(_messages(file), characters)
    for code, texts in sorted(by_language.items()):
        random.Random(code).shuffle(texts)
        yield from ((code, text) for text in texts[:PER_LANGUAGE])


def _messages(file: Path) -> list[str]:
    try:
        with file.open("rb") as content:
            catalogue: dict[object, str] = gettext.GNUTranslations(content)._catalog  # type: ignore[attr-defined]
    except (OSError, ValueError, IndexError):  # some catalogues are broken
        return []
    told = {key: text for key, text in catalogue.items() if isinstance(key, str) and key and text != key}
    return [re.sub(r"<[^>]+>|%\(\w+\)s|%[-0-9.l]*[a-z]|\{\w*\}", "", told[key]) for key in sorted(told)]


def _joined(messages: list[str], characters: int) -> Iterator[str]:
    text = ""
    for message in messages:
        if len(message) < 25:
            continue
        text += message + " "
        if len(text) >= characters:
            yield text[: 2 * characters]
            text = ""


def english_texts(characters: int) -> Iterator[Row]:
    yield from (("en", text) for text in _joined([pair.summary for pair in docstring_pairs()], characters))
    texts: Counter[str] = Counter()
    for file in sorted(MANUALS.glob("man[1-8]/*.gz")):
        with gzip.open(file, "rt", errors="replace") as content:
            prose = re.sub(r"(?m)^[.'].*$|\\f.|\\&|\\\(..|\\", " ", content.read())
        prose = " ".join(prose.split())
        texts.update(prose[at : at + characters] for at in range(0, len(prose) - characters, 5 * characters))
    yield from (("en", text) for text in list(texts)[:2000])


if __name__ == "__main__":
    main()
