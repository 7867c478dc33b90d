"""The folder of a dataset version, here or in S3, and its files as they are needed."""

from dataclasses import dataclass
from pathlib import Path

from tunesmith.adapters.storage import Storage, is_s3
from tunesmith.contracts.datasets import DatasetManifest, Split
from tunesmith.contracts.errors import IntegrityError
from tunesmith.contracts.profiles import DatasetProfile

MANIFEST, PROFILE = "manifest.json", "profile.json"


@dataclass(frozen=True)
class VersionFolder:
    """Files of S3 are downloaded to `scratch`, and held against the manifest."""

    uri: str
    """Ends in a slash."""
    manifest: DatasetManifest
    scratch: Path
    storage: Storage

    @classmethod
    def open(cls, place: str, scratch: Path) -> "VersionFolder | None":
        """None where there is no manifest. Raises ValidationError where it is another kind of document."""
        storage, uri = Storage(), place.rstrip("/") + "/"
        body = storage.read_if_there(uri + MANIFEST)
        if body is None:
            return None
        manifest = DatasetManifest.model_validate_json(body)
        return cls(uri, manifest, scratch, storage)

    def parts(self, split: Split) -> list[Path]:
        """The split's Parquet files."""
        return [self._fetch(file.path, file.sha256) for file in self.manifest.splits[split].files]

    def profile(self) -> DatasetProfile | None:
        body = self.storage.read_if_there(self.uri + PROFILE)
        return DatasetProfile.model_validate_json(body) if body else None

    def _fetch(self, name: str, sha256: str) -> Path:
        if Path(name).name != name:
            raise IntegrityError(f"{self.uri}{MANIFEST} names a file outside its folder: {name}")
        if not is_s3(self.uri):
            return Path(self.uri) / name
        file = self.scratch / self.manifest.dataset_version / name
        if not file.exists():
            self.storage.download(self.uri + name, file, sha256)
        return file
