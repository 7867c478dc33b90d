"""The page holds what manifest and profile hold, fetches nothing, and no row's text becomes markup."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from batch_jobs.prepare.reporting.page import report_page
from batch_jobs.prepare.reporting.profiling import build_profile
from tests.batch_jobs.prepare.reporting.test_profiling import RECIPE, written
from tests.domain.test_dataset_cards import MANIFEST
from tests.support.datasets import Version
from tunesmith.contracts.datasets import Severity, Split
from tunesmith.contracts.preflight import Preflight, PreflightCode, PreflightFinding, TokenCounts, TrainingForecast
from tunesmith.contracts.profiles import (
    ChangeSample,
    ClassifierQuality,
    LabelConflict,
    Leak,
    Leaks,
    NearDuplicates,
    PoisonWarning,
    RunProfile,
    Step,
)

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
VOID = {"meta", "br", "wbr"}


class Tags(HTMLParser):
    """Raises AssertionError where tags are not closed in the order in which they were opened."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.attributes: set[str] = set()
        self.anchors: set[str] = set()
        self._open: list[str] = []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.anchors |= {str(value) for name, value in attrs if name == "id"}
        self._open += [] if tag in VOID else [tag]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


def test_page_of_a_real_version_is_whole(version: Version) -> None:
    page = version.page
    tags = Tags(page)
    assert not tags.seen & {"script", "img", "link", "iframe", "form"} and "default-src 'none'" in page
    assert not {name for name in tags.attributes if name.startswith("on") or name in ("src", "srcset")}
    assert set(re.findall(r'href="(.*?)"', page)) == {f"#{anchor}" for anchor in tags.anchors}
    sections = {
        "rows",
        "problems",
        "lengths",
        "topics",
        "quality",
        "labels",
        "duplicates",
        "pii",
        "changes",
        "examples",
    }
    assert sections | {"origin"} == tags.anchors
    counts = version.manifest.counts
    for number in (counts.kept, counts.quarantined, *counts.dropped.values(), *version.manifest.pii.values()):
        assert f"{number:,}" in page
    for file in version.manifest.splits[Split.TRAIN].files:
        assert file.path in page and file.sha256[:16] in page
    assert report_page(version.manifest, version.profile) == page


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    part = written(tmp_path / "a", 0, 50, label=HOSTILE, language=HOSTILE, source=HOSTILE)
    run = RunProfile(
        samples=[
            ChangeSample(step=Step.NORMALISE, source=HOSTILE, line=1, before=HOSTILE + "\r", after=HOSTILE),
            ChangeSample(step=Step.REDACT, source=HOSTILE, line=1, before=None, after=f"{HOSTILE}<EMAIL_1>{HOSTILE}"),
        ],
        near_duplicates=NearDuplicates(
            groups={2: 1}, examples=[[HOSTILE, HOSTILE + HOSTILE]], frozen=[[HOSTILE, HOSTILE]]
        ),
        leaks=Leaks(rows=2, pairs=[Leak(source=HOSTILE, line=1, against=HOSTILE, item=2, words=13, shared=HOSTILE)]),
        conflicts=[LabelConflict(labels=[HOSTILE], between="rules", rows=1)],
        classifier=ClassifierQuality(rows=1, accuracy=1, recall={HOSTILE: 1}, calibration_error=0),
    )
    profile = build_profile({Split.TRAIN: [part]}, RECIPE, lambda text: text + HOSTILE, run)
    poison = [PoisonWarning(kind="trigger phrase", phrase=HOSTILE, label=HOSTILE, rows=1, items=["a"])]
    page = report_page(MANIFEST, profile.model_copy(update={"poison": poison}), failure=HOSTILE)
    tags = Tags(page)
    assert not tags.seen & {"script", "img"} and "onerror" not in tags.attributes and "&lt;script&gt;" in page
    assert "<mark>&lt;EMAIL_1&gt;</mark>" in page


def test_name_of_a_file_turns_nothing_round(version: Version) -> None:
    [first, second] = version.manifest.counts_by_source
    turned = "s3://uploads/fi\u202eles.jsonl"
    counts = {turned: version.manifest.counts_by_source[first], second: version.manifest.counts_by_source[second]}
    sources = [source.model_copy(update={"uri": turned}) for source in version.manifest.sources[:1]]
    manifest = version.manifest.model_copy(update={"counts_by_source": counts, "sources": sources})
    profile = version.profile.model_copy(update={"sources": {turned: 1, second: 2}})
    page = report_page(manifest, profile)
    assert "\u202e" not in page
    assert page.count(">fi[U+202E]les.jsonl <tspan") == 1  # of the wide diagram
    assert "<code>s3://uploads/fi[U+202E]les.jsonl</code>" in page


def test_tokens_and_forecast_of_a_preflight(version: Version) -> None:
    preflight = Preflight(
        base="tiny",
        template_hash="x",
        rows=3_000,
        looked_at=2_000,
        sequence_length=512,
        context_length=2_048,
        rows_too_long=7,
        tokens=TokenCounts(
            total=90_000, trained=45_000, percentiles={"p50": 41, "max": 1_023}, histogram=[(64, 1_500), (128, 500)]
        ),
        forecast=TrainingForecast(tokens_per_epoch=135_000, steps=66, seconds=4_200, usd=1.25, machine="ml.g5.xlarge"),
        findings=[
            PreflightFinding(
                code=PreflightCode.ROW_TOO_LONG,
                severity=Severity.WARNING,
                rows=7,
                message="too <long>",
                hint="cut them",
            )
        ],
    )
    run = version.profile.run.model_copy(update={"preflight": preflight})
    page = report_page(version.manifest, version.profile.model_copy(update={"run": run}))
    assert "training" in Tags(page).anchors
    for told in (
        "90,000",
        "50 % of them are learnt",
        "135,000",
        "70 min",
        "1.25 USD on ml.g5.xlarge",
        "too &lt;long&gt;",
    ):
        assert told in page


@pytest.mark.parametrize(("rows", "told"), [(0, "No rows had"), (1, "1 row had"), (60, "The first 2, each")])
def test_evaluation_sets_have_a_section_where_there_are_any(version: Version, rows: int, told: str) -> None:
    assert 'id="leaks"' not in version.page
    pair = Leak(source="s3://a/rows.jsonl", line=7, against="s3://a/set.jsonl", item=9, words=13, shared="a b c")
    run = version.profile.run.model_copy(update={"leaks": Leaks(rows=rows, pairs=[pair] * min(rows, 2))})
    page = report_page(version.manifest, version.profile.model_copy(update={"run": run}))
    assert told in page and 'href="#leaks"' in page and "leaks" in Tags(page).anchors
    assert ("rows.jsonl:7" in page and "set.jsonl:9" in page) == (rows > 0)


def test_page_of_nothing(tmp_path: Path) -> None:
    page = report_page(MANIFEST, build_profile({}, RECIPE, str), failure="8 of 10 rows are bad")
    assert "7 of 10 rows kept" in page and "NOT_JSON" in page and "Examples" not in page
    assert "This is no dataset version." in page and "8 of 10 rows are bad" in page
