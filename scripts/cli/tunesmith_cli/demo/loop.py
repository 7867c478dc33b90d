"""The demo's loop against a running platform: upload, chat, feedback, alarm, retraining. Nothing here is
particular to the local cloud."""

import time
from dataclasses import dataclass, field
from typing import Any

from rich.progress import track

from tunesmith.contracts.deployments import quality_alarm_name
from tunesmith.contracts.runs import Run, Trigger
from tunesmith_cli import account, data, runs
from tunesmith_cli.console import err, fail, say
from tunesmith_cli.demo.client import Answer, Api, Question
from tunesmith_cli.demo.dataset import DemoData
from tunesmith_cli.demo.recipe import recipe_for
from tunesmith_cli.demo.summary import AlarmSeen

PROJECT = "demo"
SECOND_WAVE = 6
"""One in so many answers has feedback that waits: an alarm that fired before enough was reviewed has gone back to OK
by then, and fires again."""


@dataclass
class Loop:
    data: DemoData
    base_url: str
    key: str
    alarm: AlarmSeen | None = None
    exchange: tuple[dict[str, Any], dict[str, Any]] = field(default_factory=lambda: ({}, {}))

    def __post_init__(self) -> None:
        self._api = Api(self.base_url, self.key, PROJECT)
        self._later: list[tuple[Question, Answer]] = []

    def upload_and_follow(self) -> Run:
        """Upload recipe and dataset; the run that the event starts, once it has ended."""
        data.put_recipe(PROJECT, recipe_for(self.data.rows, len(self.data.questions)))
        uploaded = data.upload(self.data.file, PROJECT, self.data.dataset)
        run_id = data.wait_for_acceptance(uploaded.upload_id)
        if run_id is None:
            raise fail("the upload was not accepted in time", "what the platform says: tunesmith local logs")
        say(f"The run is [bold]{run_id}[/bold].")
        return runs.follow(run_id)

    def chat(self) -> None:
        """One exchange, shown."""
        question = self.data.questions[0]
        request, response, answer = self._api.ask(question)
        self.exchange = (request, response)
        err.print(question.prompt, style="cyan", markup=False)
        err.print(f"-> {answer.text}", style="bold", markup=False)
        err.print(f"   on record: {question.reference}", style="dim", markup=False)

    def give_feedback(self) -> None:
        """Ask every question, judge every answer, review every correction; the last few wait for a second wave."""
        asked = track(self.data.questions, description="Asking", console=err, transient=True)
        judged = [(question, self._api.ask(question)[2]) for question in asked]
        waiting = max(1, len(judged) // SECOND_WAVE)
        self._later = judged[-waiting:]
        self._send(judged[:-waiting])

    def await_retraining(self) -> Run | None:
        """The run that the alarm starts, or None where the policy starts none."""
        run = self._wait(seconds=45)
        if run is None:
            self._send(self._later)
            run = self._wait(seconds=90)
        if run and self.alarm:
            say(f"[bold]{self.alarm.name}[/bold] fired at {self.alarm.fired_at}.")
            say(f"The policy started [bold]{run.request.run_id}[/bold].")
        return run

    def _send(self, judged: list[tuple[Question, Answer]]) -> None:
        for question, answer in judged:
            feedback_id = self._api.send_feedback(answer, question)
            self._api.approve_feedback(feedback_id, reviewer="demo")
        say(f"{len(judged)} answers judged and reviewed.")

    def _wait(self, seconds: float) -> Run | None:
        end = time.monotonic() + seconds
        with err.status("Waiting for the alarm and the policy ..."):
            while time.monotonic() < end:
                self.alarm = self.alarm or self._alarm_seen()
                started = [run for run in runs.all_runs(PROJECT) if run.request.trigger is Trigger.ALARM]
                if started:
                    self.alarm = self.alarm or self._alarm_seen()
                    return started[0]
                time.sleep(0.5)
        return None

    def _alarm_seen(self) -> AlarmSeen | None:
        name = quality_alarm_name(PROJECT, PROJECT)
        found = account.client("cloudwatch").describe_alarms(AlarmNames=[name], StateValue="ALARM")["MetricAlarms"]
        return AlarmSeen(name=name, fired_at=found[0]["StateUpdatedTimestamp"].isoformat()) if found else None
