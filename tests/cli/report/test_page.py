"""The page holds what the records say, stands alone, and shows what is missing as missing."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from tests.cli.report.conftest import records
from tunesmith.contracts.recipes import Metric
from tunesmith_cli.report.examples import choose_examples
from tunesmith_cli.report.figures import differences, estimate, model_series
from tunesmith_cli.report.page import render
from tunesmith_cli.report.story import Story

VOID = {"meta", "br", "link", "img", "hr", "input"}


class Outline(HTMLParser):
    """Text of the page, and every address it refers to; raises where tags do not close in order."""

    def __init__(self, page: str):
        super().__init__()
        self.text, self.addresses, self._open = "", list[str](), list[str]()
        self.feed(page)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value for name, value in attrs if name in ("src", "href", "xlink:href") and value]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value for name, value in attrs if name in ("src", "href", "xlink:href") and value]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("style", "script"):
            self.text += data


@pytest.fixture(scope="module")
def page(story: Story) -> str:
    return render(story)


@pytest.fixture(scope="module")
def text(page: str) -> str:
    return " ".join(Outline(page).text.split())


def test_page_stands_alone(page: str) -> None:
    """Every reference is to a part of the page itself; there is no script to load anything else."""
    assert all(address.startswith("#") for address in Outline(page).addresses)
    assert "<script" not in page and "@import" not in page and not re.search(r"url\((?!#)", page)


def test_drawings_are_well_formed_and_named(page: str) -> None:
    drawings = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(drawings) == 5
    assert all(ElementTree.fromstring(drawing).get("aria-label") for drawing in drawings)


def test_drawings_take_every_colour_from_the_page(page: str) -> None:
    """So that the same drawing can be read by day and by night."""
    drawings = "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    assert not re.search(r"#[0-9a-f]{6}\b", drawings, re.IGNORECASE)
    used = set(re.findall(r"var\(--([a-z]+)\)", page))
    light, dark = (set(re.findall(r"--([a-z]+):", block)) for block in re.findall(r":root \{(.*?)\}", page, re.DOTALL))
    assert used <= light | {"series"}
    assert light - {"sans", "mono"} == dark


def test_page_tells_figures_reasons_problems_and_digests(story: Story, text: str, page: str) -> None:
    for run in story.runs:
        assert run.verdict is not None and run.dataset is not None
        assert all(reason in text for reason in run.verdict.reasons)
        assert all(problem.message in text and problem.hint in text for problem in run.problems)
        assert run.dataset.content_digest in page and run.run.request.run_id in page
        assert f"{run.dataset.counts.kept} kept" in text
    for moment in story.timeline:
        assert moment.title in text


def test_what_a_model_said_is_shown_and_never_run(page: str, text: str) -> None:
    assert "<b>paths</b>" in text
    assert "<b>paths</b>" not in page


def test_run_that_stopped_before_training_says_why_and_leaves_the_rest_out(story: Story) -> None:
    first = story.runs[0]
    stopped = first.run.model_copy(update={"reasons": ["3 of 4 rows are bad, 20% are allowed"], "outcome": None})
    bare = first.model_copy(update={"run": stopped, "adapter": None, "evaluation": None, "verdict": None})
    alone = story.model_copy(update={"runs": [bare], "examples": [], "timeline": []})
    text = Outline(render(alone)).text
    assert "3 of 4 rows are bad" in text and "no verdict" in text
    assert "How good each model is" not in text


def test_same_story_makes_the_same_page(story: Story, page: str) -> None:
    assert render(story) == page


def test_differences_are_those_the_gate_judged(story: Story) -> None:
    found = differences(story)
    assert [(each.label, each.opponent) for each in found] == [
        ("tuned", "base"),
        ("retrained", "base"),
        ("retrained", "tuned"),
    ]
    for each in found:
        assert sum(each.values) / len(each.values) == pytest.approx(each.comparison.difference)


def test_series_begin_with_the_base_and_lie_inside_their_intervals(story: Story) -> None:
    series = model_series(story)
    assert [model.label for model in series] == ["base", "tuned", "retrained"]
    for model in series:
        assert set(model.estimates) == set(Metric)
        assert all(found.low <= found.mean <= found.high for found in model.estimates.values())


def test_mean_of_perplexities_is_geometric() -> None:
    assert estimate(Metric.PERPLEXITY, [2.0, 8.0]).mean == pytest.approx(4.0)


def test_examples_run_from_the_worst_change_to_the_best() -> None:
    models = {"base": records("base"), "tuned": records("tuned")}
    changes = {
        before.item_id: after.scores[Metric.ROUGE_L] - before.scores[Metric.ROUGE_L]
        for before, after in zip(models["base"], models["tuned"], strict=True)
    }
    chosen = [changes[example.item_id] for example in choose_examples(models)]
    assert (chosen[0], chosen[-1]) == (min(changes.values()), max(changes.values()))
    assert chosen == sorted(chosen) and len(chosen) == 6
