"""SageMaker training jobs: the real job code as a process, with the folders, variables and endings of SageMaker."""

import json
import shutil
import tarfile
import threading
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from infra.local_cloud import containers, events, sagemaker_api
from infra.local_cloud.cloud import Cloud
from infra.local_cloud.log_streams import LogStream
from infra.local_cloud.model_data import ObjectFiles, split_uri
from infra.local_cloud.sagemaker_api import Answer, Refused, Request, Shelf

ENDED = ("Completed", "Failed", "Stopped")
FAILURE_LENGTH = 1024
DEFAULT_RUNTIME_SECONDS = 86_400
NAME_TAKEN = (
    "Training job names must be unique within an AWS account and region, and a training job with this name already "
    "exists ({})"
)
KEPT = (
    "TrainingJobName",
    "HyperParameters",
    "AlgorithmSpecification",
    "RoleArn",
    "InputDataConfig",
    "OutputDataConfig",
    "ResourceConfig",
    "StoppingCondition",
    "EnableManagedSpotTraining",
    "CheckpointConfig",
    "Environment",
    "RetryStrategy",
    "VpcConfig",
)


class TrainingJobs:
    """All training jobs of the account."""

    def __init__(self, cloud: Cloud, files: ObjectFiles) -> None:
        self._cloud, self._files = cloud, files
        self._jobs, self._stops = Shelf("training job"), dict[str, threading.Event]()

    def actions(self) -> dict[str, sagemaker_api.Action]:
        return {
            "CreateTrainingJob": self.create,
            "DescribeTrainingJob": self.describe,
            "StopTrainingJob": self.stop,
            "ListTrainingJobs": self.list_all,
        }

    def create(self, request: Request) -> Answer:
        name = request["TrainingJobName"]
        document = {key: request[key] for key in KEPT if request.get(key) is not None}
        arn = sagemaker_api.arn(self._cloud, "training-job", name)
        moment = sagemaker_api.now()
        document |= {"TrainingJobArn": arn, "CreationTime": moment, "LastModifiedTime": moment}
        document |= {"TrainingJobStatus": "InProgress", "SecondaryStatus": "Starting", "SecondaryStatusTransitions": []}
        try:
            self._jobs.add(name, document)
        except Refused as error:
            raise Refused("ResourceInUse", NAME_TAKEN.format(arn)) from error
        self._stops[name] = threading.Event()
        self._turn(name, "InProgress", "Starting")
        threading.Thread(target=self._run, args=(name,), daemon=True, name=f"training-{name}").start()
        return {"TrainingJobArn": arn}

    def describe(self, request: Request) -> Answer:
        return sagemaker_api.shown(self._found(request["TrainingJobName"]))

    def stop(self, request: Request) -> Answer:
        name = request["TrainingJobName"]
        status = self._found(name)["TrainingJobStatus"]
        if status in ENDED:
            raise Refused(
                "ValidationException", f"The request was rejected because the training job is in status {status}."
            )
        self._turn(name, "Stopping", "Stopping")
        self._stops[name].set()
        return {}

    def list_all(self, request: Request) -> Answer:
        names = ("TrainingJobName", "TrainingJobArn", "CreationTime", "LastModifiedTime", "TrainingJobStatus")
        status, part = request.get("StatusEquals"), request.get("NameContains", "")
        found = [job for job in self._jobs.all() if part in job["TrainingJobName"]]
        chosen = [job for job in found if status in (None, job["TrainingJobStatus"])]
        return sagemaker_api.page(request, "TrainingJobSummaries", [{n: job[n] for n in names} for job in chosen])

    def _found(self, name: str) -> Answer:
        try:
            return self._jobs.get(name)
        except Refused as error:
            raise Refused("ValidationException", "Requested resource not found.") from error

    def _turn(self, name: str, status: str, secondary: str, **more: Any) -> None:
        with self._jobs.changing(name) as job:
            job |= {"TrainingJobStatus": status, "SecondaryStatus": secondary} | more
            _add_transition(job["SecondaryStatusTransitions"], secondary)
            shown = sagemaker_api.shown(job)
        detail = json.loads(json.dumps(shown, default=_milliseconds))
        events.publish(
            self._cloud, "aws.sagemaker", "SageMaker Training Job State Change", detail, [job["TrainingJobArn"]]
        )

    def _run(self, name: str) -> None:
        """Whatever goes wrong is the job's failure, and shows in it."""
        base = self._cloud.state_dir / "training" / name
        try:
            shutil.rmtree(base, ignore_errors=True)
            self._turn(name, "InProgress", "Downloading")
            lay_out(self._files, self._jobs.get(name), base)
            ending = self._train(name, base)
            self._upload_model(name, base)
            self._conclude(name, base, ending)
        except Exception as error:
            self._end(name, "Failed", "Failed", FailureReason=f"ClientError: {error}"[:FAILURE_LENGTH])

    def _train(self, name: str, base: Path) -> containers.Ending:
        job, log = self._jobs.get(name), LogStream(self._cloud, "/aws/sagemaker/TrainingJobs", f"{name}/algo-1")
        self._turn(name, "InProgress", "Training", TrainingStartTime=sagemaker_api.now())
        seconds = (job.get("StoppingCondition") or {}).get("MaxRuntimeInSeconds", DEFAULT_RUNTIME_SECONDS)
        limits = containers.Limits(self._stops[name], float(seconds), self._cloud.job_stop_seconds)
        return containers.run(self._cloud, argv(self._cloud, job), environment(job, base), log.write, limits)

    def _upload_model(self, name: str, base: Path) -> None:
        """What the container left in its model folder, if it left anything."""
        output = (self._jobs.get(name).get("OutputDataConfig") or {}).get("S3OutputPath")
        if not output or not any((base / "model").iterdir()):
            return
        self._turn(name, "InProgress", "Uploading")
        archive = base / "model.tar.gz"
        with tarfile.open(archive, "w:gz") as packed:
            packed.add(base / "model", arcname="")
        uri = f"{output.rstrip('/')}/{name}/output/model.tar.gz"
        bucket, key = split_uri(uri)
        with archive.open("rb") as body:
            self._cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=body)
        with self._jobs.changing(name) as job:
            job["ModelArtifacts"] = {"S3ModelArtifacts": uri}

    def _conclude(self, name: str, base: Path, ending: containers.Ending) -> None:
        if ending.stopped:
            self._end(name, "Stopped", "Stopped")
        elif ending.timed_out:
            self._end(name, "Stopped", "MaxRuntimeExceeded")
        elif ending.exit_code == 0:
            self._end(name, "Completed", "Completed")
        else:
            failure = base / "output" / "failure"
            said = failure.read_text(errors="replace") if failure.exists() else "the container gave no reason"
            reason = f"AlgorithmError: {said}, exit code: {ending.exit_code}"
            self._end(name, "Failed", "Failed", FailureReason=reason[:FAILURE_LENGTH])

    def _end(self, name: str, status: str, secondary: str, **more: Any) -> None:
        self._turn(name, status, secondary, TrainingEndTime=sagemaker_api.now(), **more)


