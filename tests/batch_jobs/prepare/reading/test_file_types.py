"""What a file is, told by its first bytes; a name that says something else is refused, and so is what is not read."""

import io
import pickle
import tarfile

import pytest

from batch_jobs.prepare.reading.file_types import FileType, may_be_cut, named_type, type_of
from tunesmith.contracts.errors import InvalidInput

ROW = b'{"text": "a"}\n'


@pytest.mark.parametrize(
    ("name", "head", "found"),
    [
        ("a.jsonl", ROW, FileType.JSON_LINES),
        ("a.jsonl.gz", b"\xef\xbb\xbf" + ROW, FileType.JSON_LINES),
        ("a", ROW, FileType.JSON_LINES),
        ("a.jsonl", b'{"broken\n' + ROW, FileType.JSON_LINES),
        ("a.jsonl", b"broken\n" + ROW, FileType.JSON_LINES),
        ("a.jsonl", b"[1]\n[2]\n", FileType.JSON_LINES),
        ("a.json", ROW + ROW, FileType.JSON_LINES),
        ("a.json", b'{"broken\n' + ROW, FileType.JSON_LINES),
        ("a.json", b" [\n" + ROW, FileType.JSON_ARRAY),
        ("a.jsonl", b'[{"text": "a"},', FileType.JSON_ARRAY),
        ("a.jsonl", b'[{"text": "a"}]\n\n', FileType.JSON_ARRAY),
        ("a.json", b'{\n  "text": "a"\n}', FileType.JSON_OBJECTS),
        ("a.json", b'{"text":\r\n  "a"\n}', FileType.JSON_OBJECTS),
        ("A.CSV", b"text,label\n", FileType.CSV),
        ("a.csv", b"{a,b\n", FileType.CSV),
        ("a.tsv.zst", b"text\tlabel\n", FileType.TSV),
        ("a.md", b"[link](x)\n", FileType.TEXT),
        ("a.md", b"<!DOCTYPE html>", FileType.TEXT),
        ("a.txt", b"{braces}", FileType.TEXT),
        ("a.md", b"[1]\n", FileType.TEXT),
        ("a.parquet", b"PAR1\x15", FileType.PARQUET),
        ("a", b"PAR1\x15", FileType.PARQUET),
    ],
)
def test_content_and_name_agree(name: str, head: bytes, found: FileType) -> None:
    assert type_of(head, f"s3://b/x.csv/{name}", is_packed=False) is found


@pytest.mark.parametrize(
    ("name", "head", "told"),
    [
        ("a.jsonl", b"%PDF-1.7", "this is PDF; upload JSON lines instead"),
        ("a.csv", b"PAR1\x15", "this is Parquet; upload a CSV table instead"),
        ("a.parquet", b"text,label\n", "this is no Parquet"),
        ("a.jsonl", b"\x1f\x8b\x08", "this is gzip; compress it once only"),
        ("a.jsonl", b"PK\x03\x04", "this is a zip archive"),
        ("a.txt", b"BZh91AY", "this is bzip2"),
        ("a.jsonl", b"\xfd7zXZ\x00", "this is xz"),
        ("a.csv", "text,label".encode("utf-16"), "this is UTF-16 text; save it as UTF-8"),
        ("a.csv", "text,label".encode("utf-16-le"), "this is UTF-16 text"),
        ("a.jsonl", "{}".encode("utf-16-be"), "this is UTF-16 text"),
        ("a.jsonl", "{}".encode("utf-32"), "this is UTF-32 text"),
        ("a.jsonl", bytes(100), "this is binary data"),
        *(("a", pickle.dumps({"a": 1}, protocol), "this is a Python pickle") for protocol in (2, 3, 4, 5)),
        ("a.jsonl", b"<!DOCTYPE html><html>", "this is a web page"),
        ("a.jsonl", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("a.csv", ROW, "this is JSON lines, not a CSV table; name it .json or .jsonl"),
        ("a.txt", b"[\n " + ROW, "this is a JSON array, not plain text"),
        ("a.txt", b'{\n "a": 1}', "this is JSON objects, not plain text"),
        ("a.jsonl", b"text,label\na,b\n", "this is no JSON"),
        ("a.data", b"text,label\na,b\n", "name the file for what it is: JSON lines"),
        ("a", b"some words", "name the file for what it is: JSON lines"),
        ("a.txt", b"PAR1\x15\x04", "this is Parquet"),
        ("a.jsonl", b"", "the file is empty"),
        ("a.csv", b"\xef\xbb\xbf", "the file is empty"),
    ],
)
def test_another_type_is_refused_by_name(name: str, head: bytes, told: str) -> None:
    """D08, D10"""
    with pytest.raises(InvalidInput) as raised:
        type_of(head, f"s3://b/{name}", is_packed=False)
    assert str(raised.value).startswith(f"s3://b/{name}: ") and told in str(raised.value)


def test_a_tar_archive_is_named() -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(__file__, "rows.jsonl")
    with pytest.raises(InvalidInput, match="this is a tar archive; upload the files that are in it"):
        type_of(packed.getvalue(), "a.jsonl", is_packed=True)


def test_parquet_is_not_compressed_again() -> None:
    with pytest.raises(InvalidInput, match="TYPE_MISMATCH: this is compressed Parquet"):
        type_of(b"PAR1\x15", "a.parquet.gz", is_packed=True)


def test_only_plain_json_lines_may_be_cut() -> None:
    assert may_be_cut(ROW, "a.jsonl") and not may_be_cut(b"[" + ROW, "a.jsonl") and not may_be_cut(ROW, "a.json")
    assert not may_be_cut(b"\x1f\x8b\x08", "a.jsonl")


def test_the_name_is_the_last_part_without_what_compresses_it() -> None:
    assert named_type("s3://b/a.csv/b.TSV.gz") is FileType.TSV and named_type("s3://b/a.csv/b") is None
