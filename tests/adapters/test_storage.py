"""Files that are copied side by side."""

import time
from pathlib import Path

import pytest

from tunesmith.adapters.storage import AT_ONCE, Storage, file_entry
from tunesmith.contracts.datasets import FileEntry


@pytest.fixture
def files(tmp_path: Path) -> list[FileEntry]:
    for number in range(20):
        (tmp_path / f"{number:02d}").write_text(f"file {number}")
    return [file_entry(tmp_path, f"{number:02d}") for number in range(20)]


def test_all_files_of_a_folder_arrive_and_none_of_an_empty_list(tmp_path: Path, files: list[FileEntry]) -> None:
    Storage().upload_folder(tmp_path, f"{tmp_path}/out/", files)
    assert [file_entry(tmp_path / "out", file.path) for file in files] == files
    Storage().upload_folder(tmp_path, f"{tmp_path}/nothing/", [])
    assert not (tmp_path / "nothing").exists()


def test_after_an_error_no_further_file_is_begun(
    tmp_path: Path, files: list[FileEntry], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []

    def upload(self: Storage, file: Path, uri: str) -> None:
        begun.append(file.name)
        if file.name == "03":
            raise OSError("no room")
        time.sleep(1)

    monkeypatch.setattr(Storage, "upload", upload)
    with pytest.raises(OSError, match="no room"):
        Storage().upload_folder(tmp_path, f"{tmp_path}/out/", files)
    assert "03" in begun and len(begun) <= 2 * AT_ONCE + 2
