"""Real labelled text that every machine has: docstrings of the standard library, labelled by their package."""

import ast
import random
from functools import cache
from pathlib import Path

PACKAGES = ("asyncio", "email", "tkinter", "unittest", "xml", "http")


@cache
def labelled_docstrings(per_label: int = 120) -> tuple[list[str], list[str]]:
    """Texts and labels, shuffled; always the same."""
    library = Path(ast.__file__).parent
    rows = []
    for package in PACKAGES:
        found = {
            " ".join(text.split())[:400]
            for file in sorted((library / package).rglob("*.py"))
            if "test" not in file.parts
            for text in _docstrings(file)
        }
        rows += [(text, package) for text in random.Random(0).sample(sorted(found), min(per_label, len(found)))]
    random.Random(1).shuffle(rows)
    return [text for text, _ in rows], [label for _, label in rows]


def _docstrings(file: Path) -> list[str]:
    nodes = ast.walk(ast.parse(file.read_bytes()))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    told = [ast.get_docstring(node) for node in nodes if isinstance(node, kinds)]
    return [text for text in told if text and len(text) > 40]
