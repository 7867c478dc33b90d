"""`tunesmith data push`: a file becomes an object version, and by the recipe a run."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from tunesmith.adapters import dynamo
from tunesmith.adapters.recipes import parse_recipe
from tunesmith.contracts.artifacts import UPLOAD_KEY, recipe_key, upload_key
from tunesmith.contracts.identity import upload_id
from tunesmith_cli import account, runs
from tunesmith_cli.console import AsJson, err, fail, print_json, say


def push(
    file: Annotated[
        Path, typer.Argument(help="JSONL: OpenAI chat, prompt-completion or Alpaca rows.", exists=True, dir_okay=False)
    ],
    project: Annotated[str, typer.Option("--project", "-p", help="Lower-case letters, digits and hyphens.")] = "demo",
    dataset: Annotated[str | None, typer.Option("--dataset", "-d", help="Default: the file's name.")] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="YAML: becomes the project's recipe first.", exists=True, dir_okay=False)
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Follow the run that the upload starts.")] = False,
    as_json: AsJson = False,
) -> None:
    """Upload a dataset; by default that starts a run.

    Examples:

        tunesmith data push tickets.jsonl --project support

        tunesmith data push tickets.jsonl -p support --recipe recipe.yaml --watch
    """
    key = upload_key(project, dataset or _name(file), file.name)
    if not UPLOAD_KEY.match(key):
        raise fail(
            f"{key} is not a name for an upload",
            "use lower-case letters, digits and hyphens for --project and --dataset",
        )
    if recipe:
        put_recipe(project, recipe.read_bytes())
    uploaded = upload(file, project, dataset or _name(file))
    accepted = wait_for_acceptance(uploaded.upload_id)
    if as_json and not watch:
        print_json(asdict(uploaded) | {"run_id": accepted})
    elif accepted is None:
        say("Uploaded. No run started yet; see `tunesmith runs list`.")
    else:
        say(f"Uploaded. The run is [bold]{accepted}[/bold].")
        if watch:
            runs.watch(accepted, as_json=as_json)


def put_recipe(project: str, text: bytes) -> None:
    """Make this YAML the project's recipe, after checking that it is one."""
    parse_recipe(text, "the recipe")
    account.client("s3").put_object(Bucket=account.platform().uploads_bucket, Key=recipe_key(project), Body=text)


def _name(file: Path) -> str:
    return file.name.split(".")[0].lower().replace("_", "-").replace(" ", "-")


@dataclass(frozen=True)
class Uploaded:
    bucket: str
    key: str
    version_id: str

    @property
    def upload_id(self) -> str:
        return upload_id(self.bucket, self.key, self.version_id)


def upload(file: Path, project: str, dataset: str) -> Uploaded:
    """Put the file as one object version."""
    bucket, key = account.platform().uploads_bucket, upload_key(project, dataset, file.name)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with (
        Progress(*columns, console=err, transient=True) as progress,
        progress.open(file, "rb", description=f"Uploading {file.name}") as body,
    ):
        answer = account.client("s3").put_object(Bucket=bucket, Key=key, Body=body)
    return Uploaded(bucket, key, answer["VersionId"])


def wait_for_acceptance(identity: str, seconds: float = 60) -> str | None:
    """The run that an upload started, once the event has arrived; None where its recipe starts none or nothing
    came in time."""
    end = time.monotonic() + seconds
    with err.status("Waiting for the upload to be accepted ..."):
        while time.monotonic() < end:
            row = dynamo.get(account.platform().tables["uploads"], {"upload_id": identity})
            if row is not None:
                run: str | None = row.get("run_id")
                return run
            time.sleep(0.3)
    return None
