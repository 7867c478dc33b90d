"""The synthesized app (CDK's cloud assembly): made by the app itself, kept under the digest of what it is made of."""

import hashlib
import json
import os
import shutil
import subprocess
import time
import uuid
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from infra.local_cloud.cloud import REPOSITORY, Cloud

SOURCES = (
    "infra/**/*.py",
    "layers/**/*",
    "functions/**/*",
    "batch_jobs/**/Dockerfile",
    "requirements/*.txt",
    "cdk.json",
    "pyproject.toml",
    ".dockerignore",
)
"""All that the templates and the functions' code depend on. The code of jobs runs from the working tree."""
KEPT_ASSEMBLIES = 8
SYNTH_SECONDS = 600


class SynthFailed(Exception):
    """The app could not be synthesized."""


@dataclass(frozen=True)
class FileAsset:
    source: Path
    is_folder: bool
    """It is published as a zip."""
    bucket: str
    key: str


@dataclass(frozen=True)
class ImageAsset:
    uri: str
    tag: str
    dockerfile: Path

    @property
    def job(self) -> str:
        """The folder of its Dockerfile names the job."""
        return self.dockerfile.parent.name


@dataclass(frozen=True)
class StackArtifact:
    name: str
    template: Path
    template_url: str


@dataclass(frozen=True)
class Assembly:
    folder: Path
    account: str
    region: str

    def stacks(self) -> list[StackArtifact]:
        """In the order in which they need each other."""
        artifacts = self._manifest["artifacts"]
        stacks = {name: it for name, it in artifacts.items() if it["type"] == "aws:cloudformation:stack"}
        needs = {name: [need for need in it.get("dependencies", []) if need in stacks] for name, it in stacks.items()}
        return [self._stack(name, stacks[name]["properties"]) for name in TopologicalSorter(needs).static_order()]

    def files(self) -> list[FileAsset]:
        return [
            FileAsset(
                source=self.folder / asset["source"]["path"],
                is_folder=asset["source"]["packaging"] == "zip",
                bucket=self._resolved(destination["bucketName"]),
                key=destination["objectKey"],
            )
            for manifest in self._asset_manifests()
            for asset in manifest["files"].values()
            for destination in asset["destinations"].values()
        ]

    def images(self) -> list[ImageAsset]:
        return [
            ImageAsset(
                uri=f"{self.account}.dkr.ecr.{self.region}.amazonaws.com/"
                f"{self._resolved(destination['repositoryName'])}:{destination['imageTag']}",
                tag=destination["imageTag"],
                dockerfile=Path(asset["source"].get("dockerFile", "Dockerfile")),
            )
            for manifest in self._asset_manifests()
            for asset in manifest["dockerImages"].values()
            for destination in asset["destinations"].values()
        ]

    @property
    def _manifest(self) -> dict[str, Any]:
        return _read(self.folder / "manifest.json")

    def _asset_manifests(self) -> list[dict[str, Any]]:
        artifacts = self._manifest["artifacts"].values()
        return [_read(self.folder / it["properties"]["file"]) for it in artifacts if it["type"] == "cdk:asset-manifest"]

    def _stack(self, artifact: str, properties: dict[str, Any]) -> StackArtifact:
        bucket, _, key = self._resolved(properties["stackTemplateAssetObjectUrl"]).removeprefix("s3://").partition("/")
        return StackArtifact(
            name=properties.get("stackName", artifact),
            template=self.folder / properties["templateFile"],
            template_url=f"https://s3.{self.region}.amazonaws.com/{bucket}/{key}",
        )

    def _resolved(self, text: str) -> str:
        """Stacks that are not bound to an account name it by placeholders."""
        for name, value in (("AccountId", self.account), ("Region", self.region), ("Partition", "aws")):
            text = text.replace(f"${{AWS::{name}}}", value)
        return text


def _read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def synthesized(
    cloud: Cloud, repository: Path = REPOSITORY, command: tuple[str, ...] = ("-m", "infra.app")
) -> Assembly:
    """The assembly of the working tree as it is now. All local clouds of a working tree share what was synthesized."""
    kept = repository / ".tunesmith" / "cloud-assembly"
    folder = kept / source_digest(repository)
    if not folder.exists():
        fresh = kept / f".{uuid.uuid4().hex}"
        fresh.mkdir(parents=True)
        _synthesize(cloud, repository, command, fresh)
        _keep(fresh, folder)
    os.utime(folder)
    _forget_old(kept)
    return Assembly(folder, cloud.account, cloud.region)


def source_digest(repository: Path) -> str:
    seen = hashlib.sha256()
    for file in _sources(repository):
        seen.update(file.relative_to(repository).as_posix().encode() + b"\0")
        seen.update(hashlib.sha256(file.read_bytes()).digest())
    return seen.hexdigest()[:32]


def _sources(repository: Path) -> list[Path]:
    found = {file for pattern in SOURCES for file in repository.glob(pattern) if file.is_file()}
    local = repository / "infra" / "local_cloud"
    return sorted(
        file
        for file in found
        if "__pycache__" not in file.parts and "build" not in file.parts and local not in file.parents
    )


def _synthesize(cloud: Cloud, repository: Path, command: tuple[str, ...], folder: Path) -> None:
    log = cloud.state_dir / "synth.log"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MOTO_"))}
    environment |= {"CDK_OUTDIR": str(folder), "CDK_VALIDATION": "false"}
    environment |= {"JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1"}
    with log.open("w") as output:
        child = cloud.processes.start(
            [cloud.python, *command], env=environment, name="synth", cwd=repository, stdout=output, stderr=output
        )
        try:
            status = child.wait(SYNTH_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            status = -1
    if status != 0 or not (folder / "manifest.json").exists():
        shutil.rmtree(folder)
        last = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
        raise SynthFailed(f"`python {' '.join(command)}` ended with {status}; the end of {log}:\n{last}")


def _keep(fresh: Path, folder: Path) -> None:
    try:
        fresh.rename(folder)
    except OSError:  # another local cloud was faster with the same
        if not folder.exists():
            raise
        shutil.rmtree(fresh)


def _forget_old(kept: Path) -> None:
    """Keep the assemblies used last; what an interrupted synth left goes too."""
    stale = time.time() - 2 * SYNTH_SECONDS
    used = sorted(kept.iterdir(), key=lambda folder: folder.stat().st_mtime, reverse=True)
    unfinished = [folder for folder in used if folder.name.startswith(".") and folder.stat().st_mtime < stale]
    finished = [folder for folder in used if not folder.name.startswith(".")]
    for folder in [*unfinished, *finished[KEPT_ASSEMBLIES:]]:
        shutil.rmtree(folder, ignore_errors=True)
