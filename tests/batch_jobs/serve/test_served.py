"""Loading what SageMaker has laid out: exactly what the manifests say, or nothing."""

import json
import shutil
from pathlib import Path

import pytest

from batch_jobs.serve.served import load_served
from tunesmith.contracts.errors import IntegrityError, UnsafeArtifact


def test_adapter_and_base_are_served_under_their_digests(container) -> None:
    served = load_served(container.root)
    assert served.identity.model_digest == container.adapter.digest
    assert served.identity.base_digest == container.base.digest
    assert served.identity.template_hash == container.base.template_hash


def test_base_alone_is_served_under_its_own_digest(container) -> None:
    shutil.rmtree(container.adapter_dir)
    container.base_dir.rename(container.adapter_dir)
    identity = load_served(container.root).identity
    assert identity.model_digest == identity.base_digest == container.base.digest


def test_missing_manifest_is_refused(container) -> None:
    (container.adapter_dir / "manifest.json").unlink()
    with pytest.raises(IntegrityError):
        load_served(container.root)


@pytest.mark.parametrize("folder", ["base_dir", "adapter_dir"])
def test_flipped_byte_of_weights_is_refused(container, folder: str) -> None:
    weights = next(getattr(container, folder).glob("*.safetensors"))
    body = bytearray(weights.read_bytes())
    body[-1] ^= 1
    weights.write_bytes(body)
    with pytest.raises(IntegrityError, match=weights.name):
        load_served(container.root)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "modeling_tiny.py", "weights.pkl"])
def test_file_that_can_carry_code_is_refused_even_when_listed(container, name: str) -> None:
    (container.adapter_dir / name).write_bytes(b"code")
    relist(container.adapter_dir)
    with pytest.raises(UnsafeArtifact, match=name):
        load_served(container.root)


def test_configuration_that_names_code_is_refused(container) -> None:
    edit(container.base_dir / "config.json", lambda found: found | {"auto_map": {"AutoModel": "evil.Model"}})
    relist(container.base_dir)
    with pytest.raises(UnsafeArtifact, match="auto_map"):
        load_served(container.root)


def test_adapter_of_another_base_is_refused(container) -> None:
    edit(container.adapter_dir / "manifest.json", lambda found: found | {"base": found["base"] | {"digest": "1" * 64}})
    with pytest.raises(IntegrityError, match="1{64}"):
        load_served(container.root)


def test_adapter_trained_with_another_template_is_refused(container) -> None:
    edit(container.adapter_dir / "manifest.json", lambda found: found | {"template_hash": "2" * 64})
    with pytest.raises(IntegrityError, match="template"):
        load_served(container.root)


def test_digest_that_is_not_that_of_the_files_is_refused(container) -> None:
    edit(container.adapter_dir / "manifest.json", lambda found: found | {"digest": "3" * 64})
    with pytest.raises(IntegrityError, match="3{64}"):
        load_served(container.root)


def edit(file: Path, change) -> None:
    file.write_text(json.dumps(change(json.loads(file.read_text()))))


def relist(folder: Path) -> None:
    """Make the manifest list what the folder holds now, as somebody who may write there would."""
    from batch_jobs.modeling.folders import folder_digest, list_files

    files = list_files(folder)
    listed = {"files": [entry.model_dump() for entry in files], "digest": folder_digest(files)}
    edit(folder / "manifest.json", lambda found: found | listed)
