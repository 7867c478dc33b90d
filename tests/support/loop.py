"""A running platform on the local cloud, and what people do to it from outside: upload, watch, ask, decide."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import boto3
import psutil
import yaml
from openai import OpenAI

from infra.local_cloud.state import State
from tunesmith.adapters.dynamo import pack, unpack
from tunesmith.adapters.runs import run_of
from tunesmith.contracts.artifacts import params_key, recipe_key, split_s3_uri, upload_key
from tunesmith.contracts.platform import PLATFORM_PARAMETER, Platform
from tunesmith.contracts.runs import Run, RunStatus

Found = TypeVar("Found")

DATASET = "docs"
POLL_SECONDS = 0.2
PATIENCE_SECONDS = 240.0
"""Of one wait: a run takes half a minute on a free machine, and several minutes on a busy one."""
RECIPE: dict[str, Any] = {
    "base_model": "tiny",
    "prepare": {"min_rows": 5, "max_quarantined_fraction": 0.3},
    "finetune": {"rank": 4, "sequence_length": 128, "tokens_per_step": 512, "epochs": 2},
    "evaluate": {"max_items": 8, "max_new_tokens": 8},
    "gate": {"min_gain_over_base": -1.0, "max_loss_to_champion": 1.0, "min_items": 2, "resamples": 200},
    "serve": {"instance_type": "ml.m5.large", "max_new_tokens": 24},
    "monitor": {"period_seconds": 10},
    "retrain": {"cooldown_seconds": 0, "min_new_rows": 2},
}
"""A model of random weights cannot be good: this gate asks only that the evidence is there and honest."""


def conversation(number: int) -> dict[str, Any]:
    question = f"Summarise function number {number}: def f{number}(x): return x + {number}"
    answer = f"Return x plus {number}."
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def dataset(rows: int, broken_lines: Iterable[int] = ()) -> bytes:
    """OpenAI-chat JSON lines; those with these numbers (from 1) are cut short."""
    lines = [json.dumps(conversation(number)) for number in range(rows)]
    for line in sorted(broken_lines):
        lines.insert(line - 1, '{"messages": [')
    return ("\n".join(lines) + "\n").encode()


@dataclass
class Loop:
    cloud: State
    _clients: dict[str, Any] = field(default_factory=dict)

    # --- the account

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,
                endpoint_url=self.cloud.endpoint_url,
                region_name=self.cloud.region,
                aws_access_key_id="local",
                aws_secret_access_key="local",
            )
        return self._clients[service]

    @cached_property
    def platform(self) -> Platform:
        value = self.client("ssm").get_parameter(Name=PLATFORM_PARAMETER)["Parameter"]["Value"]
        return Platform.model_validate_json(value)

    def openai(self, key: str | None = None) -> OpenAI:
        return OpenAI(base_url=self.cloud.api_base_url, api_key=key or self.cloud.api_key, max_retries=0, timeout=60)

    def cli(self, *arguments: str) -> Any:
        """What the `tunesmith` command answers as JSON."""
        environment = os.environ | {"TUNESMITH_STATE_DIR": self.cloud.state_dir, "TUNESMITH_TARGET": "local"}
        command = [sys.executable, "-m", "tunesmith_cli.main", *arguments, "--json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def invoke(self, function: str, event: dict[str, Any]) -> Any:
        answer = self.client("lambda").invoke(
            FunctionName=self.platform.functions[function], Payload=json.dumps(event).encode()
        )
        payload = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, payload
        return payload

    # --- what lies in it

    def rows(self, table: str) -> list[dict[str, Any]]:
        pages = (
            self.client("dynamodb")
            .get_paginator("scan")
            .paginate(TableName=self.platform.tables[table], ConsistentRead=True)
        )
        return [unpack(item) for page in pages for item in page["Items"]]

    def row(self, table: str, **key: str) -> dict[str, Any]:
        found = self.client("dynamodb").get_item(
            TableName=self.platform.tables[table], Key=pack(key), ConsistentRead=True
        )
        return unpack(found["Item"])

    def counts(self) -> dict[str, int]:
        """Rows of every table that an event may write, and executions."""
        tables = ("uploads", "datasets", "runs", "models", "aliases", "retraining", "feedback")
        return {name: len(self.rows(name)) for name in tables} | {"executions": len(self.executions())}

    def executions(self) -> list[str]:
        pages = (
            self.client("stepfunctions")
            .get_paginator("list_executions")
            .paginate(stateMachineArn=self.platform.state_machine_arn)
        )
        return [execution["name"] for page in pages for execution in page["executions"]]

    def execution_arn(self, run_id: str) -> str:
        return f"{self.platform.state_machine_arn.replace(':stateMachine:', ':execution:')}:{run_id}"

    def read(self, uri: str, **version: str) -> bytes:
        bucket, key = split_s3_uri(uri)
        body: bytes = self.client("s3").get_object(Bucket=bucket, Key=key, **version)["Body"].read()
        return body

    def params(self, run: Run, job: str) -> dict[str, Any]:
        """What a job of the run was told."""
        key = params_key(run.request.run_id, job)
        found: dict[str, Any] = json.loads(self.read(f"s3://{self.platform.artifacts_bucket}/{key}"))
        return found

    def keys(self, bucket: str, prefix: str) -> list[str]:
        pages = self.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", ())]

    # --- uploads and their runs

    def upload(self, project: str, body: bytes, **recipe: Any) -> str:
        """The project's recipe, with these sections in place of the usual ones, and a dataset; its object version."""
        s3, bucket = self.client("s3"), self.platform.uploads_bucket
        s3.put_object(Bucket=bucket, Key=recipe_key(project), Body=yaml.safe_dump(RECIPE | recipe).encode())
        uploaded = s3.put_object(Bucket=bucket, Key=upload_key(project, DATASET, "train.jsonl"), Body=body)
        return str(uploaded["VersionId"])

    def runs(self, project: str) -> list[Run]:
        """The oldest first."""
        found = [run for run in map(run_of, self.rows("runs")) if run.request.project == project]
        return sorted(found, key=lambda run: run.request.created_at)

    def wait_for_run(self, project: str, reached: Callable[[Run], bool], number: int = 1) -> Run:
        """The project's n-th run, as soon as it is there and has come so far."""

        def find() -> Run | None:
            found = self.runs(project)
            return found[number - 1] if len(found) >= number and reached(found[number - 1]) else None

        return self.wait(
            find, lambda: f"runs of {project}: {[run.model_dump(mode='json') for run in self.runs(project)]}"
        )

    def wait_for_end(self, project: str, number: int = 1) -> Run:
        return self.wait_for_run(project, lambda run: run.status.is_final, number)

    def succeeded(self, project: str, number: int = 1) -> Run:
        run = self.wait_for_end(project, number)
        assert run.status is RunStatus.SUCCEEDED, run.reasons
        return run

    def wait(self, find: Callable[[], Found | None], state: Callable[[], str] = str) -> Found:
        """What `find` answers as soon as it answers something."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            found = find()
            if found:
                return found
            time.sleep(POLL_SECONDS)
        raise AssertionError(f"waited {PATIENCE_SECONDS:.0f} s in vain: {state()}")

    def processes(self, *words: str) -> list[psutil.Process]:
        """Processes of this cloud whose command has all of these words in it."""
        children = psutil.Process(self.cloud.pid).children(recursive=True)
        return [child for child in children if all(word in _command(child) for word in words)]


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""
