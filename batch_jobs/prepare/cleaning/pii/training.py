"""Makes `names.npz`, the tagger's weights, and measures them. Run by hand; the same versions give the same bytes.

python -m batch_jobs.prepare.cleaning.pii.training [--write] [--labelled presidio_research_generated_small.json ...]

Learnt from names and addresses of Faker (MIT) in the sentences below, and from the standard library's docstrings as
text without names. One sentence in five is held out with all that is made of it.
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
from faker import Faker

from batch_jobs.prepare.batches import Texts
from batch_jobs.prepare.cleaning.pii.spans import Found
from batch_jobs.prepare.cleaning.pii.tagger import TAGS, WEIGHTS, Tagger, _features, learn, words_of
from tunesmith.contracts.preparation import PiiType

LOCALES = [
    "en_US",
    "en_GB",
    "en_AU",
    "en_CA",
    "en_IN",
    "en_IE",
    "de_DE",
    "de_AT",
    "de_CH",
    "fr_FR",
    "fr_CH",
    "es_ES",
    "es_MX",
    "it_IT",
    "pt_BR",
    "pt_PT",
    "nl_NL",
    "sv_SE",
    "da_DK",
    "no_NO",
    "fi_FI",
    "pl_PL",
    "cs_CZ",
    "sk_SK",
    "hu_HU",
    "ro_RO",
    "hr_HR",
    "sl_SI",
    "tr_TR",
    "lt_LT",
    "lv_LV",
    "et_EE",
    "el_GR",
    "ru_RU",
    "uk_UA",
]
MADE, ROUNDS, SEED = 40_000, 5, 20261124
NEIGHBOURS, LETTERS = (4, 5, 6, 7, 10, 11, 12, 13, 14), (0, 2, 3)
"""Features that are left out at random, so that neither the few sentences nor the names are learnt by heart."""
SENTENCES = r"""
My name is {name} and I live at {address}.
My name is {first}, but my friends call me {first}.
Hi, this is {name}. Please send the parcel to {address}
Dear {name},\n\nThank you for your letter of {month}.
Dear {title} {last},\nyour order has left our warehouse in {city}.
{name} lives at {street} in {city}.
{first} lives on {street}.
Ship to:\n{name}\n{street}\n{city} {zip}\n{country}
Billing address: {name}\n{number} {street} {unit}\n{city}\n{zip}
{name}\n{company}\n{street}\n{unit}\n{city}\n{country} {zip}
Please change my address to {address}, and tell {name}.
I moved from {address} to {address}.
{title} {last} was born in {city} and works for {company}.
{title} {name} is a teacher who grew up in {city}.
The meeting between {name} and {name} takes place in {city} on {month} 3.
{first} gave {first} his new address: {street}, {city}
Could you ask {first} {last} whether {first} has called?
The book was written by {name} and published by {company}.
{name} (born in {country}) is an actor, best known for the film of {month} 1998.
A song by {name}, sung by {first}, recorded in {city}.
Kind regards,\n{name}\n{company}
Best wishes,\n{first}
Patient: {name}\nAddress: {address}\nCountry: {country}
customer {lower_name} of {lower_street} asks for her balance
my husband {lower_name} and i moved to {city}
name: {lower_name}\naddress: {lower_street}, {zip}
My zip code is {zip}. Do you deliver to {city}?
ZIP: {zip}
Postcode {zip}, house {number}
The office of {company} is at {street}, {city}, {country}.
We will meet on Monday at {company}, {number} {street}, {city}.
As {name} said, "{first} will never agree".
Said {first}: the trip to {country} was wonderful.
{name}'s account is locked; {first} cannot pay.
It is under my wife's name, {name}.
Who is {name}? {first} was the first president of {company}.
Our new manager {first} comes from {company} in {city}.
Contact {name} for tickets to {city}.
Is {name} there? No, {first} has left.
I work for {company}.
We fly from {city} to {city} in {month}, then to {country}.
How do I reset my password? The Settings page of {company} shows an error.
Article {number} of the Treaty on {country} was signed in {city} in {year}.
The card ending in {number} expires in {month} {year}.
{company} was founded in {year} in {city}, {country}.
What is the capital of {country}? The capital of {country} is {city}.
I love {city} in {month}. There were {number} people at the Museum of {country}.
When: {year}-06-28 14:48:14\nWhere: {city}
CAN I SPEAK TO A MANAGER? My order {number} is late!
The {company} conference starts on Tuesday, {month} 12, with talks by {name} and Professor {last}.
Sent by {first} {last} <info>, cc {first}
The package for {last} goes to {number} {street}, {unit}, {city}.
Here is {first}'s address:\n\n{street}\n{city}, {zip}
My bill still goes to {street}, {zip} {city}.
""".strip().splitlines()
MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]

Labelled = tuple[str, list[Found]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="replace names.npz")
    parser.add_argument("--labelled", type=Path, nargs="*", default=[], help="JSON of presidio-research")
    asked = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":  # some of Faker's lists are sets, whose order it decides
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", __spec__.name, *sys.argv[1:]])
    held_out = [sentence for place, sentence in enumerate(SENTENCES) if place % 5 == 2]
    learnt = [sentence for sentence in SENTENCES if sentence not in held_out]
    if asked.write:
        plain: list[Labelled] = [(text, []) for text in docstrings()]
        write([*made(learnt, MADE, SEED), *plain[: len(plain) * 4 // 5]])
    report("sentences that were held out", made(held_out, 4_000, SEED + 1))
    for file in asked.labelled:
        report(file.name, list(labelled(file)))


def made(sentences: Sequence[str], count: int, seed: int) -> list[Labelled]:
    """So many texts of these sentences, each with the spans of its names and addresses in bytes."""
    chance = random.Random(seed)
    fakers = [Faker(locale) for locale in LOCALES]
    for place, faker in enumerate(fakers):
        faker.seed_instance(seed + place)
    return [_fill(chance.choice(sentences), chance.choice(fakers), chance) for _ in range(count)]


def _fill(sentence: str, faker: Faker, chance: random.Random) -> Labelled:
    text, spans = "", []
    for part in re.split(r"(\{\w+\})", sentence.replace("\\n", "\n")):
        if not part.startswith("{"):
            text += part
            continue
        value, kind = _value(part[1:-1], faker, chance)
        if kind:
            start = len(text.encode())
            spans.append((start, start + len(value.encode()), kind))
        text += value
    if chance.random() < 0.1:
        lower = text.lower()
        text = lower if len(lower.encode()) == len(text.encode()) else text
    return text, spans


def _value(slot: str, faker: Faker, chance: random.Random) -> tuple[str, PiiType | None]:
    person, address = PiiType.PERSON, PiiType.ADDRESS
    number = str(chance.randint(1, chance.choice((99, 999, 9999))))
    unit = f"{chance.choice(('Apt.', 'Suite', 'Unit', 'Flat', 'Apartment'))} {chance.randint(1, 999)}"
    street = chance.choice((faker.street_address().replace("\n", ", "), f"{number} {faker.street_name()}"))
    match slot:
        case "name":
            first, last = faker.first_name(), faker.last_name()
            initial = chance.choice("ABCDEFGHJKLMNPRSTVW")
            return chance.choice((*[f"{first} {last}"] * 3, f"{first} {initial}. {last}")), person
        case "lower_name":
            return f"{faker.first_name()} {faker.last_name()}".lower(), person
        case "first":
            return faker.first_name(), person
        case "last":
            return faker.last_name(), person
        case "street":
            return street, address
        case "lower_street":
            return street.lower(), address
        case "address":
            parts = [street, *([unit] if chance.random() < 0.3 else []), f"{faker.city()} {faker.postcode()}"]
            return chance.choice((", ", "\n", " ")).join(parts), address
        case "unit":
            return unit, address
        case "zip":
            return faker.postcode(), address
        case "city":
            return faker.city(), None
        case "country":
            return faker.country(), None
        case "company":
            return faker.company(), None
        case "title":
            return chance.choice(("Mr.", "Mrs.", "Ms.", "Dr.", "Professor")), None
        case "month":
            return chance.choice(MONTHS), None
        case "year":
            return str(chance.randint(1900, 2030)), None
        case _:
            return number, None


def docstrings() -> Iterator[str]:
    """Prose without names: docstrings of the standard library, in the order of its files."""
    library = Path(sysconfig.get_paths()["stdlib"])
    for file in sorted([*library.glob("*.py"), *library.glob("[a-s]*/[a-z]*.py")]):
        if file.parent.name == "site-packages":
            continue
        for node in ast.walk(ast.parse(file.read_text(errors="replace"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
                yield text[:1000]


def write(examples: list[Labelled]) -> None:
    """Learn in a fixed order and keep a byte a weight."""
    random.Random(SEED).shuffle(examples)
    texts = Texts.of([text for text, _ in examples])
    start, end, text = words_of(texts)
    right = np.zeros(len(start), np.int64)
    for index, (_, spans) in enumerate(examples):
        for first, last, kind in spans:
            at = np.searchsorted(start, texts.offsets[index] + first)
            until = np.searchsorted(start, texts.offsets[index] + last)
            right[at:until] = TAGS.index(kind)
    bounds = np.searchsorted(text, np.arange(len(texts) + 1))
    order = np.stack([bounds[:-1], bounds[1:]], axis=1)
    features = _features(texts.buffer, start, end, text)
    chance = np.random.default_rng(SEED)
    for columns, share in ((NEIGHBOURS, 0.4), (LETTERS, 0.15)):
        features[np.ix_(np.flatnonzero(chance.random(len(start)) < share), columns)] = 0
    weights = learn(features, text, right, order, ROUNDS)
    scale = 127 / np.quantile(np.abs(weights[weights != 0]), 0.999)
    np.savez_compressed(WEIGHTS, weights=np.clip(np.round(weights * scale), -127, 127).astype(np.int8))
    Tagger.packaged.cache_clear()


def labelled(file: Path) -> Iterator[Labelled]:
    kinds = {"PERSON": PiiType.PERSON, "ADDRESS": PiiType.ADDRESS, "STREET_ADDRESS": PiiType.ADDRESS}
    for row in json.loads(file.read_text()):
        text = row["full_text"]
        yield (
            text,
            [
                (
                    len(text[: s["start_position"]].encode()),
                    len(text[: s["end_position"]].encode()),
                    kinds[s["entity_type"]],
                )
                for s in row["spans"]
                if s["entity_type"] in kinds
            ],
        )


def report(name: str, examples: list[Labelled]) -> None:
    """Of the spans, how many are covered by half or more; of the bytes, how many leak; of what is told, how much is."""
    texts = Texts.of([text for text, _ in examples])
    found = Tagger.packaged().find(texts)
    for kind in TAGS[1:]:
        told, truth = np.zeros(len(texts.buffer), np.bool_), np.zeros(len(texts.buffer), np.bool_)
        spans = [
            (texts.offsets[i] + s, texts.offsets[i] + e)
            for i, (_, of) in enumerate(examples)
            for s, e, k in of
            if k is kind
        ]
        ours = [(s, e) for s, e, k in found if k is kind]
        for s, e in ours:
            told[s:e] = True
        for s, e in spans:
            truth[s:e] = True
        if not spans or not ours:
            print(f"{name}: {kind} {len(spans)} spans, {len(ours)} told")
            continue
        recall = np.mean([told[s:e].mean() >= 0.5 for s, e in spans])
        precision = np.mean([truth[s:e].mean() >= 0.5 for s, e in ours])
        leak = 1 - told[truth].mean()
        print(
            f"{name}: {kind} recall {recall:.3f}, precision {precision:.3f}, "
            f"bytes leaked {leak:.3f}, {len(spans)} spans"
        )


if __name__ == "__main__":
    main()
