"""`tunesmith data push` of several files, against functions that accept what it uploads."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.cli.conftest import Command
from tests.conftest import REGION
from tests.support.edges import Edges, open_edges
from tests.support.faults import wire
from tunesmith.adapters import clock, objects, uploads
from tunesmith.adapters.runs import run_of
from tunesmith.contracts.environment import AcceptUploadEnv
from tunesmith.contracts.platform import Platform
from tunesmith.contracts.runs import RunStatus

ROW = b'{"prompt": "a", "completion": "b"}\n'


@pytest.fixture
def edges(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edges]:
    """Whatever is uploaded is accepted at once."""
    objects.client.cache_clear()
    opened, stop, env = open_edges(monkeypatch), threading.Event(), AcceptUploadEnv.load()

    def accept() -> None:
        while not stop.wait(0.02):
            for found in uploads.unaccepted(env, REGION):
                uploads.accept(env, found, clock.now())

    with wire():
        accepting = threading.Thread(target=accept)
        accepting.start()
        yield opened
        stop.set()
        accepting.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files, one of them deeper, and two that are hidden."""
    made = tmp_path / "tickets"
    for name in ("b.jsonl", "more/a é.jsonl", ".hidden", ".git/config"):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(ROW + name.encode())
    return made


def source_names(edges: Edges) -> list[list[str]]:
    """What every version is made of, the oldest first, below the dataset."""
    return [[source.uri.split("/", 6)[-1] for source in version.sources] for version in edges.versions()]


def versions_of(key: str) -> int:
    return len(boto3.client("s3").list_object_versions(Bucket="uploads", Prefix=key).get("Versions", []))


def test_folder_is_one_dataset_of_its_visible_files(edges: Edges, answer: Callable[..., Any], folder: Path) -> None:
    told = answer("data", "push", str(folder), "-p", "support")
    assert [file["path"] for file in told["files"]] == ["b.jsonl", "more/a é.jsonl"]
    [version], [run] = edges.versions(), edges.rows("runs")
    assert (version.project, version.dataset, told["run_id"]) == ("support", "tickets", run["run_id"])
    assert [source.version_id for source in version.sources] == [file["version_id"] for file in told["files"]]
    stored = boto3.client("s3").get_object(Bucket="uploads", Key=told["key"].replace("_dataset.json", "more/a é.jsonl"))
    assert stored["Body"].read() == ROW + "more/a é.jsonl".encode()


def test_same_again_is_nothing_new_and_says_so(
    edges: Edges, answer: Callable[..., Any], command: Command, folder: Path
) -> None:
    first = answer("data", "push", str(folder))
    assert not first["repeated"]
    before = versions_of("uploads/")
    assert answer("data", "push", str(folder)) == first | {"repeated": True}
    said = command("data", "push", str(folder)).stderr
    assert "pushed before" in said and first["run_id"] in said
    assert versions_of("uploads/") == before and edges.row_counts() == (1, 1, 1)


