"""Data cards: `README.md` of a dataset version, with the front matter that data hubs read; recorded facts only."""

import json
from collections.abc import Iterable

from tunesmith.contracts.datasets import DatasetManifest
from tunesmith.contracts.profiles import DatasetProfile
from tunesmith.contracts.recipes import PrepareRecipe

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def dataset_card(manifest: DatasetManifest, recipe: PrepareRecipe, profile: DatasetProfile | None = None) -> str:
    """The card's text; the same facts always make the same card."""
    sections = [_front_matter(manifest), _summary(manifest), _rows(manifest), _sources(manifest), _recipe(recipe)]
    return "\n\n".join([*sections, _limits(manifest)]) + "\n"


def _front_matter(manifest: DatasetManifest) -> str:
    """YAML; every scalar is spelled as JSON, which YAML reads as it stands. No machine knows the licence."""
    fields = {
        "license": "OPERATOR_INPUT_REQUIRED",
        "size_categories": [next((name for end, name in SIZES if manifest.counts.kept < end), "n>1M")],
        "tags": ["tunesmith", manifest.kind.value],
        "configs": [{"config_name": "default", "data_files": _data_files(manifest)}],
    }
    return "\n".join(["---", *(f"{name}: {json.dumps(value)}" for name, value in fields.items()), "---"])


def _data_files(manifest: DatasetManifest) -> list[dict[str, object]]:
    return [
        {"split": split.value, "path": [file.path for file in entry.files]}
        for split, entry in sorted(manifest.splits.items())
        if entry.rows
    ]


def _summary(manifest: DatasetManifest) -> str:
    rows = [
        ("Version", f"`{manifest.dataset_version}`"),
        ("Content", f"`{manifest.content_digest}`"),
        ("Kind", manifest.kind),
        ("Characters of the training split", f"{manifest.characters:,}"),
        ("Decontaminated against", f"`{manifest.suite_digest}`" if manifest.suite_digest else "no frozen test split"),
    ]
    return f"# {manifest.project}/{manifest.dataset}\n\n{_table(('Fact', 'Value'), rows)}"


def _rows(manifest: DatasetManifest) -> str:
    counts = manifest.counts
    rows: list[tuple[str, int]] = [("in", counts.rows_in), ("kept", counts.kept), ("quarantined", counts.quarantined)]
    rows += [(f"quarantined: {code}", number) for code, number in sorted(manifest.problems.items())]
    rows += [(f"dropped: {reason}", number) for reason, number in sorted(counts.dropped.items())]
    rows += [(f"split: {split}", entry.rows) for split, entry in sorted(manifest.splits.items())]
    rows += [(f"format: {name}", number) for name, number in sorted(manifest.formats.items())]
    return f"## Rows\n\n{_table(('Rows', 'Number'), rows)}"


def _sources(manifest: DatasetManifest) -> str:
    rows = []
    for source in manifest.sources:
        counts = manifest.counts_by_source.get(source.uri)
        told = (counts.rows_in, counts.kept) if counts else ("not read", "none")
        rows.append((source.kind, source.uri, source.version_id, f"`{source.source_id}`", *told))
    head = ("Kind", "Object", "Version", "Source", "Rows in", "Rows kept")
    return f"## Sources\n\n{_table(head, rows)}"


def _recipe(recipe: PrepareRecipe) -> str:
    return f"## Recipe\n\n```json\n{recipe.model_dump_json(indent=2)}\n```"


def _limits(manifest: DatasetManifest) -> str:
    known = [
        "The licence is not known to tunesmith: whoever publishes this must state it.",
        "Personal data that no pattern of the recipe matches is still there.",
    ]
    known += [f"The split {split} is empty." for split, entry in sorted(manifest.splits.items()) if not entry.rows]
    return "## Known limits\n\n" + "\n".join(f"- {sentence}" for sentence in known)


def _table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    names = [str(name) for name in head]
    lines = [names, ["---"] * len(names), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: object) -> str:
    """File names are other people's: nothing in them ends the cell or begins a tag."""
    return " ".join(str(value).split()).replace("&", "&amp;").replace("<", "&lt;").replace("|", "&#124;")
