"""Data cards: `README.md` of a dataset version, with the front matter that data hubs read; recorded facts only."""

import json
from collections.abc import Iterable, Iterator

from tunesmith.contracts.datasets import DatasetKind, DatasetManifest, DropReason, Split
from tunesmith.contracts.preparation import PiiType, RedactStyle
from tunesmith.contracts.profiles import DatasetProfile
from tunesmith.contracts.recipes import PrepareRecipe

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
CONTENT = {
    DatasetKind.CHAT: "conversations",
    DatasetKind.PREFERENCE: "pairs of a better and a worse answer",
    DatasetKind.UNPAIRED_PREFERENCE: "answers that were liked or not",
    DatasetKind.PROMPT_ONLY: "prompts without answers",
    DatasetKind.TEXT: "plain texts",
}
LANGUAGE_SHARE = 0.01
"""Of the rows: a language of fewer is not one of the dataset's."""


def dataset_card(manifest: DatasetManifest, recipe: PrepareRecipe, profile: DatasetProfile | None = None) -> str:
    """The card's text; the same facts always make the same card."""
    sections = [
        _front_matter(manifest, profile),
        _summary(manifest),
        _use(manifest),
        _rows(manifest),
        _splits(manifest, recipe),
        _privacy(manifest, recipe),
        _sources(manifest),
        _limits(manifest, recipe, profile),
        _recipe(recipe),
    ]
    return "\n\n".join(sections) + "\n"


def _front_matter(manifest: DatasetManifest, profile: DatasetProfile | None) -> str:
    """YAML; every scalar is spelled as JSON, which YAML reads as it stands. No machine knows the licence."""
    fields: dict[str, object] = {
        "license": "OPERATOR_INPUT_REQUIRED",
        "pretty_name": f"{manifest.project}/{manifest.dataset}",
        "size_categories": [next((name for end, name in SIZES if manifest.counts.kept < end), "n>1M")],
        "tags": ["tunesmith", manifest.kind.value],
        "configs": [{"config_name": "default", "data_files": _data_files(manifest)}],
    }
    languages = _languages(profile)
    if languages:
        fields["language"] = languages
    return "\n".join(["---", *(f"{name}: {json.dumps(value)}" for name, value in fields.items()), "---"])


def _data_files(manifest: DatasetManifest) -> list[dict[str, object]]:
    """What `datasets.load_dataset` reads of the folder. A split without rows is none there."""
    return [
        {"split": split.value, "path": [file.path for file in entry.files]}
        for split, entry in sorted(manifest.splits.items())
        if entry.rows
    ]


def _languages(profile: DatasetProfile | None) -> list[str]:
    """Those of the rows, most frequent first; `und` is no language."""
    if profile is None:
        return []
    total = sum(profile.languages.values())
    named = [(count, code) for code, count in profile.languages.items() if code != "und"]
    return [code for count, code in sorted(named, key=lambda one: (-one[0], one[1])) if count >= LANGUAGE_SHARE * total]


def _summary(manifest: DatasetManifest) -> str:
    rows = [
        ("Version", f"`{manifest.dataset_version}`"),
        ("Content", f"`{manifest.content_digest}`"),
        ("Kind", manifest.kind),
        ("Characters of the training split", f"{manifest.characters:,}"),
        ("Decontaminated against", f"`{manifest.suite_digest}`" if manifest.suite_digest else "no frozen test split"),
        *(("Decontaminated against", f"`{named.uri}`, sha256 `{named.sha256}`") for named in manifest.evaluations),
    ]
    told = (
        f"{manifest.counts.kept:,} {CONTENT[manifest.kind]}, from {manifest.counts.rows_in:,} rows "
        f"of {len(manifest.sources):,} file{'s' if len(manifest.sources) != 1 else ''}."
    )
    return f"# {manifest.project}/{manifest.dataset}\n\n{told}\n\n{_table(('Fact', 'Value'), rows)}"


def _use(manifest: DatasetManifest) -> str:
    columns = {
        DatasetKind.CHAT: "`messages` is the conversation and `trained` says which turns are learnt",
        DatasetKind.PREFERENCE: "`messages` is the prompt, `chosen` the better answer and `rejected` the worse one",
        DatasetKind.UNPAIRED_PREFERENCE: "`messages` ends with the answer and `desirable` says whether it was liked",
        DatasetKind.PROMPT_ONLY: "`messages` is the prompt",
        DatasetKind.TEXT: "`messages` has one turn, of role `text`",
    }
    return (
        "## Use\n\n```python\nfrom datasets import load_dataset\n\n"
        'rows = load_dataset("path/to/this/folder")\n```\n\n'
        f"Of each row, {columns[manifest.kind]}; `item_id` is the hash of its content, `source` and `line` say where "
        "it came from. `tools`, `tool_calls` and `extra` are JSON. `report.html` shows what the rows look like."
    )


def _rows(manifest: DatasetManifest) -> str:
    counts = manifest.counts
    rows: list[tuple[str, int]] = [("in", counts.rows_in), ("kept", counts.kept), ("quarantined", counts.quarantined)]
    rows += [(f"quarantined: {code}", number) for code, number in sorted(manifest.problems.items())]
    rows += [(f"dropped: {reason}", number) for reason, number in sorted(counts.dropped.items())]
    rows += [(f"split: {split}", entry.rows) for split, entry in sorted(manifest.splits.items())]
    rows += [(f"format: {name}", number) for name, number in sorted(manifest.formats.items())]
    return f"## Rows\n\n{_table(('Rows', 'Number'), rows)}"


