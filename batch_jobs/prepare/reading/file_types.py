"""What a file is, told by its first bytes and held against its name: where the two differ, it is refused by name."""

from enum import StrEnum
from pathlib import PurePosixPath

import msgspec

from batch_jobs.prepare.reading.blocks import BOM
from batch_jobs.prepare.reading.inflating import PACKED, PACKED_NAMES
from tunesmith.contracts.errors import InvalidInput


class FileType(StrEnum):
    JSON_LINES = "JSON lines"
    JSON_ARRAY = "a JSON array"
    JSON_OBJECTS = "JSON objects"
    """One after the other, each on as many lines as it likes."""
    CSV = "a CSV table"
    TSV = "a TSV table"
    PARQUET = "Parquet"
    TEXT = "plain text"


NAMES = {
    ".jsonl": FileType.JSON_LINES,
    ".ndjson": FileType.JSON_LINES,
    ".jsonlines": FileType.JSON_LINES,
    ".json": FileType.JSON_ARRAY,
    ".csv": FileType.CSV,
    ".tsv": FileType.TSV,
    ".tab": FileType.TSV,
    ".parquet": FileType.PARQUET,
    ".pq": FileType.PARQUET,
    ".txt": FileType.TEXT,
    ".text": FileType.TEXT,
    ".md": FileType.TEXT,
    ".markdown": FileType.TEXT,
}
JSON = (FileType.JSON_LINES, FileType.JSON_ARRAY, FileType.JSON_OBJECTS)
PARQUET = b"PAR1"

FOREIGN = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "a zip archive (or a spreadsheet, or a PyTorch file)",
    b"PK\x05\x06": "an empty zip archive",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!\x1a": "a RAR archive",
    b"\x04\x22\x4d\x18": "lz4",
    b"\xff\x06\x00\x00sNaPpY": "snappy",
    b"%PDF": "PDF",
    b"{\\rtf": "RTF",
    b"\xd0\xcf\x11\xe0": "an old Office document",
    b"\xff\xfe\x00\x00": "UTF-32 text",
    b"\x00\x00\xfe\xff": "UTF-32 text",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"\x80\x02": "a Python pickle",
    b"\x80\x03": "a Python pickle",
    b"\x80\x04": "a Python pickle",
    b"\x80\x05": "a Python pickle",
    b"ARROW1": "an Arrow file",
    b"FEA1": "a Feather file",
    b"PARE": "encrypted Parquet",
    b"Obj\x01": "Avro",
    b"SQLite format 3": "an SQLite database",
    b"\x89HDF": "HDF5",
    b"\x93NUMPY": "a NumPy array",
    b"GGUF": "a GGUF model",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"version https://git-lfs": "a Git LFS pointer, not the file itself: run `git lfs pull` first",
}
REMEDIES = {
    "a tar archive": "upload the files that are in it",
    "a zip archive (or a spreadsheet, or a PyTorch file)": "upload the files that are in it; save a spreadsheet as CSV",
    "gzip": "compress it once only",
    "zstd": "compress it once only",
    "UTF-16 text": "save it as UTF-8",
    "UTF-32 text": "save it as UTF-8",
}
TAR, TAR_AT = b"ustar", 257
"""POSIX.1 (ustar): where the magic of a tar archive stands."""
MARKUP = (b"<!doctype html", b"<html", b"<?xml")
UPLOADED = "JSON lines, a JSON array, CSV, TSV, Parquet or text (.jsonl, .json, .csv, .tsv, .parquet, .txt, .md)"
LOOKED_AT = 4096
FIRST_LINES = 100


def named_type(uri: str) -> FileType | None:
    """What the file's name says; None where it says nothing."""
    return NAMES.get(_bare_name(uri).suffix)


def is_markdown(uri: str) -> bool:
    return _bare_name(uri).suffix in (".md", ".markdown")


