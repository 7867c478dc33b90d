"""`tunesmith runs`: follow runs, and intervene."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from tunesmith.adapters import clock, dynamo, pipeline
from tunesmith.adapters import runs as rows
from tunesmith.adapters.storage import Storage
from tunesmith.contracts.artifacts import progress_key, s3_uri
from tunesmith.contracts.errors import NotFound
from tunesmith.contracts.jobs import JobName
from tunesmith.contracts.jobs import Progress as JobProgress
from tunesmith.contracts.runs import Outcome, Run, RunStatus, Stage
from tunesmith.domain.interventions import cancelled, next_attempt
from tunesmith_cli import account
from tunesmith_cli.console import AsJson, err, fail, out, print_json, say, table

app = typer.Typer(help="Follow runs, and intervene.", no_args_is_help=True)
RunArgument = Annotated[str, typer.Argument(help="A run's id, or the beginning of one; default: the newest run.")]
Project = Annotated[str | None, typer.Option("--project", "-p", help="Only this project's.")]

STAGES = set(Stage) - {Stage.QUEUED, Stage.DONE}
JOBS_OF_STAGES = {Stage.PREPARE: JobName.PREPARE, Stage.FINETUNE: JobName.FINETUNE, Stage.EVALUATE: JobName.EVALUATE}


def runs_table() -> str:
    return account.platform().tables["runs"]


def all_runs(project: str | None = None) -> list[Run]:
    """Newest first."""
    if project:
        return list(rows.runs_of_project(runs_table(), project))
    found = map(rows.run_of, dynamo.scan(runs_table()))
    return sorted(found, key=lambda run: run.request.created_at, reverse=True)


def find(beginning: str = "") -> Run:
    """The run whose id begins so (with or without `run-`); the newest of all for an empty beginning."""
    wanted = beginning if beginning.startswith("run-") else f"run-{beginning}"
    found = [run for run in all_runs() if run.request.run_id.startswith(wanted)]
    if not found:
        raise NotFound(f"no run {beginning or 'at all'}: tunesmith runs list shows them")
    if beginning and len(found) > 1:
        raise NotFound(f"{beginning} is the beginning of {len(found)} runs: give more of it")
    return found[0]


@app.command("list")
def list_runs(project: Project = None, as_json: AsJson = False) -> None:
    """List runs, the newest first."""
    found = all_runs(project)
    if as_json:
        print_json(found)
        return
    columns = ("run", "project", "trigger", "status", "stage", "outcome", "version", "created")
    out.print(table("runs", columns, (_line(run) for run in found)))


def _line(run: Run) -> tuple[Any, ...]:
    asked = run.request
    return (
        asked.run_id,
        asked.project,
        asked.trigger,
        run.status,
        run.stage,
        run.outcome,
        run.version,
        asked.created_at,
    )


@app.command()
def show(run_id: RunArgument = "", as_json: AsJson = False) -> None:
    """Show one run: what it was asked, how far it is, how it came out and why."""
    run = find(run_id)
    if as_json:
        print_json(run)
        return
    facts = run.model_dump(mode="json", exclude={"request", "reasons"}) | {
        name: value for name, value in run.request.model_dump(mode="json").items() if name not in ("recipe", "sources")
    }
    out.print(table(run.request.run_id, ("", ""), facts.items()))
    for source in run.request.sources:
        out.print(f"source  {source.kind}  {source.uri}  {source.version_id}", markup=False)
    for reason in run.reasons:
        out.print(f"reason  {reason}", markup=False)


@app.command()
def watch(run_id: RunArgument = "", as_json: AsJson = False) -> None:
    """Follow a run to its end. Exit code 1 if it failed or was cancelled."""
    run = follow(find(run_id).request.run_id)
    if as_json:
        print_json(run)
    else:
        say(verdict(run))
        for reason in run.reasons:
            err.print(f"  {reason}", markup=False)
    raise typer.Exit(0 if run.status == RunStatus.SUCCEEDED else 1)


def verdict(run: Run) -> str:
    """One sentence: how the run came out."""
    version = f"version {run.version}" if run.version else "no version"
    sentences = {
        Outcome.PROMOTED: f"[green]{version} passed the gate, serves, and is champion.[/green]",
        Outcome.REJECTED: f"[yellow]{version} is registered as rejected: it did not pass the gate.[/yellow]",
        Outcome.PREPARED: "[green]The dataset is prepared; its recipe asks for no training.[/green]",
        Outcome.REFUSED: "[red]The run was refused before it trained.[/red]",
        Outcome.ROLLED_BACK: f"[red]{version} did not come up as asked; the champion before it serves again.[/red]",
    }
    return sentences[run.outcome] if run.outcome else f"The run is {run.status} at stage {run.stage}."


def follow(run_id: str, seconds: float = 86_400) -> Run:
    """Show a run's stages until it has ended: bars on a terminal, else a line per stage."""
    return _draw(run_id, seconds) if err.is_terminal else _tell(run_id, seconds)


