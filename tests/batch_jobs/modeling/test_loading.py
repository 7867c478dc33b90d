"""Loading a model folder: the right numbers, and an adapter only on the base that it was trained on."""

from pathlib import Path

import pytest
import torch

from batch_jobs.modeling.loading import load_model, load_tokenizer
from tests.support.tiny_model import write_tiny_base
from tunesmith.contracts.errors import IntegrityError


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    write_tiny_base(folder)
    return folder


def test_base_loads_ready_to_answer(base: Path) -> None:
    model = load_model(base, None)
    assert not model.training
    assert {weight.dtype for weight in model.parameters()} == {
        torch.bfloat16 if torch.cuda.is_available() else torch.float32
    }


def test_tokenizer_comes_with_template_and_padding(base: Path) -> None:
    tokenizer = load_tokenizer(base)
    assert tokenizer.chat_template and tokenizer.pad_token_id is not None


def test_folder_without_adapter_weights_is_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="no adapter folder"):
        load_model(base, tmp_path)
