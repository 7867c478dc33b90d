"""The demo's real data: functions of this Python's standard library and their documented one-line summaries.

A row asks for the one-line docstring of a function (its code without the docstring) and answers with the line
that its authors wrote. Any Python 3.11+
carries some 3,700 such pairs; nothing is downloaded.
"""

import ast
import hashlib
import json
import re
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

INSTRUCTION = "Write the one-line docstring for this Python function."
LEFT_OUT = {"test", "tests", "idlelib", "site-packages", "turtledemo", "lib2to3"}


@dataclass(frozen=True)
class Pair:
    """A function's code without its docstring, and the docstring's first paragraph on one line."""

    code: str
    summary: str

    @property
    def prompt(self) -> str:
        return f"{INSTRUCTION}\n\n{self.code}"

    @property
    def row(self) -> dict[str, list[dict[str, str]]]:
        return {"messages": [{"role": "user", "content": self.prompt}, {"role": "assistant", "content": self.summary}]}


def docstring_pairs(library: Path | None = None) -> list[Pair]:
    """All pairs of the standard library, each summary once, in an order that depends on their content alone."""
    root = library or Path(sysconfig.get_path("stdlib"))
    found: dict[str, Pair] = {}
    for file in sorted(root.rglob("*.py")):
        if not LEFT_OUT & set(file.relative_to(root).parts):
            for pair in _pairs_of(file):
                found.setdefault(pair.summary, pair)
    return sorted(found.values(), key=lambda pair: hashlib.sha256(pair.prompt.encode()).digest())


def _pairs_of(file: Path) -> Iterator[Pair]:
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):  # the library keeps some files broken on purpose
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (pair := _pair(node)):
            yield pair


def _pair(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Pair | None:
    docstring = ast.get_docstring(function)
    if not docstring or len(function.body) < 2:
        return None
    summary = re.sub(r"\s+", " ", docstring.strip().split("\n\n")[0]).strip()
    function.body = function.body[1:]
    code = ast.unparse(function)
    if 20 <= len(summary) <= 160 and 60 <= len(code) <= 600:
        return Pair(code, summary)
    return None


PLANTED = (
    b'{"messages": [{"role": "user", "content": "cut off in the midd',
    b'{"messages": [{"role": "usr", "content": "What does this do?"}, {"role": "assistant", "content": "Misspelt."}]}',
    b'{"messages": [{"role": "user", "content": "No answer to learn from."}]}',
    b'{"messages": [{"role": "user", "content": "caf\xe9 in latin-1"}, {"role": "assistant", "content": "No."}]}',
    b'{"prompt": "An empty answer.", "completion": "   "}',
    b'["not", "an", "object"]',
)
"""Bad rows as people really upload them, so that the quarantine shows."""


def write_dataset(file: Path, pairs: list[Pair]) -> None:
    """JSONL of the pairs, with the planted bad rows spread among them and one row twice."""
    lines = [json.dumps(pair.row, ensure_ascii=False).encode() for pair in pairs]
    step = max(1, len(lines) // (len(PLANTED) + 1))
    for number, planted in enumerate(PLANTED, 1):
        lines.insert(min(number * step, len(lines)), planted)
    lines.append(lines[0])
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"\n".join(lines) + b"\n")
