"""Endless prose with the statistics of real text, byte for byte the same wherever the locked packages are installed.

The documentation of pinned packages is cut into phrases of 3 to 9 words; a phrase is followed by one that began after
the same word somewhere else (a first-order Markov chain over real phrases). Whole texts are new, their words are not.
"""

import ast
import gzip
import hashlib
import html
import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

import numpy as np

SERVICES = [
    "ec2",
    "s3",
    "iam",
    "sagemaker",
    "lambda",
    "dynamodb",
    "rds",
    "glue",
    "redshift",
    "cloudfront",
    "ecs",
    "eks",
    "sns",
    "sqs",
    "kms",
    "athena",
    "emr",
    "batch",
    "cloudformation",
    "cloudwatch",
    "codebuild",
    "cognito-idp",
    "config",
    "connect",
    "datasync",
    "dms",
    "elasticache",
    "events",
    "guardduty",
    "iot",
    "kinesis",
    "lexv2-models",
    "medialive",
    "organizations",
    "quicksight",
    "route53",
    "securityhub",
    "ssm",
    "stepfunctions",
    "transcribe",
    "wafv2",
]
DOCSTRINGS = ("networkx",)
TAGS = re.compile(r"<[^>]+>")
LOOKS_PERSONAL = re.compile(r"@|://|AKIA|\d{5}|\d[^\d\s]+\d|\(\d")
"""What a detector of personal data may rightly find: nothing of it may be here that was not planted."""
CHAINS, STEPS = 2_048, 96


class Prose:
    """An endless stream of phrases; the same seed gives the same stream."""

    def __init__(self, seed: int):
        self._text, self._starts, self._order, self._first, self._size = _chain()
        self._bits = np.random.PCG64(seed)
        self._phrases = self._stream()

    def take(self, characters: int) -> str:
        """So many characters or a phrase more."""
        taken: list[str] = []
        length = 0
        while length < characters:
            phrase = next(self._phrases)
            taken.append(phrase)
            length += len(phrase)
        return "".join(taken).strip()

    def word(self) -> str:
        return next(self._phrases).split(" ", 1)[0]

    def _stream(self) -> Iterator[str]:
        text = self._text
        while True:
            begins, ends = self._walk()
            for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
                yield text[begin:end]

    def _walk(self) -> tuple[np.ndarray, np.ndarray]:
        """Characters at which phrases begin and end, of CHAINS chains one after the other."""
        words = len(self._starts) - 1
        at = self._below(np.full(CHAINS, words - 16))
        begins, ends = np.empty((CHAINS, STEPS), np.int64), np.empty((CHAINS, STEPS), np.int64)
        for step in range(STEPS):
            after = at + 3 + self._below(np.full(CHAINS, 7))
            begins[:, step], ends[:, step] = self._starts[at], self._starts[after]
            last = after - 1
            at = self._order[self._first[last] + self._below(self._size[last])] + 1
            at = np.where(at > words - 16, 0, at)
        return begins.ravel(), ends.ravel()

    def _below(self, limits: np.ndarray) -> np.ndarray:
        draws = (self._bits.random_raw(len(limits)) >> np.uint64(11)).astype(np.float64) / (1 << 53)
        return (draws * limits).astype(np.int64)


@cache
def source_words() -> list[str]:
    """All words of the pinned documentation, in order."""
    words: list[str] = []
    seen: set[str] = set()
    for paragraph in _paragraphs():
        if paragraph not in seen:
            seen.add(paragraph)
            words += [word for word in paragraph.split() if not LOOKS_PERSONAL.search(word)]
    return words


def source_digest() -> str:
    """SHA-256 of the words: other package versions make another corpus, and this shows it."""
    return hashlib.sha256(" ".join(source_words()).encode()).hexdigest()


@cache
def _chain() -> tuple[str, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(text, where each word starts, places by word, first of a place's word in that order, how many it has)."""
    words = source_words()
    lengths = np.fromiter((len(word) + 1 for word in words), np.int64, len(words))
    starts = np.concatenate([[0], np.cumsum(lengths)])
    numbers: dict[str, int] = {}
    codes = np.fromiter((numbers.setdefault(word, len(numbers)) for word in words), np.int64, len(words))
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes)
    firsts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return " ".join(words) + " ", starts, order, firsts[codes], counts[codes]


def _paragraphs() -> Iterator[str]:
    data = Path(str(distribution("botocore").locate_file("botocore/data")))
    for service in SERVICES:
        for file in sorted(data.glob(f"{service}/*/service-2.json.gz"))[-1:]:
            yield from _documentation(json.loads(gzip.decompress(file.read_bytes())))
    for name in DOCSTRINGS:
        package = distribution(name)
        for path in sorted(str(file) for file in package.files or () if str(file).endswith(".py")):
            if "/tests/" not in path:
                yield from _docstrings(Path(str(package.locate_file(path))))


def _documentation(node: object) -> Iterator[str]:
    """Every `documentation` of a service's model, without its tags."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "documentation" and isinstance(value, str):
                yield html.unescape(TAGS.sub(" ", value)).strip()
            else:
                yield from _documentation(value)
    elif isinstance(node, list):
        for value in node:
            yield from _documentation(value)


def _docstrings(file: Path) -> Iterator[str]:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, documented):
            yield from (ast.get_docstring(node) or "").split("\n\n")
