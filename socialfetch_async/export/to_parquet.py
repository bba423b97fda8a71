"""Parquet by pyarrow, which comes with the extra `parquet`: typed, compressed with zstd."""

from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, Final

from socialfetch_async._text import install
from socialfetch_async.errors import ExportError
from socialfetch_async.export.columns import COLUMNS
from socialfetch_async.export.lists import Lists

# Rows are Python objects only until a batch is full, and compact columns until a row group is.
# Readers want large groups, memory wants small ones: a million followers take about 100 MB.
BATCH: Final = 2_048
BATCHES_A_GROUP: Final = 12
# Columns whose values repeat. For the others a dictionary would be built and thrown away.
_REPEATING: Final = ["source", "bio", "fetched_at", "first_seen_at", "last_seen_at"]


def write(path: Path, lists: Lists) -> None:
    """Write every row.

    Raises:
        ExportError: pyarrow is not installed.
    """
    pa, parquet = _pyarrow()
    types = {
        "text": pa.string(),
        "int": pa.int64(),
        "bool": pa.bool_(),
        "time": pa.timestamp("us", tz="UTC"),
    }
    schema = pa.schema([pa.field(c.name, types[c.type], nullable=c.nullable) for c in COLUMNS])
    batches = _batches(lists, schema, pa)
    with (
        path.open("wb") as opened,  # pyarrow takes no name that is not UTF-8
        parquet.ParquetWriter(
            opened, schema, compression="zstd", use_dictionary=_REPEATING
        ) as file,
    ):
        while group := list(islice(batches, BATCHES_A_GROUP)):
            file.write_table(pa.Table.from_batches(group))
            del group
            # Arrow keeps what it has freed for later, and the next group comes at once: without
            # this line the peak is twice as high.
            pa.default_memory_pool().release_unused()


def _pyarrow() -> tuple[Any, Any]:
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "pyarrow":
            raise
        raise ExportError(
            f"Parquet needs pyarrow: {install('parquet')}. Nothing was written."
        ) from None


def _batches(lists: Lists, schema: Any, pa: Any) -> Iterator[Any]:
    columns: list[list[Any]] = [[] for _ in COLUMNS]
    for page in lists.pages():
        for column, cells in zip(columns, page.columns(), strict=True):
            column.extend(cells)
        if len(columns[0]) >= BATCH:
            yield _batch(columns, schema, pa)
            columns = [[] for _ in COLUMNS]
    if columns[0]:
        yield _batch(columns, schema, pa)


def _batch(columns: list[list[Any]], schema: Any, pa: Any) -> Any:
    arrays: list[Any] = []
    for at, (cells, field) in enumerate(zip(columns, schema, strict=True)):
        if not pa.types.is_timestamp(field.type):
            arrays.append(pa.array(cells, field.type))
        elif cells == columns[at - 1]:  # most often all times are those of the page
            arrays.append(arrays[-1])
        else:  # as text first, which is fast and understands our times
            arrays.append(pa.array(cells, pa.string()).cast(field.type))
    return pa.record_batch(arrays, schema=schema)
