"""Small real dataset versions, made by the real `prepare` job from rows that have something of everything."""

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from batch_jobs.harness.main import run_job
from batch_jobs.prepare.job import prepare
from tunesmith.contracts.datasets import DatasetManifest, Source, SourceKind, Split
from tunesmith.contracts.identity import digest
from tunesmith.contracts.jobs import ExitCode, JobName, PrepareParams, PrepareResult
from tunesmith.contracts.profiles import DatasetProfile
from tunesmith.contracts.recipes import PrepareRecipe

LENIENT = PrepareRecipe(min_rows=1, max_quarantined_fraction=1)
LABELS = {
    "billing": ("invoice", "refund", "payment", "charge", "receipt", "subscription", "price", "discount"),
    "delivery": ("parcel", "courier", "tracking", "address", "shipment", "warehouse", "doorstep", "delay"),
    "account": ("password", "login", "profile", "settings", "username", "verification", "session", "device"),
    "returns": ("damaged", "exchange", "replacement", "warranty", "label", "unboxed", "defect", "broken"),
}
FILLER = (
    *("please", "tell", "me", "how", "this", "works", "because", "nothing", "on"),
    *("your", "page", "says", "what", "happens", "next", "with", "it", "today"),
)
FRENCH = "Bonjour, pouvez-vous me dire pourquoi cette commande n'est pas encore arrivée chez nous à la maison"
GERMAN = "Guten Tag, könnten Sie mir bitte sagen, warum meine Bestellung noch nicht angekommen ist und wo sie liegt"


@dataclass(frozen=True)
class Version:
    """A dataset version on disk, as the job wrote it."""

    folder: Path
    params: PrepareParams

    @cached_property
    def manifest(self) -> DatasetManifest:
        return DatasetManifest.model_validate_json((self.folder / "manifest.json").read_bytes())

    @cached_property
    def profile(self) -> DatasetProfile:
        return DatasetProfile.model_validate_json((self.folder / "profile.json").read_bytes())

    @property
    def page(self) -> str:
        return (self.folder / "report.html").read_text()

    def parts(self, split: Split) -> list[Path]:
        return [self.folder / file.path for file in self.manifest.splits[split].files]


def make_version(
    folder: Path, files: Mapping[str, bytes], recipe: PrepareRecipe = LENIENT, name: str = "version"
) -> Version:
    """Prepare the files (name -> content) under `folder`. Fails where the job does."""
    sources = []
    for file, content in files.items():
        (folder / file).write_bytes(content)
        uri = str(folder / file)
        sources.append(Source(kind=SourceKind.UPLOAD, source_id=digest(file), uri=uri, version_id="1"))
    params = PrepareParams(
        run_id=f"run-{digest(name)[:32]}",
        project="support",
        dataset="tickets",
        dataset_version=digest(name),
        sources=sources,
        recipe=recipe,
        output_uri=f"{folder}/{name}/",
    )
    place = folder / name / "job/params.json"
    place.parent.mkdir(parents=True)
    place.write_text(params.model_dump_json())
    assert run_job(JobName.PREPARE, PrepareParams, PrepareResult, prepare, [str(place)]) == ExitCode.DONE
    return Version(folder / name, params)


def tickets(rows: int, seed: int = 0) -> bytes:
    """Chats of a help desk, JSON lines: four labels, three languages, exact and near duplicates, personal data, text to
    normalise, and rows that are bad."""
    return b"".join(_lines(rows, random.Random(seed)))


def _lines(rows: int, chance: random.Random) -> Iterator[bytes]:
    chats: list[list[str]] = []
    for number in range(rows):
        kind = chance.random()
        if kind < 0.03:
            yield chance.choice([b'{"messages": [{"role"\n', b'{"messages": []}\n', b'{"a": "\xff"}\n', b"\n"])
            continue
        turns = _near(chance.choice(chats)) if kind < 0.10 and chats else _chat(number, chance)
        if kind > 0.97 and chats:
            turns = chance.choice(chats)
        chats = [*chats[-200:], turns]
        yield _line(turns, _label(turns))


def _chat(number: int, chance: random.Random) -> list[str]:
    label = chance.choices(list(LABELS), (8, 4, 2, 1))[0]
    words = chance.sample(LABELS[label], 4) + chance.sample(FILLER, 9)
    chance.shuffle(words)
    question = f"Ticket {number}: " + " ".join(words) + "?"
    odd = chance.random()
    if odd < 0.06:
        question = f"{chance.choice([FRENCH, GERMAN])}: {chance.choice(LABELS[label])}, {number}."
    elif odd < 0.12:
        question += f" Write to user{number}@example.com or call +49 30 901820{number % 90 + 10}."
    elif odd < 0.16:
        question = question.replace(" ", "\r\n", 1) + " cafe\u0301"
    answer = f"Thank you. About the {words[0]}: " + " ".join(
        chance.choices(LABELS[label] + FILLER, k=chance.randint(8, 90))
    )
    follow_up = ["And then?", f"Then we write to you about the {words[1]}."] if chance.random() < 0.3 else []
    return [question, answer + ".", *follow_up]


def _near(turns: list[str]) -> list[str]:
    """The same but for a word at the end."""
    return [*turns[:-1], turns[-1] + " Goodbye."]


def _label(turns: list[str]) -> str:
    return max(LABELS, key=lambda label: sum(turns[1].count(word) for word in LABELS[label]))


def _line(turns: list[str], label: str) -> bytes:
    roles = ("user", "assistant")
    messages = [{"role": roles[place % 2], "content": text} for place, text in enumerate(turns)]
    system = [{"role": "system", "content": "You help the customers of a shop."}]
    return json.dumps({"messages": system + messages, "topic": label}, ensure_ascii=False).encode() + b"\n"
