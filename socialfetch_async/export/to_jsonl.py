"""JSON lines: a follower a line, nested as the Struct, plain or with gzip.

The names are snake_case and not the API's: `socialfetch followers` writes these, the Struct has
them, and the other formats too, so that a query needs one spelling. What the API sent besides
stands under `extra` as it came; the rows as they came are in the journal.
"""

import gzip
from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import msgspec

from socialfetch_async.export.lists import Lists, Page
from socialfetch_async.export.rows import Row
from socialfetch_async.models import Follower

_NAMES: Final = Follower.__struct_fields__
_values: Final[Callable[[Follower], tuple[Any, ...]]] = attrgetter(*_NAMES)
_encoder: Final = msgspec.json.Encoder()


def write(path: Path, lists: Lists) -> None:
    """Write every row as a line."""
    with path.open("wb") as file:
        file.writelines(blocks(lists))


def write_gzip(path: Path, lists: Lists) -> None:
    """Write every row as a line, compressed; without name and time, so that bytes are the same."""
    with (
        path.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0) as packed,
    ):
        packed.writelines(blocks(lists))


def blocks(lists: Lists) -> Iterator[bytes]:
    """Yield the lines of page after page."""
    return (
        _encoder.encode_lines([_line(page, row) for row in page.rows]) for page in lists.pages()
    )


def _line(page: Page, row: Row) -> dict[str, Any]:
    return {
        "source": page.source,
        "position": page.position + row.at,
        "page": page.number,
        **account(row.follower),
        "extra": row.extra,
        "fetched_at": page.fetched_at,
    }


def account(follower: Follower) -> dict[str, Any]:
    """Return a follower as the dict that a line holds; what is nested has these names already."""
    return dict(zip(_NAMES, _values(follower), strict=True))
