"""Parquet by pyarrow, which comes with the extra `parquet`: typed, compressed with zstd."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, Final

from socialfetch_async._text import install
from socialfetch_async.errors import ExportError
from socialfetch_async.export.columns import COLUMNS
from socialfetch_async.export.lists import Lists, columns_of

# Rows are Python objects only in their batch, and compact columns until a row group is full.
# Readers want large groups, memory wants small ones: a million followers take about 100 MB.
BATCHES_A_GROUP: Final = 16
# Columns whose values repeat. For the others a dictionary would be built and thrown away.
_REPEATING: Final = ["source", "bio", "fetched_at", "first_seen_at", "last_seen_at"]
# Columns that somebody seeks or sorts by. Lowest and highest values of the others, in each group,
# help no reader, and stay in memory until the file is closed.
_SOUGHT: Final = [
    *("source", "position", "page", "handle", "followers", "following", "platform_user_id"),
    *("fetched_at", "first_seen_at", "last_seen_at"),
]
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


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
    batches = (_batch(columns_of(pages), schema, pa) for pages in lists.batches())
    # Not Arrow's own pool, which keeps what was freed for later, for as much again.
    pool = pa.system_memory_pool()
    with (
        path.open("wb") as opened,  # pyarrow takes no name that is not UTF-8
        parquet.ParquetWriter(
            opened,
            schema,
            compression="zstd",
            use_dictionary=_REPEATING,
            write_statistics=_SOUGHT,
            memory_pool=pool,
        ) as file,
    ):
        while group := list(islice(batches, BATCHES_A_GROUP)):
            file.write_table(pa.Table.from_batches(group))
            del group
            pool.release_unused()


def _pyarrow() -> tuple[Any, Any]:
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "pyarrow":
            raise
        raise ExportError(
            f"Parquet needs pyarrow: {install('parquet')}. Nothing was written."
        ) from None


def _batch(columns: list[Sequence[Any]], schema: Any, pa: Any) -> Any:
    pool = pa.system_memory_pool()
    arrays: list[Any] = []
    for at, (cells, field) in enumerate(zip(columns, schema, strict=True)):
        if not pa.types.is_timestamp(field.type):
            arrays.append(pa.array(cells, field.type, memory_pool=pool))
        elif pa.types.is_timestamp(arrays[-1].type) and cells == columns[at - 1]:
            # Most often all times are those of the page.
            arrays.append(arrays[-1])
        else:
            times = {text: _microseconds(text) for text in set(cells)}
            arrays.append(pa.array([times[text] for text in cells], field.type, memory_pool=pool))
    return pa.record_batch(arrays, schema=schema)


def _microseconds(text: str) -> int:
    """Return a time as Parquet has it. Arrow's own reading of a text loads all that it computes."""
    return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