def type_of(head: bytes, uri: str, is_packed: bool) -> FileType:
    """What the file is whose inflated text begins with `head`, which ends after a line or is long.

    Raises InvalidInput where it is empty, of no type that is read, or of another one than its name says.
    """
    named = named_type(uri)
    if not head.removeprefix(BOM):
        raise InvalidInput(f"{uri}: the file is empty; expected {UPLOADED}")
    if head.startswith(PARQUET) and named in (None, FileType.PARQUET):
        if is_packed:
            raise _mismatch(uri, "compressed Parquet", "Parquet compresses itself: upload it as it is")
        return FileType.PARQUET
    found = _foreign(head, is_text=named is FileType.TEXT)
    if found:
        raise _mismatch(uri, found, REMEDIES.get(found, f"upload {named or UPLOADED} instead"))
    if named is FileType.PARQUET:
        raise _mismatch(uri, "no Parquet", "Parquet begins with PAR1: export it again, or name the file for what it is")
    if named in (FileType.CSV, FileType.TSV, FileType.TEXT):
        if found := _json_in(head):
            raise _mismatch(uri, f"{found}, not {named}", "name it .json or .jsonl")
        return named
    if not _may_be_json(head, bad_lines=1 if named else 0):
        expected = "name the file for what it is" if named else f"name the file for what it is: {UPLOADED}"
        raise _mismatch(uri, "no JSON: none of its first lines begins with { or [", expected)
    return _json_type(head.removeprefix(BOM).lstrip(), named)


def may_be_cut(head: bytes, uri: str) -> bool:
    """Whether the stored file, which begins with `head`, can be read from any line on: plain JSON lines can.

    Raises InvalidInput as `type_of` does.
    """
    if named_type(uri) is not FileType.JSON_LINES or head.startswith(PACKED):
        return False
    return type_of(head, uri, is_packed=False) is FileType.JSON_LINES


def _bare_name(uri: str) -> PurePosixPath:
    """The file's name without the endings of what compresses it."""
    name = PurePosixPath(uri.rpartition("/")[2].lower())
    while name.suffix in PACKED_NAMES:
        name = name.with_suffix("")
    return name


def _json_type(text: bytes, named: FileType | None) -> FileType:
    """Lines, where the first line is a whole value and others follow; else what the first value is."""
    first, _, rest = text.partition(b"\n")
    is_whole = _is_json(first)
    if text.startswith(b"["):
        is_lines = is_whole and rest.strip() or named is FileType.JSON_LINES and not text[1:].lstrip().startswith(b"{")
        return FileType.JSON_LINES if is_lines else FileType.JSON_ARRAY
    spans_lines = not is_whole and rest.strip() and not rest.lstrip(b"\r\n").startswith(b"{")
    return FileType.JSON_OBJECTS if spans_lines and named is not FileType.JSON_LINES else FileType.JSON_LINES


def _json_in(head: bytes) -> FileType | None:
    """The JSON that a table or a text holds."""
    text = head.removeprefix(BOM).lstrip()
    if not text.startswith((b"{", b"[")):
        return None
    first, _, rest = text.partition(b"\n")
    begins_array = text[1:].lstrip().startswith(b"{") and text.startswith(b"[")
    begins_object = text[1:].lstrip().startswith(b'"') and first.strip() == b"{"
    if (text.startswith(b"{") and _is_json(first)) or begins_array or begins_object:
        return _json_type(text, None)
    return None


def _may_be_json(head: bytes, bad_lines: int) -> bool:
    """So many lines may be broken rows; more that all begin otherwise are no JSON."""
    lines = [line for line in head.removeprefix(BOM).split(b"\n", FIRST_LINES)[:FIRST_LINES] if line.strip()]
    return len(lines) <= bad_lines or any(line.lstrip().startswith((b"{", b"[")) for line in lines)


def _is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _foreign(head: bytes, is_text: bool) -> str | None:
    """What else the bytes are."""
    for magic, name in FOREIGN.items():
        if head.startswith(magic):
            return name
    if head.startswith(TAR, TAR_AT):
        return "a tar archive"
    if head.startswith(PARQUET) and (not is_text or head[4:5] < b" "):
        return "Parquet"
    if not is_text and head[:100].removeprefix(BOM).lstrip().lower().startswith(MARKUP):
        return "a web page or XML"
    return _binary(head[:LOOKED_AT])


def _binary(head: bytes) -> str | None:
    """A quarter of NUL bytes is no text; every other byte, text of two bytes a character."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    if 4 * (even + odd) < len(head):
        return None
    return "UTF-16 text" if not (even and odd) else "binary data"


class TypeMismatch(InvalidInput):
    """Raised for a file that is something else than its name says, or than what is read."""


def _mismatch(uri: str, found: str, remedy: str) -> TypeMismatch:
    return TypeMismatch(f"{uri}: TYPE_MISMATCH: this is {found}; {remedy}")
