"""Importing a base model: pinned by digest, safe files only, a no-op the second time."""

from pathlib import Path

import pytest

from batch_jobs.modeling import import_base
from batch_jobs.modeling.folders import list_files, verify_folder
from batch_jobs.modeling.loading import load_model, load_tokenizer
from batch_jobs.modeling.templates import Message, prompt_ids
from tests.support.tiny_model import write_tiny_base
from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.jobs import ExitCode

REAL = "smollm2-135m-instruct"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    write_tiny_base(folder)
    (folder / "modeling_evil.py").write_text("raise SystemExit")
    return folder


def test_local_folder_is_imported_without_its_code(exported: Path, tmp_path: Path) -> None:
    manifest = import_base.import_folder(exported, "mine", tmp_path, licence="MIT")
    assert "modeling_evil.py" not in {entry.path for entry in manifest.files}
    assert sum(weight.numel() for weight in load_model(tmp_path / "mine", None).parameters()) == manifest.parameters
    verify_folder(tmp_path / "mine", manifest.files)


def test_second_import_changes_nothing_and_says_so(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["mine", str(tmp_path), "--folder", str(exported), "--licence", "MIT"]
    assert import_base.main(arguments) == ExitCode.DONE
    before = (tmp_path / "mine/manifest.json").stat().st_mtime_ns
    assert import_base.main(arguments) == ExitCode.DONE
    assert "already there" in capsys.readouterr().err
    assert (tmp_path / "mine/manifest.json").stat().st_mtime_ns == before


def test_damaged_import_is_made_again(exported: Path, tmp_path: Path) -> None:
    first = import_base.import_folder(exported, "mine", tmp_path, licence="MIT")
    (tmp_path / "mine/config.json").write_text("{}")
    assert import_base.imported(tmp_path / "mine") is None
    assert import_base.import_folder(exported, "mine", tmp_path, licence="MIT") == first
    assert import_base.imported(tmp_path / "mine") == first


def test_folder_without_safetensors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InvalidInput, match="safetensors"):
        import_base.import_folder(tmp_path, "mine", tmp_path / "bases", licence="MIT")


def test_unknown_name_is_bad_input(tmp_path: Path) -> None:
    assert import_base.main(["no-such-model", str(tmp_path)]) == ExitCode.BAD_INPUT


@pytest.mark.slow
def test_packaged_model_answers_in_english(tmp_path: Path) -> None:
    manifest = import_base.import_packaged(REAL, tmp_path)
    assert (manifest.licence, manifest.parameters) == ("Apache-2.0", 134_515_008)
    assert list_files(tmp_path / REAL) == manifest.files
    tokenizer, model = load_tokenizer(tmp_path / REAL), load_model(tmp_path / REAL, None)
    import torch

    question = [Message(role="user", content="What is the capital of France? Answer in one sentence.")]
    ids = torch.tensor([prompt_ids(tokenizer, question)])
    answer = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False)
    assert "Paris" in tokenizer.decode(answer[0, ids.shape[1] :])
