"""`tunesmith models`: base models, versions, approvals, aliases; and `tunesmith what`: what is live, or was."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from tunesmith.adapters import dynamo, pipeline
from tunesmith.adapters import runs as run_rows
from tunesmith.adapters.registry import Aliases, Versions
from tunesmith.adapters.storage import Storage
from tunesmith.contracts.artifacts import base_pointer_key, base_prefix, s3_uri
from tunesmith.contracts.base import Timestamp
from tunesmith.contracts.errors import Conflict
from tunesmith.contracts.models import CHAMPION, Alias, ApprovalStatus, BaseModelManifest, ModelVersion
from tunesmith.contracts.runs import Run, RunStatus
from tunesmith_cli import account, runs
from tunesmith_cli.console import AsJson, err, fail, out, print_json, say, table

app = typer.Typer(help="Base models, versions and approvals.", no_args_is_help=True)
Project = Annotated[str, typer.Option("--project", "-p", help="Whose model.")]
Model = Annotated[str | None, typer.Option("--model", "-m", help="Default: the project's own name.")]
RunArgument = Annotated[str, typer.Argument(help="The waiting run's id, or the beginning of one.")]


def versions() -> Versions:
    return Versions(account.platform().tables["models"])


def aliases() -> Aliases:
    return Aliases(account.platform().tables["aliases"])


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List every version of every model, and which is champion."""
    found = [_version(row) for row in dynamo.scan(account.platform().tables["models"]) if "document" in row]
    found.sort(key=lambda version: (version.project, version.model, -version.version))
    marks = {(v.project, v.model, v.version): aliases_of(v) for v in found}
    if as_json:
        print_json([v.model_dump(mode="json") | {"aliases": marks[v.project, v.model, v.version]} for v in found])
        return
    columns = ("model", "version", "status", "alias", "digest", "rouge_l", "run", "created")
    rows = (_line(v, marks[v.project, v.model, v.version]) for v in found)
    out.print(table("models", columns, rows))


def _version(row: dict[str, Any]) -> ModelVersion:
    return ModelVersion.model_validate_json(row["document"])


def aliases_of(version: ModelVersion) -> list[str]:
    pointing = aliases().all_of(version.project, version.model)
    return [alias.alias for alias in pointing if alias.version == version.version]


def _line(version: ModelVersion, marks: list[str]) -> tuple[Any, ...]:
    score = version.metrics.get("rouge_l")
    return (
        f"{version.project}/{version.model}",
        version.version,
        version.status,
        ", ".join(marks),
        version.adapter.digest[:12],
        f"{score:.3f}" if score is not None else None,
        version.run_id,
        version.created_at,
    )


@app.command()
def show(version: int, project: Project = "demo", model: Model = None, as_json: AsJson = False) -> None:
    """Show one version: what it is, what made it, and the gate's reasons."""
    found = versions().get(project, model or project, version)
    if as_json:
        print_json(found)
        return
    facts = found.model_dump(mode="json", exclude={"reasons"})
    out.print(table(f"{project}/{model or project} version {version}", ("", ""), facts.items()))
    for reason in found.reasons:
        out.print(f"reason  {reason}", markup=False)


@app.command("import")
def import_model(
    name: Annotated[str, typer.Argument(help="An embedded base model, as in smollm2-135m-instruct.")],
    folder: Annotated[Path, typer.Option(help="Where it is converted first.")] = Path(".tunesmith/bases"),
    as_json: AsJson = False,
) -> None:
    """Convert a base model that ships in a Python package, and put it into the models bucket under its digest."""
    if subprocess.run([sys.executable, "-m", "batch_jobs.modeling.import_base", name, str(folder)]).returncode:
        raise fail(f"{name} was not imported", "the lines above say why")
    manifest = BaseModelManifest.model_validate_json((folder / name / "manifest.json").read_text())
    bucket, storage = account.platform().models_bucket, Storage()
    target = s3_uri(bucket, base_prefix(manifest.digest))
    if not storage.exists(target + "manifest.json"):
        with err.status(f"Uploading {name} ..."):
            storage.upload_folder(folder / name, target, manifest.files)
            storage.upload(folder / name / "manifest.json", target + "manifest.json")
    storage.write(s3_uri(bucket, base_pointer_key(name)), manifest.model_dump_json(), "application/json")
    if as_json:
        print_json(manifest)
    else:
        say(f"{name} is there as {manifest.digest[:12]}.")


