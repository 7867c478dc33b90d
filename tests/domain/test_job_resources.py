"""What a `prepare` job gets follows the size of its sources, unless the recipe says it by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.support.acceptances import accepted
from tunesmith.contracts.datasets import Source, SourceKind
from tunesmith.contracts.identity import digest
from tunesmith.contracts.jobs import JobResources
from tunesmith.contracts.machines import MOST_MEMORY_GIB, NODE_MEMORY_MIB, NODE_VCPUS
from tunesmith.contracts.nodes import MOST_NODES
from tunesmith.contracts.recipes import PrepareRecipe, Recipe
from tunesmith.domain import job_resources
from tunesmith.domain.job_resources import disk_problem, prepare_resources, text_bytes

GB = 1_000_000_000
HOUR = 3_600


def source(size: int | None, name: str = "rows.jsonl") -> Source:
    uri = f"s3://uploads/uploads/p/d/{name}"
    return Source(kind=SourceKind.UPLOAD, source_id=digest(name), uri=uri, version_id="1", size=size)


def resources(*sizes: int | None, **recipe: object) -> JobResources:
    named = [source(size, f"{number}.jsonl") for number, size in enumerate(sizes)]
    return prepare_resources(named, PrepareRecipe.model_validate(recipe))


@pytest.mark.parametrize(
    ("size", "vcpus", "memory_gib", "seconds"),
    [
        (0, 2, 7, 2 * HOUR),
        (1_500_000_000, 2, 7, 2 * HOUR),
        (2 * GB, 2, 7, 2 * HOUR),
        (2 * GB + 1, 4, 14, 2 * HOUR),
        (10 * GB, 4, 16, 8_333),
        (40 * GB, 8, 58, 16_667),
        (100 * GB, 16, 142, 20_833),
        (1_000 * GB, 16, MOST_MEMORY_GIB, 24 * HOUR),
    ],
)
def test_larger_uploads_get_more_of_one_machine(size: int, vcpus: int, memory_gib: int, seconds: int) -> None:
    assert resources(size) == JobResources(vcpus=vcpus, memory_mib=memory_gib * 1_024, timeout_seconds=seconds)


def test_measured_run_takes_a_sixth_of_the_memory_that_it_gets() -> None:
    assert resources(1_500_000_000).memory_mib * 1_048_576 > 6 * 1_206_000_000


@given(st.integers(0, 10**13), st.integers(0, 10**13))
def test_more_bytes_never_get_less(one: int, other: int) -> None:
    small, large = resources(min(one, other)), resources(max(one, other))
    assert (small.vcpus, small.memory_mib) <= (large.vcpus, large.memory_mib)
    assert small.memory_mib <= large.memory_mib
    assert large.vcpus * 2 * 1_024 <= large.memory_mib <= MOST_MEMORY_GIB * 1_024


def test_files_of_a_folder_count_together() -> None:
    assert resources(*[GB // 2] * 10) == resources(5 * GB)


@pytest.mark.parametrize(
    ("name", "times"),
    [("a.jsonl", 1), ("a.jsonl.gz", 8), ("A.JSONL.ZST", 8), ("a.parquet", 6), ("a.gz.jsonl", 1), ("gz", 1)],
)
def test_compressed_files_count_as_the_text_in_them(name: str, times: int) -> None:
    assert text_bytes([source(1_000, name)]) == times * 1_000


def test_source_that_nobody_looked_at_counts_as_the_largest_object() -> None:
    assert resources(None) == resources(5 << 30)


@pytest.mark.parametrize(
    ("recipe", "vcpus", "memory_gib"),
    [({"vcpus": 32}, 32, 112), ({"memory_gib": 3}, 2, 3), ({"vcpus": 1, "memory_gib": 2}, 1, 2)],
)
def test_what_the_recipe_says_by_hand_wins(recipe: dict[str, int], vcpus: int, memory_gib: int) -> None:
    asked = resources(GB, **recipe)
    assert (asked.nodes, asked.vcpus, asked.memory_mib) == (1, vcpus, memory_gib * 1_024)


@pytest.mark.parametrize(
    ("size", "nodes"), [(0, 1), (50 * GB, 1), (50 * GB + 1, 5), (80 * GB, 7), (1_000 * GB, MOST_NODES)]
)
def test_number_of_machines_follows_the_size_where_the_recipe_leaves_it_open(size: int, nodes: int) -> None:
    assert resources(size, nodes="auto").nodes == nodes
    assert resources(size).nodes == 1


def test_one_of_several_machines_is_taken_whole() -> None:
    asked = resources(3, nodes=3)
    assert asked == JobResources(
        nodes=3, vcpus=NODE_VCPUS, memory_mib=NODE_MEMORY_MIB, timeout_seconds=asked.timeout_seconds
    )


@pytest.mark.parametrize("nodes", [2, "auto"])
@pytest.mark.parametrize("by_hand", [{"vcpus": 4}, {"memory_gib": 8}])
def test_size_by_hand_is_of_one_machine_alone(nodes: object, by_hand: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match="vcpus and memory_gib are of one machine"):
        PrepareRecipe.model_validate({"nodes": nodes} | by_hand)


@pytest.mark.parametrize("wrong", [{"nodes": 0}, {"nodes": 9}, {"nodes": "many"}, {"vcpus": 65}, {"memory_gib": 241}])
def test_what_no_machine_has_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        PrepareRecipe.model_validate(wrong)


def test_upload_that_no_disk_holds_is_refused_with_the_figures() -> None:
    files = [source(5 * GB, f"{number}.jsonl") for number in range(40)]
    problem = disk_problem(files, PrepareRecipe())
    assert problem == (
        "200 GB in 40 files need about 305 GB of disk while they are prepared, one machine has 183: set prepare.nodes "
        "to auto, or make several datasets"
    )
    assert disk_problem(files, PrepareRecipe(nodes="auto")) is disk_problem(files[:20], PrepareRecipe()) is None
    assert disk_problem([source(None, file.uri) for file in files], PrepareRecipe()) is None


def test_such_an_upload_makes_no_version() -> None:
    found = accepted(size=150 * GB)
    assert found.refusal and "GB of disk" in found.refusal and found.dataset_version is None
    assert accepted(size=150 * GB, recipe=Recipe(prepare=PrepareRecipe(nodes="auto"))).refusal is None


def test_no_size_asks_for_more_than_one_job_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_resources, "MOST_VCPUS", 4)
    assert [resources(size * GB).vcpus for size in (1, 5, 100)] == [2, 4, 4]
