"""JSON lines: a follower a line, nested as the Struct, plain or with gzip.

The names are snake_case and not the API's: `socialfetch followers` writes these, the Struct has
them, and the other formats too, so that a query needs one spelling. What the API sent besides
stands under `extra` as it came; the rows as they came are in the journal.
"""

import gzip
from collections.abc import Callable, Iterator
from itertools import repeat
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import msgspec

from socialfetch_async.export.lists import Lists, Page
from socialfetch_async.models import Follower

_NAMES: Final = Follower.__struct_fields__
_values: Final[Callable[[Follower], tuple[Any, ...]]] = attrgetter(*_NAMES)
# As a Struct and not as a dict, which takes twice the time.
_Line: Final = msgspec.defstruct(
    "_Line",
    ["source", "position", "page", *_NAMES, "extra", "fetched_at", "first_seen_at", "last_seen_at"],
    gc=False,
)
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
    return (_encoder.encode_lines(_lines(page)) for page in lists.pages() if page.rows.followers)


def _lines(page: Page) -> list[Any]:
    followers, places, extras, _ = page.rows
    return list(
        map(
            _Line,
            repeat(page.source),
            [page.position + at for at in places],
            repeat(page.number),
            *zip(*map(_values, followers), strict=True),
            extras,
            repeat(page.fetched_at),
            page.first_seen(),
            repeat(page.fetched_at),
        )
    )


def account(follower: Follower) -> dict[str, Any]:
    """Return a follower as the dict that a line holds; what is nested has these names already."""
    return dict(zip(_NAMES, _values(follower), strict=True))