@app.command()
def approve(run_id: RunArgument = "", as_json: AsJson = False) -> None:
    """Let a run whose recipe says `approval: manual` roll its candidate out."""
    run = _waiting(run_id)
    _decide(run, ApprovalStatus.APPROVED, f"approved by {account.operator()}")
    pipeline.approve(run_rows.task_token(runs.runs_table(), run.request.run_id))
    if as_json:
        print_json({"run_id": run.request.run_id, "version": run.version, "status": ApprovalStatus.APPROVED})
    else:
        say(f"Approved: {run.request.run_id} rolls version {run.version} out.")


@app.command()
def reject(
    run_id: RunArgument = "",
    reason: Annotated[str, typer.Option(help="Kept with the run.")] = "no reason given",
    as_json: AsJson = False,
) -> None:
    """End a run that waits for approval; its candidate is not rolled out."""
    run = _waiting(run_id)
    sentence = f"rejected by {account.operator()}: {reason}"
    _decide(run, ApprovalStatus.REJECTED, sentence)
    pipeline.reject(run_rows.task_token(runs.runs_table(), run.request.run_id), sentence)
    if as_json:
        print_json({"run_id": run.request.run_id, "version": run.version, "status": ApprovalStatus.REJECTED})
    else:
        say(f"Rejected: {run.request.run_id}.")


def _decide(run: Run, status: ApprovalStatus, reason: str) -> None:
    asked = run.request
    registered = versions().of_run(asked.project, asked.model, asked.run_id)
    if registered is None:
        raise Conflict(f"{asked.run_id} waits for approval, but has registered no version")
    versions().decide(asked.project, asked.model, registered.version, status, reason)


def _waiting(run_id: str) -> Run:
    run = runs.find(run_id)
    if run.status is not RunStatus.WAITING:
        raise Conflict(f"{run.request.run_id} does not wait for approval: it is {run.status}")
    return run


def what(
    project: Project = "demo",
    model: Model = None,
    alias: Annotated[str, typer.Option(help="Which pointer.")] = CHAMPION,
    at: Annotated[str | None, typer.Option(help="UTC moment, as in 2026-11-24T12:00:00Z; default: now.")] = None,
    history: Annotated[bool, typer.Option("--history", help="Every transition.")] = False,
    as_json: AsJson = False,
) -> None:
    """What is live, or was at some moment.

    Examples:

        tunesmith what --project support

        tunesmith what --project support --at 2026-10-03T12:00:00Z
    """
    name = model or project
    if history:
        found = aliases().history(project, name, alias)
    else:
        one = aliases().at(project, name, alias, moment_of(at)) if at else aliases().get(project, name, alias)
        found = [one] if one else []
    if as_json:
        print_json(found if history else (found[0] if found else None))
    elif found:
        out.print(table(f"{alias} of {project}/{name}", ("moved", "version", "digest", "why"), map(_step, found)))
    if not found:
        raise fail(f"{project}/{name} has no {alias}{' at ' + at if at else ''}", "tunesmith models list")


def moment_of(text: str) -> Timestamp:
    """A moment as the records have it, so that the two compare: UTC, with milliseconds."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError as error:
        raise fail(f"--at {text} is no moment", "write it as 2026-11-24T12:00:00Z") from error
    utc = read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _step(step: Alias) -> tuple[Any, ...]:
    return (step.moved_at, step.version, step.adapter_digest[:12], step.reason)
