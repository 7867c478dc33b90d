"""Batch: only a reclaimed machine is tried again, there is time to checkpoint, and images know no other job."""

from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Stack

from infra.constructs import job_image
from infra.constructs.job_image import JobImage
from tests.infra.synthesis import Synthesized, containers
from tunesmith.contracts.jobs import JobName
from tunesmith.contracts.machines import DISK_GIB, MOST_VCPUS
from tunesmith.contracts.nodes import FEWEST_NODES, FIRST_PORT, LAST_PORT, MOST_NODES


def wrong_retries(job: dict[str, Any]) -> list[str]:
    """What is wrong with a job's retry strategy."""
    strategy = job.get("RetryStrategy", {})
    rules = strategy.get("EvaluateOnExit", [])
    expected = [{"Action": "RETRY", "OnStatusReason": "Host EC2*"}, {"Action": "EXIT", "OnReason": "*"}]
    return ([] if strategy.get("Attempts") == 3 else ["attempts"]) + ([] if rules == expected else ["rules"])


def test_jobs_are_retried_on_a_reclaimed_machine_alone(synthesized: Synthesized) -> None:
    jobs = synthesized.resources("AWS::Batch::JobDefinition")
    assert len(jobs) == 5 + MOST_NODES - 1
    assert {name: wrong_retries(job) for name, job in jobs.items() if wrong_retries(job)} == {}


def test_a_strategy_that_retries_whatever_else_happens_is_found() -> None:
    spot_only = [{"Action": "RETRY", "OnStatusReason": "Host EC2*"}]
    assert wrong_retries({"RetryStrategy": {"Attempts": 3, "EvaluateOnExit": spot_only}}) == ["rules"]
    assert wrong_retries({}) == ["attempts", "rules"]


def test_every_attempt_ends(synthesized: Synthesized) -> None:
    for name, job in synthesized.resources("AWS::Batch::JobDefinition").items():
        assert 0 < job["Timeout"]["AttemptDurationSeconds"] <= 86_400, name


def test_a_job_takes_the_uri_of_its_params_and_nothing_else(synthesized: Synthesized) -> None:
    commands = {
        tuple(container["Command"])
        for job in synthesized.resources("AWS::Batch::JobDefinition").values()
        for container in containers(job)
    }
    jobs = (JobName.PREPARE, JobName.FINETUNE, JobName.EVALUATE)
    assert commands == {("python", "-m", f"batch_jobs.{job}", "Ref::params_uri") for job in jobs}


def test_finetune_and_evaluate_have_a_gpu_where_the_plan_asks_for_one(synthesized: Synthesized) -> None:
    needs = [
        {need["Type"]: need["Value"] for need in container["ResourceRequirements"]}
        for job in synthesized.resources("AWS::Batch::JobDefinition").values()
        for container in containers(job)
    ]
    assert sorted(need.get("GPU", "0") for need in needs) == ["0"] * (3 + MOST_NODES - 1) + ["1", "1"]


def test_prepare_on_several_machines_is_the_job_of_one_on_each(synthesized: Synthesized) -> None:
    jobs = synthesized.resources("AWS::Batch::JobDefinition").values()
    together = [job["NodeProperties"] for job in jobs if job["Type"] == "multinode"]
    assert sorted(nodes["NumNodes"] for nodes in together) == list(range(FEWEST_NODES, MOST_NODES + 1))
    (alone,) = [
        job["ContainerProperties"]
        for job in jobs
        if job["Type"] == "container" and "batch_jobs.prepare" in job["ContainerProperties"]["Command"]
    ]
    same = ("Command", "Image", "JobRoleArn", "Environment", "LogConfiguration")
    for nodes in together:
        [each] = nodes["NodeRangeProperties"]
        assert (nodes["MainNode"], each["TargetNodes"]) == (0, f"0:{nodes['NumNodes'] - 1}")
        assert {name: each["Container"][name] for name in same} == {name: alone[name] for name in same}


def test_nodes_are_machines_of_one_type_on_demand_and_the_largest_job_fits(synthesized: Synthesized) -> None:
    (environment,) = [
        body["ComputeResources"]
        for name, body in synthesized.resources("AWS::Batch::ComputeEnvironment").items()
        if "Nodes" in name
    ]
    assert (environment["Type"], environment["InstanceTypes"]) == ("EC2", ["m7i.2xlarge"])
    assert environment["MaxvCpus"] == MOST_NODES * 8
    for job in synthesized.resources("AWS::Batch::JobDefinition").values():
        if job["Type"] == "multinode":
            [each] = job["NodeProperties"]["NodeRangeProperties"]
            assert each["Container"]["InstanceType"] == "m7i.2xlarge"


