"""All that an account holds: kept and put back between crashes, pictured without what no two runs have in common, and
searched for marks of completion that stand for nothing whole."""

import copy
import hashlib
import json
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from moto.backends import get_backend

from tests.conftest import ACCOUNT, REGION
from tunesmith.adapters import alarms, endpoints, pipeline
from tunesmith.contracts.artifacts import s3_uri

BACKENDS = (
    ("s3", "aws"),
    *((service, REGION) for service in ("cloudwatch", "dynamodb", "sagemaker", "sagemaker-runtime", "stepfunctions")),
)
MARKERS = ("manifest.json", "result.json", "scores.json")
OF_ONE_ATTEMPT = frozenset(
    {"accepted_at", "cached", "created_at", "fence", "moved_at", "owner", "resumed_from_step", "seconds", "updated_at"}
)
"""Fields that two attempts at the same work need not have in common."""


class Backup:
    """moto's backends as they are now."""

    def __init__(self) -> None:
        self._kept = {name: copy.deepcopy(vars(_backend(*name))) for name in BACKENDS}

    def restore(self) -> None:
        for name, kept in self._kept.items():
            backend = _backend(*name)
            vars(backend).clear()
            vars(backend).update(copy.deepcopy(kept))


def _backend(service: str, region: str) -> Any:
    return get_backend(service)[ACCOUNT][region]


class Account:
    """What moto's account holds now; `contents` are the bytes of objects by their ETag, shared by all looks.

    Objects and rows are read where moto keeps them: hundreds of looks over its API would take minutes.
    """

    def __init__(self, contents: dict[str, bytes]):
        self._contents = contents
        kept = {
            s3_uri(name, key): versions
            for name, bucket in _backend("s3", "aws").buckets.items()
            for key, versions in bucket.keys.lists()
        }
        self._newest = {uri: versions[-1] for uri, versions in kept.items()}
        self.versions = {uri: len(versions) for uri, versions in kept.items()}
        self.objects = {uri: str(newest.etag) for uri, newest in self._newest.items()}
        """ETag of the newest version, by URI."""
        tables = _backend("dynamodb", REGION).tables
        self.rows = {name: [item.to_regular_json() for item in table.all_items()] for name, table in tables.items()}

    def read(self, uri: str) -> bytes:
        etag = self.objects[uri]
        if etag not in self._contents:
            self._contents[etag] = self._newest[uri].value
        return self._contents[etag]

    def marked(self, name: str) -> Iterator[tuple[str, Any]]:
        """Folder and content of every JSON document of that name."""
        for uri in self.objects:
            folder, _, file = uri.rpartition("/")
            if file == name:
                yield f"{folder}/", json.loads(self.read(uri))

    @cached_property
    def picture(self) -> dict[str, Any]:
        """Everything that must be the same however often the work was interrupted."""
        return {
            "objects": {uri: self._essence(uri) for uri in self.objects},
            "markers": {uri: self.versions[uri] for uri in self.objects if uri.endswith(MARKERS)},
            "rows": {name: _sorted([essence(row) for row in rows]) for name, rows in self.rows.items()},
            "sagemaker": sagemaker_things(),
            "executions": executions(),
        }

    def _essence(self, uri: str) -> Any:
        return essence(json.loads(self.read(uri))) if uri.endswith(".json") else self.objects[uri]


def essence(value: Any) -> Any:
    """The value without the fields that are one attempt's own, at any depth, in JSON within it too."""
    if isinstance(value, dict):
        return {name: essence(inner) for name, inner in value.items() if name not in OF_ONE_ATTEMPT}
    if isinstance(value, list):
        return [essence(inner) for inner in value]
    if isinstance(value, str) and value.startswith("{"):
        return essence(json.loads(value))
    return value


def _sorted(rows: list[Any]) -> list[Any]:
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True, default=str))


