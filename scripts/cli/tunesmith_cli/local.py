"""`tunesmith local`: the whole platform on this machine, from the same templates, handlers and job code."""

import time
from pathlib import Path
from typing import Annotated

import typer

from tunesmith_cli import account
from tunesmith_cli.console import AsJson, err, fail, out, print_json, say, table

app = typer.Typer(help="The whole platform on this machine.", no_args_is_help=True)
StateDir = Annotated[Path, typer.Option("--state-dir", help="Where the local cloud keeps its state.")]


@app.command()
def up(
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when it is ready; it runs on.")] = False,
    port: Annotated[int, typer.Option(help="Port of the AWS API; 0 takes a free one.")] = 0,
    api_port: Annotated[int, typer.Option(help="Port of the OpenAI-compatible API; 0 takes a free one.")] = 0,
    state_dir: StateDir = account.STATE_DIR,
    as_json: AsJson = False,
) -> None:
    """Start the local cloud and deploy the platform into it.

    Examples:

        tunesmith local up                     runs until Ctrl-C

        tunesmith local up --detach --json     prints endpoint_url, api_base_url, api_key, console_url, state_dir
    """
    show(start(state_dir, port, api_port), as_json)
    if not detach:
        _stay(state_dir)


def start(state_dir: Path, port: int = 0, api_port: int = 0) -> account.LocalState:
    """The local cloud of this folder, ready; one that runs already is left alone."""
    from infra.local_cloud import control

    running = account.local_state(state_dir)
    if running is None:
        try:
            with err.status("Starting the local cloud: synthesizing and deploying the templates ..."):
                control.start(state_dir, port=port, api_port=api_port)
        except control.StartFailed as error:
            raise fail(str(error), "mend what it says, or choose another --state-dir or --port") from error
        running = account.local_state(state_dir)
    if running is None:
        raise fail("the local cloud ended as soon as it was ready", f"read {state_dir}/cloud.log")
    return running


def show(state: account.LocalState, as_json: bool) -> None:
    """How to reach a running local cloud."""
    names = ("endpoint_url", "api_base_url", "api_key", "console_url", "state_dir")
    facts = {name: getattr(state, name) for name in names}
    if as_json:
        print_json(facts)
    else:
        out.print(table("local cloud", ("", ""), facts.items()))


def _stay(state_dir: Path) -> None:
    from infra.local_cloud import control

    say("[dim]Ctrl-C stops it.[/dim]")
    try:
        while account.local_state(state_dir):
            time.sleep(0.5)
    finally:
        control.stop(state_dir)


@app.command()
def status(state_dir: StateDir = account.STATE_DIR, as_json: AsJson = False) -> None:
    """Say whether the local cloud runs, and how to reach it. Exit code 1 when it does not."""
    running = account.local_state(state_dir)
    if running is None and as_json:
        print_json({"running": False, "state_dir": str(state_dir)})
        raise typer.Exit(1)
    if running is None:
        raise fail("no local cloud runs here", "start one: tunesmith local up --detach")
    show(running, as_json)


@app.command()
def logs(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on printing what comes.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="Begin this many lines before the end.")] = 100,
    state_dir: StateDir = account.STATE_DIR,
) -> None:
    """Print the local cloud's own log."""
    file = state_dir / "cloud.log"
    if not file.exists():
        raise fail(f"no log at {file}", "start the local cloud: tunesmith local up --detach")
    with file.open(errors="replace") as stream:
        for line in stream.readlines()[-lines:]:
            out.print(line, end="", markup=False)
        while follow and account.local_state(state_dir):
            if line := stream.readline():
                out.print(line, end="", markup=False)
            else:
                time.sleep(0.2)


@app.command()
def down(state_dir: StateDir = account.STATE_DIR, as_json: AsJson = False) -> None:
    """Stop the local cloud and every process it started."""
    from infra.local_cloud import control

    stopped = account.local_state(state_dir) is not None and control.stop(state_dir)
    if as_json:
        print_json({"stopped": stopped})
    else:
        say("Stopped." if stopped else "No local cloud was running.")