def test_same_files_under_another_recipe_are_accepted_anew_and_not_sent_again(
    edges: Edges, answer: Callable[..., Any], folder: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("prepare: {seed: 3}")
    first = answer("data", "push", str(folder))
    again = answer("data", "push", str(folder), "--recipe", str(recipe))
    assert not again["repeated"] and again["files"] == first["files"] and again["run_id"] != first["run_id"]
    assert answer("data", "push", str(folder), "--recipe", str(recipe))["repeated"]
    assert edges.row_counts() == (2, 2, 2)


def test_push_that_broke_off_goes_on_with_what_is_missing(
    edges: Edges, answer: Callable[..., Any], folder: Path
) -> None:
    first = answer("data", "push", str(folder))
    boto3.client("s3").delete_object(Bucket="uploads", Key=first["key"])
    again = answer("data", "push", str(folder))
    assert not again["repeated"] and again["files"] == first["files"]


def test_appended_file_joins_the_dataset(
    edges: Edges, answer: Callable[..., Any], folder: Path, tmp_path: Path
) -> None:
    third = tmp_path / "third.jsonl"
    third.write_bytes(ROW)
    answer("data", "push", str(folder))
    told = answer("data", "push", str(third), "-d", "tickets", "--append")
    assert told["append"] and answer("data", "push", str(third), "-d", "tickets", "--append")["repeated"]
    assert [len(names) for names in source_names(edges)] == [2, 3]
    assert source_names(edges)[1] == [*source_names(edges)[0], told["key"].split("/")[3] + "/third.jsonl"]


def test_several_files_need_a_name_and_become_one_dataset(
    edges: Edges, answer: Callable[..., Any], command: Command, folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "z.jsonl"
    other.write_bytes(ROW)
    refused = command("data", "push", str(folder), str(other))
    assert refused.exit_code == 2 and "--dataset" in refused.stderr
    told = answer("data", "push", str(folder), str(other), "-d", "both")
    assert [file["path"] for file in told["files"]] == ["tickets/b.jsonl", "tickets/more/a é.jsonl", "z.jsonl"]
    assert len(edges.versions()) == 1


def test_one_file_is_an_upload_of_its_own(edges: Edges, answer: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(ROW)
    told = answer("data", "push", str(tmp_path / "rows.jsonl"))
    assert told["key"] == "uploads/demo/rows/rows.jsonl" and set(told) == {"bucket", "key", "version_id", "run_id"}


def test_refused_folder_fails_with_the_reason_and_can_be_pushed_again(
    edges: Edges, command: Command, answer: Callable[..., Any], folder: Path
) -> None:
    edges.write_recipe("base_model: no-such-model", "demo")
    refused = command("data", "push", str(folder))
    assert refused.exit_code == 1 and "no-such-model" in refused.stderr
    assert "no-such-model" in command("data", "push", str(folder)).stderr
    edges.write_recipe("on_upload: prepare", "demo")
    told = answer("data", "push", str(folder))
    runs = {row["run_id"]: run_of(row).status for row in edges.rows("runs")}
    assert runs[told["run_id"]] is RunStatus.QUEUED


def empty(folder: Path) -> str:
    for file in ("b.jsonl", "more/a é.jsonl"):
        (folder / file).unlink()
    return str(folder)


def listed(folder: Path) -> str:
    (folder / "more/_dataset.json").write_text("{}")
    return "more/_dataset.json"


def backslash(folder: Path) -> str:
    (folder / "a\\b.jsonl").write_bytes(ROW)
    return "a\\b.jsonl"


def not_utf8(folder: Path) -> str:
    (folder / os.fsdecode(b"caf\xe9.jsonl")).write_bytes(ROW)
    return "caf"


def broken_link(folder: Path) -> str:
    (folder / "gone.jsonl").symlink_to("nowhere")
    return "gone.jsonl"


def linked_folder(folder: Path) -> str:
    (folder / "elsewhere").symlink_to(folder / "more")
    return "elsewhere"


def too_many(folder: Path) -> str:
    for number in range(200):
        (folder / f"{number}.jsonl").write_bytes(ROW)
    return "202 files"


@pytest.mark.parametrize("spoil", [empty, listed, backslash, not_utf8, broken_link, linked_folder, too_many])
def test_what_cannot_be_pushed_is_named_and_nothing_is_uploaded(
    platform: Platform, command: Command, folder: Path, spoil: Callable[[Path], str]
) -> None:
    named = spoil(folder)
    refused = command("data", "push", str(folder))
    assert refused.exit_code == 1 and named in refused.stderr, refused.stderr
    assert versions_of("") == 0


def test_names_that_meet_are_refused(command: Command, folder: Path) -> None:
    refused = command("data", "push", str(folder / "b.jsonl"), str(folder / "b.jsonl"), "-d", "both")
    assert refused.exit_code == 1 and "would both be b.jsonl" in refused.stderr


def test_file_that_cannot_be_read_is_named(platform: Platform, command: Command, folder: Path) -> None:
    (folder / "c.jsonl").symlink_to("/proc/self/mem")
    refused = command("data", "push", str(folder))
    assert refused.exit_code == 1 and f"{folder / 'c.jsonl'}: reading failed" in refused.stderr
    assert versions_of("") == 0