def _draw(run_id: str, seconds: float) -> Run:
    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err) as progress:
        board = Board(progress, Storage(), account.platform().artifacts_bucket)
        for run in states(run_id, seconds):
            board.show(run)
    return run


def _tell(run_id: str, seconds: float) -> Run:
    begun, stage = time.monotonic(), None
    for run in states(run_id, seconds):
        if run.stage is not stage:
            stage = run.stage
            say(f"{time.monotonic() - begun:6.1f} s  {stage}")
    return run


def states(run_id: str, seconds: float) -> Iterator[Run]:
    """The run's state, again and again until it is final."""
    end = time.monotonic() + seconds
    while True:
        run = rows.get_run(runs_table(), run_id)
        yield run
        if run.status.is_final:
            return
        if time.monotonic() > end:
            raise fail(f"{run_id} is still at stage {run.stage} after {seconds:.0f} s", f"tunesmith runs logs {run_id}")
        time.sleep(0.5)


@dataclass
class Board:
    """One bar per stage that the run has reached."""

    progress: Progress
    storage: Storage
    artifacts_bucket: str

    def __post_init__(self) -> None:
        self._bars: dict[Stage, TaskID] = {}

    def show(self, run: Run) -> None:
        seen = [*self._bars] if run.stage in self._bars or run.stage not in STAGES else [*self._bars, run.stage]
        for stage in seen:
            self._show_stage(stage, run, finished=stage is not run.stage or run.status.is_final)

    def _show_stage(self, stage: Stage, run: Run, finished: bool) -> None:
        bar = self._bars.get(stage)
        if bar is None:
            bar = self._bars[stage] = self.progress.add_task(stage, total=None, note="")
        job = self._job_progress(run.request.run_id, stage)
        if job:
            self.progress.update(bar, total=job.total, completed=job.done, note=_note(job))
        if finished and not self.progress.tasks[bar].finished:
            total = self.progress.tasks[bar].total or 1
            self.progress.update(bar, total=total, completed=total)

    def _job_progress(self, run_id: str, stage: Stage) -> JobProgress | None:
        job = JOBS_OF_STAGES.get(stage)
        body = self.storage.read_if_there(s3_uri(self.artifacts_bucket, progress_key(run_id, job))) if job else None
        return JobProgress.model_validate_json(body) if body else None


def _note(job: JobProgress) -> str:
    return f"{job.done:,.0f}/{job.total:,.0f} {job.unit} {job.note}".rstrip()


@app.command()
def logs(run_id: RunArgument = "", as_json: AsJson = False) -> None:
    """Print the log lines of a run's jobs, in order of time."""
    run = find(run_id)
    events = sorted(_log_events(run.request.run_id), key=lambda event: event["timestamp"])
    if as_json:
        print_json(events)
        return
    for event in events:
        out.print(event["message"].rstrip(), markup=False, soft_wrap=True)
    if not events:
        say(f"No job of {run.request.run_id} has logged anything yet (stage {run.stage}).")


def _log_events(run_id: str) -> Iterator[dict[str, Any]]:
    """Job streams are named after the job, whose name begins with the run's digest."""
    client, group = account.client("logs"), account.platform().job_log_group
    pages = client.get_paginator("describe_log_streams").paginate(logGroupName=group)
    for stream in (found["logStreamName"] for page in pages for found in page["logStreams"]):
        kwargs = {"logGroupName": group, "logStreamNames": [stream]}
        for page in client.get_paginator("filter_log_events").paginate(**kwargs):
            yield from (event for event in page["events"] if run_id in event["message"])


@app.command()
def cancel(run_id: RunArgument = "", as_json: AsJson = False) -> None:
    """Stop a run and the job it is at. What it has finished stays."""
    run = find(run_id)
    if run.status.is_final:
        raise fail(f"{run.request.run_id} has ended already: {run.status}")
    cancelled(run, account.operator(), clock.now())  # refuses during a rollout, before anything is stopped
    arn = pipeline.execution_arn(account.platform().state_machine_arn, run.request.run_id)
    if pipeline.describe(arn):
        pipeline.stop(arn, reason=f"cancelled by {account.operator()}")
    rows.move(runs_table(), run.request.run_id, lambda now: cancelled(now, account.operator(), clock.now()))
    if as_json:
        print_json(rows.get_run(runs_table(), run.request.run_id))
    else:
        say(f"{run.request.run_id} is cancelled.")


@app.command()
def retry(run_id: RunArgument = "", as_json: AsJson = False) -> None:
    """Run the same thing again on purpose, as the next attempt: a run of its own."""
    again = next_attempt(find(run_id).request, account.operator(), clock.now())
    queued = Run(request=again, updated_at=again.created_at)
    fresh = dynamo.put(rows.new_run(runs_table(), queued, dynamo.owner_token()))
    if as_json:
        print_json({"run_id": again.run_id, "queued": fresh})
    elif fresh:
        say(f"Attempt {again.attempt} is queued: [bold]{again.run_id}[/bold]")
    else:
        say(f"Attempt {again.attempt} was asked for before: [bold]{again.run_id}[/bold]")
