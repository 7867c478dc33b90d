"""The child that reads Parquet for `parquet`: rows go to standard output as lines of JSON.

    python -m batch_jobs.prepare.reading.parquet_child FILE MEMORY_BYTES CPU_SECONDS

It limits itself before pyarrow is loaded. Where it gives up, the last line of standard error is {"error": ...} and the
exit code 1. What JSON has no word for: dates, times and timestamps are texts (UTC, `2024-05-01 10:00:00`), decimals
texts, durations whole numbers of their unit, binary base64, maps arrays of [key, value].
"""

import json
import resource
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

BATCH_BYTES = 4 << 20
BATCH_ROWS = 128
"""Few, since a value that stands once in the file may come in each of them."""

LONGEST_NAME = 1_000
"""Characters of a column's name that are told."""


class Unreadable(Exception):
    """Raised for a file that cannot be read; the message is for people."""


def main(argv: Sequence[str]) -> int:
    file, memory, seconds = argv
    resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        write_rows(file, sys.stdout.buffer)
        sys.stdout.flush()
    except BrokenPipeError:
        return 1
    except MemoryError:
        reason = f"Parquet that needs more than {int(memory) >> 20} MiB at once; export it in smaller row groups"
    except Unreadable as error:
        reason = str(error)
    except Exception as error:  # whatever pyarrow makes of a hostile file
        said = str(error).partition("\n")[0][:300]
        reason = f"Parquet that cannot be read ({type(error).__name__}: {said}); export it again"
    else:
        return 0
    print(json.dumps({"error": reason}), file=sys.stderr)
    return 1


def write_rows(file: str, out: BinaryIO) -> None:
    import pyarrow as pa
    from pyarrow import parquet as pq

    pa.set_cpu_count(1)
    with pq.ParquetFile(file, buffer_size=1 << 20, page_checksum_verification=True) as source:
        _check(source)
        rows = 0
        for batch in source.iter_batches(_batch_rows(source.metadata), use_threads=False):
            for line in _lines(batch):
                out.write(line + b"\n")
            rows += len(batch)
            if rows > source.metadata.num_rows:
                break
    if rows != source.metadata.num_rows:
        raise Unreadable(
            f"Parquet whose footer promises {source.metadata.num_rows} rows, but {rows} came: damaged; export it again"
        )


def _check(source: Any) -> None:
    names = source.schema_arrow.names
    if not names:
        raise Unreadable("Parquet without columns")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise Unreadable(f"Parquet with two columns {twice[0][:LONGEST_NAME]!r}; rename one of them")
    for field in source.schema_arrow:
        plain_type(field.type, field.name)


def _batch_rows(metadata: Any) -> int:
    """Rows that are held at once: few where they are large."""
    size = sum(metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups))
    a_row = max(1, size // max(1, metadata.num_rows))
    return int(min(BATCH_ROWS, max(1, BATCH_BYTES // a_row)))


def plain_type(kind: Any, column: str) -> Any:
    """The type to which a column is cast before its values are written. Raises Unreadable where there is none."""
    import pyarrow as pa
    from pyarrow import types

    if isinstance(kind, pa.BaseExtensionType):
        return plain_type(kind.storage_type, column)
    if types.is_dictionary(kind):
        return plain_type(kind.value_type, column)
    if types.is_map(kind):
        return pa.map_(plain_type(kind.key_type, column), plain_type(kind.item_type, column))
    if types.is_struct(kind):
        return pa.struct([(field.name, plain_type(field.type, column)) for field in kind])
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return pa.list_(plain_type(kind.value_type, column))
    if types.is_duration(kind):
        return pa.int64()
    if types.is_interval(kind):
        raise Unreadable(
            f"Parquet whose column {column[:LONGEST_NAME]!r} is of a type that JSON has no word for ({kind})"
        )
    if types.is_temporal(kind) or types.is_decimal(kind):
        return pa.string()
    return pa.float32() if types.is_float16(kind) else kind


def _plain(array: Any, column: str) -> Any:
    """The column's values as JSON knows them, checked for offsets and lengths that lie."""
    import pyarrow as pa

    array.validate()
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_timestamp(array.type) and array.type.tz:
        array = array.cast(pa.timestamp(array.type.unit))  # UTC, without asking for the zones of this machine
    return array.cast(plain_type(array.type, column))


def _lines(batch: Any) -> Iterator[bytes]:
    import pyarrow as pa

    columns = [_plain(column, name) for column, name in zip(batch.columns, batch.schema.names, strict=True)]
    plain = pa.RecordBatch.from_arrays(columns, batch.schema.names)
    try:
        plain.validate(full=True)
    except pa.ArrowInvalid as error:
        if "utf" not in str(error).lower():
            raise
        yield from _lines_of_bytes(plain)
        return
    encode = _encoder(plain.schema)
    for row in plain.to_pylist():
        yield encode(row)


def _encoder(schema: Any) -> Any:
    """msgspec is faster, but writes null for what is no number; NaN must stay, so that the row is refused."""
    import msgspec

    if "float" in str(schema) or "double" in str(schema):
        return lambda row: json.dumps(row, ensure_ascii=False, default=_base64).encode()
    return msgspec.json.Encoder().encode


def _lines_of_bytes(batch: Any) -> Iterator[bytes]:
    """Some texts are no UTF-8: they stay as they are, and their rows are refused later."""
    import pyarrow as pa

    for index in range(len(batch)):
        row = batch.slice(index, 1)
        try:
            row.validate(full=True)
            yield _encoder(row.schema)(row.to_pylist()[0])
        except pa.ArrowInvalid:
            raw = row.cast(pa.schema([(field.name, _bytes_type(field.type)) for field in row.schema])).to_pylist()[0]
            text = json.dumps(raw, ensure_ascii=False, default=lambda value: value.decode(errors="surrogateescape"))
            yield text.encode(errors="surrogateescape")


def _bytes_type(kind: Any) -> Any:
    import pyarrow as pa
    from pyarrow import types

    if types.is_list(kind):
        return pa.list_(_bytes_type(kind.value_type))
    if types.is_struct(kind):
        return pa.struct([(field.name, _bytes_type(field.type)) for field in kind])
    if types.is_map(kind):
        return pa.map_(_bytes_type(kind.key_type), _bytes_type(kind.item_type))
    return pa.binary() if types.is_string(kind) else pa.large_binary() if types.is_large_string(kind) else kind


def _base64(value: bytes) -> str:
    import base64

    return base64.b64encode(value).decode()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
