"""Files as people upload them: every type, plain and compressed, whole, cut and changed; and what is none of them."""

import csv
import gzip
import io
import json
import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from batch_jobs.prepare.reading.files import check_size, read_blocks, read_lines
from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.preparation import ReadRecipe
from tunesmith.contracts.recipes import PrepareRecipe

DATA = Path(__file__).parents[5] / "shared/data"
ROWS = [{"text": "one"}, {"text": 'two, "quoted"\\'}, {"text": "drei ü\nvier"}]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()
FILES = {
    "a.jsonl": LINES,
    "a.json": json.dumps(ROWS, indent=1).encode(),
    "b.json": json.dumps(ROWS[2], indent=1).encode(),
    "a.csv": b'text\r\none\r\n"two, ""quoted""\\"\r\n"drei \xc3\xbc\nvier"\r\n',
    "a.tsv": b'text\tn\none\t1\n"two, ""quoted""\\"\t2\n"drei \xc3\xbc\nvier"\t3\n',
    "a.txt": 'one\n\ntwo, "quoted"\\\n\ndrei ü\nvier\n'.encode(),
    "a": LINES,
}
PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": lambda text: gzip.compress(text, mtime=0),
    ".zst": zstandard.ZstdCompressor(write_checksum=True).compress,
}


def _read(folder: Path, name: str, content: bytes) -> list[str]:
    """The texts of the file's good rows; of a JSON object, of that."""
    (folder / "stored").write_bytes(content)
    blocks = read_blocks(folder / "stored", f"s3://b/{name}", PrepareRecipe())
    return [json.loads(block.line(i))["text"] for block in blocks for i in range(len(block)) if block.line(i).strip()]


@pytest.mark.parametrize("ending", PACK)
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_every_type_is_read_plain_and_compressed(name: str, ending: str, bom: bytes, tmp_path: Path) -> None:
    found = _read(tmp_path, name + ending, PACK[ending](bom + FILES[name]))
    assert found == [row["text"] for row in (ROWS[2:] if name == "b.json" else ROWS)]


@pytest.mark.parametrize("name", ["a.json", "b.json", "a.csv", "a.tsv"])
def test_of_a_file_cut_at_any_byte_the_whole_rows_come_or_an_error(name: str, tmp_path: Path) -> None:
    whole = [row["text"] for row in (ROWS[2:] if name == "b.json" else ROWS)]
    for cut in range(len(FILES[name])):
        try:
            found = _read(tmp_path, name, FILES[name][:cut])
        except InvalidInput as error:
            assert str(error).startswith(f"s3://b/{name}: ")
            continue
        except json.JSONDecodeError:
            assert name == "b.json"  # its first line alone is a broken line of JSON lines
            continue
        assert found[: len(found) - 1] == whole[: max(0, len(found) - 1)], cut
        assert not found or whole[len(found) - 1].startswith(found[-1])


@pytest.mark.parametrize("name", [name + ending for name in FILES for ending in (".gz", ".zst")])
def test_a_compressed_file_cut_at_any_byte_is_an_error(name: str, tmp_path: Path) -> None:
    bare, _, ending = name.rpartition(".")
    packed = PACK[f".{ending}"](FILES[bare])
    for cut in range(len(packed)):
        with pytest.raises(InvalidInput, match=f"s3://b/{name}: "):
            _read(tmp_path, name, packed[:cut])


@pytest.mark.parametrize("name", FILES)
def test_changed_bytes_are_rows_refusals_or_an_error(name: str, tmp_path: Path) -> None:
    chance = random.Random(name)
    for _ in range(200):
        changed = bytearray(FILES[name])
        changed[chance.randrange(len(changed))] = chance.randrange(256)
        (tmp_path / "stored").write_bytes(changed)
        try:
            for block in read_blocks(tmp_path / "stored", name, PrepareRecipe()):
                for index in range(len(block)):
                    offset = int(block.offsets[index])
                    assert 0 <= offset <= len(changed) and block.ends[index] <= len(block.data)
        except InvalidInput as error:
            assert str(error).startswith(f"{name}: ")