def sagemaker_things() -> dict[str, Any]:
    """Packages with what they say, and the names of all else."""
    client = endpoints.client()
    groups = client.list_model_package_groups()["ModelPackageGroupSummaryList"]
    lists = [client.list_model_packages(ModelPackageGroupName=group["ModelPackageGroupName"]) for group in groups]
    arns = [found["ModelPackageArn"] for listed in lists for found in listed["ModelPackageSummaryList"]]
    packages = [client.describe_model_package(ModelPackageName=arn) for arn in arns]
    serving = [found["EndpointName"] for found in client.list_endpoints()["Endpoints"]]
    return {
        "packages": _sorted([package["CustomerMetadataProperties"] for package in packages]),
        "endpoints": {
            name: client.describe_endpoint(EndpointName=name)["EndpointConfigName"] for name in sorted(serving)
        },
        "configurations": sorted(
            found["EndpointConfigName"] for found in client.list_endpoint_configs()["EndpointConfigs"]
        ),
        "models": sorted(found["ModelName"] for found in client.list_models()["Models"]),
        "alarms": sorted(found["AlarmName"] for found in alarms.client().describe_alarms()["MetricAlarms"]),
    }


def executions() -> list[str]:
    client = pipeline.client()
    machines = [machine["stateMachineArn"] for machine in client.list_state_machines()["stateMachines"]]
    return sorted(
        execution["name"]
        for machine in machines
        for execution in client.list_executions(stateMachineArn=machine)["executions"]
    )


def differences(expected: Any, found: Any, place: str = "") -> Iterator[str]:
    """Where two pictures differ, and how."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for name in expected.keys() | found.keys():
            yield from differences(expected.get(name, "nothing"), found.get(name, "nothing"), f"{place}/{name}")
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for number, pair in enumerate(zip(expected, found, strict=True)):
            yield from differences(*pair, f"{place}/{number}")
    elif expected != found:
        yield f"{place}: expected {str(expected)[:200]}, found {str(found)[:200]}"


def hollow_marks(account: Account) -> list[str]:
    """Every mark of completion whose subject is not there, or not whole; in words."""
    return [*_hollow_manifests(account), *_hollow_scores(account), *_hollow_results(account), *_hollow_rows(account)]


def _hollow_manifests(account: Account) -> Iterator[str]:
    for folder, manifest in account.marked("manifest.json"):
        files = manifest.get("files") or [file for entry in manifest["splits"].values() for file in entry["files"]]
        for entry in files:
            uri = folder + entry["path"]
            if uri not in account.objects or hashlib.sha256(account.read(uri)).hexdigest() != entry["sha256"]:
                yield f"{folder}manifest.json lists {entry['path']}, which is not there as it says"


def _hollow_scores(account: Account) -> Iterator[str]:
    for folder, scores in account.marked("scores.json"):
        uri = scores["records_uri"]
        if uri not in account.objects or hashlib.sha256(account.read(uri)).hexdigest() != scores["records_digest"]:
            yield f"{folder}scores.json names records that are not there as it says"


def _hollow_results(account: Account) -> Iterator[str]:
    for folder, result in account.marked("result.json"):
        named = [result[name] for name in ("manifest_uri", "test_uri", "report_uri") if name in result]
        named += [result["adapter"]["uri"] + "manifest.json"] if "adapter" in result else []
        yield from (
            f"{folder}result.json names {uri}, which is not there" for uri in named if uri not in account.objects
        )


def _hollow_rows(account: Account) -> Iterator[str]:
    """Rows that stand for other rows: uploads, the counters of versions, and aliases."""
    runs = {row["run_id"] for row in account.rows["runs"]}
    datasets = {row["entry"] for row in account.rows["datasets"]}
    for row in account.rows["uploads"]:
        upload = json.loads(row["document"])
        if upload["run_id"] not in runs or f"version#{upload['dataset_version']}" not in datasets:
            yield f"upload {row['upload_id']} has no run or no dataset version"
    yield from _gaps(account.rows["models"], "counter", "version", "version#", "run#")
    yield from _gaps(account.rows["aliases"], "alias#champion", "revision", "history#champion#", "cause#champion#")


def _gaps(rows: list[dict[str, Any]], pointer: str, number: str, numbered: str, marker: str) -> Iterator[str]:
    """The pointer says how many there are; each number must be there once, with one marker of who made it."""
    for newest in (row for row in rows if row["entry"] == pointer):
        expected = list(range(1, int(newest[number]) + 1))
        for prefix in (numbered, marker):
            found = sorted(
                int(row[number]) for row in rows if row["model"] == newest["model"] and row["entry"].startswith(prefix)
            )
            if found != expected:
                yield f"{newest['model']} {pointer} says {expected}, but {prefix}* are {found}"
