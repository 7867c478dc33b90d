"""`tunesmith demo`: the whole loop on this machine, on real input, told in plain sentences."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from tunesmith.contracts.runs import Outcome, Run, RunStatus
from tunesmith_cli import account, local, runs
from tunesmith_cli.console import err, fail, out, say
from tunesmith_cli.demo.dataset import DemoData, docstring_data, own_data
from tunesmith_cli.demo.loop import PROJECT, Loop
from tunesmith_cli.demo.outcome import Outcome as LoopOutcome
from tunesmith_cli.demo.outcome import score_table, write_records

FOLDER = Path(".tunesmith/demo")


def demo(
    data: Annotated[
        Path | None, typer.Option(help="Your own JSONL instead of the docstring task.", exists=True, dir_okay=False)
    ] = None,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Stop everything at the end instead of serving on.")
    ] = False,
    folder: Annotated[Path, typer.Option(help="Where records, report and state go.")] = FOLDER,
) -> None:
    """Run the whole loop on this machine: dataset, fine-tune, evaluation, gate, rollout, chat, feedback, alarm,
    retraining.

    Of a large file, some 400 rows are trained on; `tunesmith data push` trains on all.

    Examples:

        tunesmith demo

        tunesmith demo --data tickets.jsonl --no-wait
    """
    from infra.local_cloud import control

    started = time.monotonic()
    state_dir = folder / "cloud"
    if account.local_state(state_dir):
        raise fail(f"a demo serves in {folder} already", "end it with Ctrl-C there, or choose another --folder")
    (folder / "summary.json").unlink(missing_ok=True)
    try:
        prepared = own_data(data, folder) if data else docstring_data(folder)
        _start_cloud(state_dir)
        finished = _run_loop(prepared, folder, state_dir)
        say(f"\nThe loop took {time.monotonic() - started:.0f} seconds.")
        _show(finished, folder, state_dir)
        if _serves(finished) and not no_wait:
            _serve_on(state_dir)
    finally:
        control.stop(state_dir)
    raise typer.Exit(0 if all(story.run.status is RunStatus.SUCCEEDED for story in finished.story.runs) else 1)


def _start_cloud(state_dir: Path) -> None:
    step(
        "The platform starts",
        "The synthesized CloudFormation templates are deployed into a local AWS; no account, no Docker.",
    )
    begun = time.monotonic()
    state = local.start(state_dir)
    account.use(state)
    say(f"Ready in {time.monotonic() - begun:.0f} s: API at {state.api_base_url}")


def _run_loop(prepared: DemoData, folder: Path, state_dir: Path) -> LoopOutcome:
    state = account.local_state(state_dir)
    assert state is not None
    loop = Loop(prepared, state.api_base_url, state.api_key)

    step(
        "A dataset is uploaded",
        f"{escape(str(prepared.file))} goes to the uploads bucket; the S3 event starts the lifecycle.",
    )
    first = loop.upload_and_follow()
    say(runs.verdict(first))
    tell(first)
    if first.outcome is not Outcome.PROMOTED:
        return write_records(loop, [first], folder)

    step("A client talks to the model", "POST /v1/chat/completions, as any OpenAI client would.")
    loop.chat()
    step(
        "People give feedback",
        f"{len(prepared.questions)} answers are judged; corrections are reviewed before they may train.",
    )
    loop.give_feedback()
    step("An alarm asks for a retraining", "Negative feedback -> metric -> CloudWatch alarm -> EventBridge -> policy.")
    second = loop.await_retraining()
    if second is None:
        say("[yellow]No retraining was started; the policy's reasons are in the log of decide_retrain.[/yellow]")
        return write_records(loop, [first], folder)
    second = runs.follow(second.request.run_id)
    say(runs.verdict(second))
    tell(second)
    return write_records(loop, [first, second], folder)


def step(title: str, sentence: str) -> None:
    err.print()
    err.rule(f"[bold]{title}", align="left", style="dim")
    say(f"[dim]{sentence}[/dim]")


def tell(run: Run) -> None:
    for reason in run.reasons:
        err.print(f"  {reason}", markup=False)


def _show(finished: LoopOutcome, folder: Path, state_dir: Path) -> None:
    step("What came out", "Scores on the same frozen items, with 95 % bootstrap intervals.")
    out.print(score_table(finished.story))
    say(f"\nReport with plots:  [bold]{finished.page.resolve()}[/bold]")
    say(f"For machines:       {(folder / 'summary.json').resolve()}")
    state = account.local_state(state_dir)
    if state is not None and _serves(finished):
        step("Try it", "It speaks the OpenAI API.")
        out.print(_snippets(state), markup=False, soft_wrap=True)


def _serves(finished: LoopOutcome) -> bool:
    """Whether there is a model to talk to: the first version passed the gate."""
    return finished.story.runs[0].run.outcome is Outcome.PROMOTED


def _snippets(state: account.LocalState) -> str:
    return f'''curl {state.api_base_url}/chat/completions \\
  -H "Authorization: Bearer {state.api_key}" -H "Content-Type: application/json" \\
  -d '{{"model": "{PROJECT}", "messages": [{{"role": "user", "content": "Hello"}}], "max_tokens": 40}}'

.venv/bin/python - <<'PY'
from openai import OpenAI
client = OpenAI(base_url="{state.api_base_url}", api_key="{state.api_key}")
question = {{"role": "user", "content": "Hello"}}
answer = client.chat.completions.create(model="{PROJECT}", messages=[question], max_tokens=40)
print(answer.choices[0].message.content)
PY'''


def _serve_on(state_dir: Path) -> None:
    say("\nIt serves on. [dim]Ctrl-C stops it and every process it started.[/dim]")
    try:
        while account.local_state(state_dir):
            time.sleep(0.5)
    except KeyboardInterrupt:
        say("Stopping.")
