"""`tunesmith data push`: a file becomes an object version, several become one dataset, and by the recipe a run."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from tunesmith.adapters import dynamo, objects
from tunesmith.adapters.recipes import parse_recipe
from tunesmith.adapters.runs import find_run
from tunesmith.contracts.artifacts import UPLOAD_KEY, recipe_key, upload_key
from tunesmith.contracts.errors import NotFound
from tunesmith.contracts.identity import upload_id
from tunesmith.contracts.runs import RunStatus
from tunesmith_cli import account, runs
from tunesmith_cli.console import AsJson, err, fail, print_json, say
from tunesmith_cli.data.collecting import collect
from tunesmith_cli.data.folders import COLUMNS, Place, Pushed, push_folder


def push(
    files: Annotated[
        list[Path],
        typer.Argument(help="One file, or several files and folders that become one dataset.", exists=True),
    ],
    project: Annotated[str, typer.Option("--project", "-p", help="Lower-case letters, digits and hyphens.")] = "demo",
    dataset: Annotated[
        str | None, typer.Option("--dataset", "-d", help="Default: the file's or folder's name.")
    ] = None,
    append: Annotated[bool, typer.Option("--append", help="Add to the dataset's newest version.")] = False,
    recipe: Annotated[
        Path | None, typer.Option(help="YAML: becomes the project's recipe first.", exists=True, dir_okay=False)
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Follow the run that the upload starts.")] = False,
    as_json: AsJson = False,
) -> None:
    """Upload a dataset; by default that starts a run.

    Examples:

        tunesmith data push tickets.jsonl --project support

        tunesmith data push tickets/ -p support --recipe recipe.yaml --watch

        tunesmith data push monday.jsonl tuesday.csv.gz -p support -d tickets --append
    """
    name = dataset or _only_name(files, append)
    alone = len(files) == 1 and not files[0].is_dir() and not append
    collected = [] if alone else collect(files)
    _check_key(project, name, files[0].name if alone else "file")
    if recipe:
        put_recipe(project, recipe.read_bytes())
    uploaded = upload(files[0], project, name) if alone else push_folder(collected, Place(project, name), append)
    accepted = wait_for_acceptance(uploaded.upload_id)
    if as_json and not (watch and accepted):
        print_json(uploaded.told() | {"run_id": accepted})
    elif not as_json:
        say(_told(uploaded, accepted))
    _check_accepted(accepted)
    if watch and accepted:
        runs.watch(accepted, as_json=as_json)


def _check_accepted(run_id: str | None) -> None:
    """An upload that was refused is a failed run from the start."""
    run = find_run(account.platform().tables["runs"], run_id) if run_id else None
    if run and run.status is RunStatus.FAILED:
        raise fail(f"refused: {'; '.join(run.reasons)}", "push again when that is mended")


def _told(uploaded: "Uploaded | Pushed", accepted: str | None) -> str:
    if isinstance(uploaded, Pushed) and uploaded.repeated:
        run = f"the run is [bold]{accepted}[/bold]" if accepted else "no run started"
        return f"Nothing to upload: these files were pushed before; {run}."
    if accepted is None:
        return "Uploaded. No run started yet; see `tunesmith runs list`."
    return f"Uploaded. The run is [bold]{accepted}[/bold]."


def _check_key(project: str, dataset: str, file: str) -> None:
    key = upload_key(project, dataset, file)
    if not UPLOAD_KEY.match(key):
        raise fail(
            f"{key} is not a name for an upload",
            "use lower-case letters, digits and hyphens for --project and --dataset",
        )


def _only_name(files: list[Path], append: bool) -> str:
    """What to call a dataset of which no name was given."""
    if append or len(files) > 1:
        raise fail("which dataset is this?", "name it with --dataset", code=2)
    return _name(files[0])


def put_recipe(project: str, text: bytes) -> None:
    """Make this YAML the project's recipe, after checking that it is one, unless it is that already."""
    parse_recipe(text, "the recipe")
    if _is_recipe(project, text):
        return
    account.client("s3").put_object(Bucket=account.platform().uploads_bucket, Key=recipe_key(project), Body=text)


def _is_recipe(project: str, text: bytes) -> bool:
    try:
        body, _ = objects.read_current(account.platform().uploads_bucket, recipe_key(project))
    except NotFound:
        return False
    return body == text


def _name(file: Path) -> str:
    return file.resolve().name.split(".")[0].lower().replace("_", "-").replace(" ", "-")


@dataclass(frozen=True)
class Uploaded:
    bucket: str
    key: str
    version_id: str

    @property
    def upload_id(self) -> str:
        return upload_id(self.bucket, self.key, self.version_id)

    def told(self) -> dict[str, str]:
        return asdict(self)


def upload(file: Path, project: str, dataset: str) -> Uploaded:
    """Put the file as one object version."""
    bucket, key = account.platform().uploads_bucket, upload_key(project, dataset, file.name)
    with (
        Progress(*COLUMNS, console=err, transient=True) as progress,
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