@pytest.mark.parametrize(
    "foreign", [b"%PDF-1.7", b"PAR1", LINES[:3].decode().encode("utf-16"), gzip.compress(LINES, mtime=0)]
)
def test_another_type_inside_gzip_is_named(foreign: bytes, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="TYPE_MISMATCH: this is"):
        _read(tmp_path, "a.jsonl.gz", gzip.compress(foreign))


@pytest.mark.parametrize("empty", [b"", gzip.compress(b"", mtime=0)])
def test_an_empty_file_is_refused(empty: bytes, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="s3://b/a.jsonl: the file is empty; expected JSON lines, a JSON array"):
        _read(tmp_path, "a.jsonl", empty)


def test_a_piece_of_a_file_is_read_whatever_it_begins_with(tmp_path: Path) -> None:
    (tmp_path / "piece").write_bytes(b"PK\x03\x04\n[{}]\n")
    (block,) = read_lines(tmp_path / "piece", "a.jsonl", PrepareRecipe())
    assert [block.line(i) for i in range(len(block))] == [b"PK\x03\x04", b"[{}]"]


def test_a_file_that_is_too_large_is_refused_before_it_is_fetched() -> None:
    """D25"""
    recipe = PrepareRecipe(read=ReadRecipe(max_file_bytes=5_000))
    check_size(5_000, "s3://b/a.jsonl", recipe)
    with pytest.raises(InvalidInput, match=r"s3://b/a.jsonl: 5001 bytes .* prepare.read.max_file_bytes \(5000\)"):
        check_size(5_001, "s3://b/a.jsonl", recipe)


@pytest.mark.parametrize(
    ("name", "begin", "row", "end"),
    [
        ("a.jsonl", b"{}", b"\n", b""),
        ("a.json", b"[0", b",1", b"]"),
        ("a.csv", b"a", b"\nx", b""),
        ("a.csv", b"a,b", b'\n"",\'', b""),
        ("a.txt", b"a", b"\n\nx", b""),
    ],
)
def test_memory_is_bounded_however_small_the_rows(
    name: str, begin: bytes, row: bytes, end: bytes, tmp_path: Path
) -> None:
    rows = (24 << 20) // len(row)
    (tmp_path / "f").write_bytes(begin + row * rows + end)
    list(read_blocks(Path(__file__), "a.txt", PrepareRecipe()))
    tracemalloc.start()
    read = sum(block.rows for block in read_blocks(tmp_path / "f", name, PrepareRecipe()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows <= read <= rows + 1
    assert peak < 80 << 20


@pytest.mark.skipif(not DATA.is_dir(), reason="shared/data is not beside the repository")
@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("axolotl_fixtures/alpaca_alpaca.json", 2),
        ("axolotl_fixtures/conversation.json", 1),
        ("axolotl_fixtures/conversation.missingturns.json", 1),
        ("axolotl_fixtures/conversation.tokenized.json", 1),
        ("taskmaster/TM-1-2019_sample.json", 1),
        ("fastchat/dummy_conversation.json", 500),
        ("pii/presidio_research_generated_small.json", 100),
        ("banking77/train.sample300.csv", 300),
        ("gsm8k/train.first200.jsonl", 200),
        ("self_instruct/seed_tasks.jsonl", 175),
    ],
)
def test_real_files_are_read_whole(name: str, rows: int) -> None:
    blocks = read_blocks(DATA / name, str(DATA / name), PrepareRecipe())
    found = [json.loads(block.line(i)) for block in blocks for i in range(len(block))]
    assert len(found) == rows
    text = (DATA / name).read_text()
    if name.endswith(".csv"):
        assert found == list(csv.DictReader(io.StringIO(text)))
    elif name.endswith(".jsonl"):
        assert found == [json.loads(line) for line in text.splitlines()]
    else:
        expected = json.loads(text)
        assert found == (expected if isinstance(expected, list) else [expected])
