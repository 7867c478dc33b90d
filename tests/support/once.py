"""Each handler at the edges, on a subject of its own per try, and what "exactly one of everything" means for it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from functions.accept_upload.handler import lambda_handler as accept_upload
from functions.decide_retrain.handler import lambda_handler as decide_retrain
from functions.start_run.handler import lambda_handler as start_run
from tests.support.edges import Edges, eventbridge, stream
from tests.support.retraining import alarm, give_feedback, put_in_production
from tunesmith.adapters import runs
from tunesmith.contracts.runs import Trigger


@dataclass(frozen=True)
class Delivery:
    """An event that can be delivered again and again, and what there must be in the end."""

    deliver: Callable[[], object]
    check: Callable[[], None]


def accepting(edges: Edges, context: Any, project: str) -> Delivery:
    """An upload of a project that has no other."""
    edges.write_recipe("finetune: {epochs: 2}", project)
    key = f"uploads/{project}/d/train.jsonl"
    event = eventbridge(edges.upload(key), key)

    def check() -> None:
        [run] = runs.runs_of_project("runs", project)
        assert sum(f'"project":"{project}"' in row["document"] for row in edges.rows("uploads")) == 1
        rows = {row["entry"]: row for row in edges.rows("datasets") if row["dataset"] == f"{project}/d"}
        assert sorted(rows) == ["newest", f"version#{run.request.dataset_version}"]
        assert rows["newest"]["version"] == run.request.dataset_version

    return Delivery(lambda: accept_upload(event, context), check)


def accepting_folder(edges: Edges, context: Any, project: str) -> Delivery:
    """The list of a folder of two files, of a project that has no other upload."""
    event = _listed(edges, f"uploads/{project}/d/november/", append=False)

    def check() -> None:
        [run] = runs.runs_of_project("runs", project)
        [version] = [version for version in edges.versions() if version.project == project]
        assert version.version == run.request.dataset_version and len(version.sources) == 2
        assert _newest(edges, project) == version.version

    return Delivery(lambda: accept_upload(event, context), check)


def appending(edges: Edges, context: Any, project: str) -> Delivery:
    """The list of two files that are added to a project's dataset of two files."""
    accepting_folder(edges, context, project).deliver()
    event = _listed(edges, f"uploads/{project}/d/december/", append=True)

    def check() -> None:
        versions = [version for version in edges.versions() if version.project == project]
        assert sorted(len(version.sources) for version in versions) == [2, 4]
        [appended] = [version for version in versions if len(version.sources) == 4]
        assert _newest(edges, project) == appended.version
        assert sorted(run.request.dataset_version for run in runs.runs_of_project("runs", project)) == sorted(
            version.version for version in versions
        )

    return Delivery(lambda: accept_upload(event, context), check)


def _listed(edges: Edges, folder: str, append: bool) -> dict[str, Any]:
    """Two files and their list; its event."""
    names = ("a.jsonl", "b.jsonl")
    for name in names:
        edges.upload(folder + name)
    body = json.dumps({"files": [{"path": name} for name in names], "append": append}).encode()
    return eventbridge(edges.upload(folder + "_dataset.json", body), folder + "_dataset.json")


def _newest(edges: Edges, project: str) -> str:
    [row] = [row for row in edges.rows("datasets") if (row["dataset"], row["entry"]) == (f"{project}/d", "newest")]
    return str(row["version"])


def starting(edges: Edges, context: Any, project: str) -> Delivery:
    """The stream record of a project's queued run."""
    accepting(edges, context, project).deliver()
    [row] = [row for row in edges.rows("runs") if row["project"] == project]

    def check() -> None:
        assert edges.executions().count(row["run_id"]) == 1

    return Delivery(lambda: start_run(stream(row), context), check)


def deciding(edges: Edges, context: Any, project: str) -> Delivery:
    """The quality alarm of a project's model in production."""
    put_in_production(edges, context, project)
    for number in range(2):
        give_feedback(number, project)

    def check() -> None:
        [run] = [run for run in runs.runs_of_project("runs", project) if run.request.trigger is Trigger.ALARM]
        entries = sorted(row["entry"] for row in edges.rows("retraining") if row["model"] == f"{project}/{project}")
        assert entries == [f"decision#{run.request.trigger_id}", "policy"]
        versions = {version.version for version in edges.versions() if version.project == project}
        assert len(versions) == 2
        assert run.request.dataset_version in versions

    return Delivery(lambda: decide_retrain(alarm(project=project), context), check)