def _splits(manifest: DatasetManifest, recipe: PrepareRecipe) -> str:
    key = f"the value of `{recipe.group_by}`" if recipe.group_by else "the prompt"
    told = (
        f"A row's split is a hash of {key}: rows that have it in common lie in one split, and stay there when rows are "
        f"added. {recipe.test_fraction:.1%} are tested and {recipe.validation_fraction:.1%} validated with, as asked. "
        "No training row is a near duplicate of a held-out one."
    )
    files = [
        (split, f"{entry.rows:,}", file.path, f"{file.bytes:,}", f"`{file.sha256}`")
        for split, entry in sorted(manifest.splits.items(), key=lambda one: list(Split).index(one[0]))
        for file in entry.files
    ]
    return f"## Splits\n\n{told}\n\n{_table(('Split', 'Rows of the split', 'File', 'Bytes', 'SHA-256'), files)}"


def _privacy(manifest: DatasetManifest, recipe: PrepareRecipe) -> str:
    types = recipe.redact.types
    if not types:
        return "## Personal data\n\nNothing was redacted: the recipe says `redact.types: []`."
    style = (
        "a placeholder, as `<EMAIL_1>`, numbered within the row"
        if recipe.redact.style is RedactStyle.PLACEHOLDER
        else "a pseudonym, as `<EMAIL_9f2c41ab>`, the same for the same value in all rows, by a keyed hash"
    )
    told = f"Searched for: {', '.join(kind.value for kind in types)}. What was found was replaced with {style}, "
    told += "before anything was written."
    if not manifest.pii:
        return f"## Personal data\n\n{told} Nothing was found."
    found = sorted(manifest.pii.items(), key=lambda one: (-one[1], one[0]))
    return (
        f"## Personal data\n\n{told}\n\n{_table(('Type', 'Values'), [(kind, f'{count:,}') for kind, count in found])}"
    )


def _sources(manifest: DatasetManifest) -> str:
    """Lineage: the object versions that this was made from."""
    rows = []
    for source in manifest.sources:
        counts = manifest.counts_by_source.get(source.uri)
        told = (counts.rows_in, counts.kept) if counts else ("not read", "none")
        rows.append((source.kind, source.uri, source.version_id, f"`{source.source_id}`", *told))
    head = ("Kind", "Object", "Version", "Source", "Rows in", "Rows kept")
    return f"## Sources\n\n{_table(head, rows)}"


def _recipe(recipe: PrepareRecipe) -> str:
    return f"## Recipe\n\n```json\n{recipe.model_dump_json(indent=2)}\n```"


def _limits(manifest: DatasetManifest, recipe: PrepareRecipe, profile: DatasetProfile | None) -> str:
    known = ["The licence is not known to tunesmith: whoever publishes this must state it."]
    known += _limits_of_recipe(manifest, recipe)
    known += _limits_of_rows(profile) if profile else []
    known += [f"The split {split} is empty." for split, entry in sorted(manifest.splits.items()) if not entry.rows]
    return "## Known limits\n\n" + "\n".join(f"- {sentence}" for sentence in known)


def _limits_of_recipe(manifest: DatasetManifest, recipe: PrepareRecipe) -> Iterator[str]:
    yield "Personal data that no pattern of the recipe matches is still there."
    if not {PiiType.PERSON, PiiType.ADDRESS} & set(recipe.redact.types):
        yield "Names and addresses were not searched for."
    if not recipe.deduplicate.near:
        yield "Near duplicates were not dropped from the training split."
    if manifest.suite_digest is None and not recipe.decontaminate.against:
        yield "It was held against no evaluation set but its own test split."
    if not recipe.language.detect:
        yield "Languages were not told apart."
    if not recipe.quality.measure:
        yield "Neither quality nor toxicity was measured."
    balanced = manifest.counts.dropped.get(DropReason.BALANCED_AWAY, 0)
    if balanced:
        yield f"Groups are not as frequent as in the sources: {balanced:,} rows were dropped to balance them."


def _limits_of_rows(profile: DatasetProfile) -> Iterator[str]:
    total, unknown = sum(profile.languages.values()), profile.languages.get("und", 0)
    if unknown:
        yield f"The language of {unknown:,} rows ({unknown / total:.1%}) is not known: too short, or several."
    if len(profile.labels) > 1:
        times = max(profile.labels.values()) / min(profile.labels.values())
        yield f"Of {len(profile.labels):,} labels the largest has {times:,.1f} times the rows of the smallest."
    guessed = profile.label_origins.get("classifier", 0)
    if guessed and profile.run.classifier:
        yield f"{guessed:,} labels were given by a classifier that is right in {profile.run.classifier.accuracy:.1%}."
    if profile.poison:
        rows = sum(warning.rows for warning in profile.poison)
        yield f"{rows:,} rows of the sample may be labelled wrongly or planted; `report.html` names them."


def _table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    names = [str(name) for name in head]
    lines = [names, ["---"] * len(names), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: object) -> str:
    """File names are other people's: nothing in them ends the cell or begins a tag."""
    return " ".join(str(value).split()).replace("&", "&amp;").replace("<", "&lt;").replace("|", "&#124;")