def test_whatever_a_recipe_may_ask_for_there_is_a_machine_that_has_it(synthesized: Synthesized) -> None:
    for name, body in synthesized.resources("AWS::Batch::ComputeEnvironment").items():
        assert body["ComputeResources"]["MaxvCpus"] >= MOST_VCPUS, name
    for found in synthesized.resources("AWS::EC2::LaunchTemplate").values():
        [disk] = found["LaunchTemplateData"]["BlockDeviceMappings"]
        assert disk["Ebs"]["VolumeSize"] == DISK_GIB


def test_nodes_reach_each_other_at_the_ports_of_ray_and_nobody_else_reaches_any(synthesized: Synthesized) -> None:
    rules = list(synthesized.resources("AWS::EC2::SecurityGroupIngress").values())
    assert [(rule["FromPort"], rule["ToPort"], rule["IpProtocol"]) for rule in rules] == [
        (FIRST_PORT, LAST_PORT, "tcp")
    ]
    assert rules[0]["SourceSecurityGroupId"] == rules[0]["GroupId"]
    groups = synthesized.resources("AWS::EC2::SecurityGroup").values()
    assert [group.get("SecurityGroupIngress", []) for group in groups] == [[]] * len(list(groups))


def stop_timeout(user_data: Any) -> bool:
    return "ECS_CONTAINER_STOP_TIMEOUT=120s" in str(user_data)


def test_containers_have_the_whole_spot_warning_to_checkpoint(synthesized: Synthesized) -> None:
    templates = synthesized.resources("AWS::EC2::LaunchTemplate").values()
    assert [stop_timeout(found["LaunchTemplateData"]["UserData"]) for found in templates] == [True] * 3
    assert not stop_timeout("#!/bin/bash")
    for environment in synthesized.resources("AWS::Batch::ComputeEnvironment").values():
        assert environment["ComputeResources"]["LaunchTemplate"]


def test_containers_cannot_reach_the_machines_own_credentials(synthesized: Synthesized) -> None:
    for found in synthesized.resources("AWS::EC2::LaunchTemplate").values():
        options = found["LaunchTemplateData"]["MetadataOptions"]
        assert (options["HttpTokens"], options["HttpPutResponseHopLimit"]) == ("required", 1)


def test_queues_take_spot_first_and_keep_nothing_running(synthesized: Synthesized) -> None:
    environments = synthesized.resources("AWS::Batch::ComputeEnvironment")
    kinds = {name.partition("/")[2]: body["ComputeResources"]["Type"] for name, body in environments.items()}
    assert {body["ComputeResources"]["MinvCpus"] for body in environments.values()} == {0}
    for queue in synthesized.resources("AWS::Batch::JobQueue").values():
        order = sorted(queue["ComputeEnvironmentOrder"], key=lambda entry: entry["Order"])
        names = [entry["ComputeEnvironment"]["Fn::GetAtt"][0] for entry in order]
        expected = ["EC2"] if "Nodes" in names[0] else ["SPOT", "EC2"]
        assert [kinds[name] for name in names] == expected


def image_hash(repository: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(job_image, "REPOSITORY", repository)
    stack = Stack(App(), "Images")
    return JobImage(stack, JobName.PREPARE).asset_hash


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """As much of a repository as an image is made of, with the real list of what gets into it."""
    (tmp_path / ".dockerignore").write_text((job_image.REPOSITORY / ".dockerignore").read_text())
    for file in ("pyproject.toml", "README.md", "batch_jobs/prepare/Dockerfile", "batch_jobs/prepare/__main__.py"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(file)
    return tmp_path


@pytest.mark.parametrize(
    "unrelated",
    ["batch_jobs/finetune/lora.py", "functions/plan_run/handler.py", "tests/test_x.py", ".venv/x", "docs/x.md"]
    + ["batch_jobs/prepare/__pycache__/x.pyc", ".tunesmith/layers/x.zip", "cdk.out/x.json"],
)
def test_an_image_does_not_change_with_what_is_not_in_it(
    repository: Path, monkeypatch: pytest.MonkeyPatch, unrelated: str
) -> None:
    before = image_hash(repository, monkeypatch)
    (repository / unrelated).parent.mkdir(parents=True, exist_ok=True)
    (repository / unrelated).write_text("changed")
    assert image_hash(repository, monkeypatch) == before


@pytest.mark.parametrize("related", ["batch_jobs/prepare/lines.py", "batch_jobs/harness/main.py", "pyproject.toml"])
def test_an_image_changes_with_what_is_in_it(repository: Path, monkeypatch: pytest.MonkeyPatch, related: str) -> None:
    before = image_hash(repository, monkeypatch)
    (repository / related).parent.mkdir(parents=True, exist_ok=True)
    (repository / related).write_text("changed")
    assert image_hash(repository, monkeypatch) != before