def _add_transition(transitions: list[dict[str, Any]], status: str) -> None:
    moment = sagemaker_api.now()
    if transitions:
        transitions[-1]["EndTime"] = moment
    transitions.append({"Status": status, "StartTime": moment})


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def argv(cloud: Cloud, job: Mapping[str, Any]) -> list[str]:
    """The entry point and arguments of the job, or those of its image with `train`."""
    algorithm = job["AlgorithmSpecification"]
    entry, arguments = algorithm.get("ContainerEntrypoint"), algorithm.get("ContainerArguments")
    image = algorithm.get("TrainingImage", "")
    if not entry and containers.job_of_image(cloud, image) is None:
        raise ValueError(f"{image} is no image of a job here, and the training job names no entry point")
    if entry:
        return containers.local_argv(cloud, [*entry, *(arguments or [])])
    return containers.local_argv(cloud, arguments or ["train"], image)


def lay_out(files: ObjectFiles, job: Mapping[str, Any], base: Path) -> None:
    """/opt/ml as a training container finds it."""
    for folder in ("input/config", "input/data", "model", "output/data", "checkpoints"):
        (base / folder).mkdir(parents=True)
    channels = job.get("InputDataConfig") or []
    config = {
        "hyperparameters": job.get("HyperParameters") or {},
        "inputdataconfig": {channel["ChannelName"]: _channel_config(channel) for channel in channels},
        "resourceconfig": {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "lo"},
    }
    for name, document in config.items():
        (base / "input/config" / f"{name}.json").write_text(json.dumps(document))
    for channel in channels:
        uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
        files.place_prefix(uri, base / "input/data" / channel["ChannelName"])


def _channel_config(channel: Mapping[str, Any]) -> dict[str, str]:
    source = channel["DataSource"]["S3DataSource"]
    return {
        "TrainingInputMode": channel.get("InputMode", "File"),
        "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
    }


def environment(job: Mapping[str, Any], base: Path) -> dict[str, str]:
    channels = [channel["ChannelName"] for channel in job.get("InputDataConfig") or []]
    resources = job.get("ResourceConfig") or {}
    variables = {
        "SAGEMAKER_BASE_DIR": str(base),
        "TRAINING_JOB_NAME": job["TrainingJobName"],
        "TRAINING_JOB_ARN": job["TrainingJobArn"],
        "SM_MODEL_DIR": str(base / "model"),
        "SM_OUTPUT_DIR": str(base / "output"),
        "SM_OUTPUT_DATA_DIR": str(base / "output/data"),
        "SM_INPUT_DIR": str(base / "input"),
        "SM_CHANNELS": json.dumps(channels),
        "SM_HPS": json.dumps(job.get("HyperParameters") or {}),
        "SM_HOSTS": '["algo-1"]',
        "SM_CURRENT_HOST": "algo-1",
        "SM_CURRENT_INSTANCE_TYPE": resources.get("InstanceType", ""),
    }
    variables |= {f"SM_CHANNEL_{name.upper()}": str(base / "input/data" / name) for name in channels}
    return variables | (job.get("Environment") or {})
