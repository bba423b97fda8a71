"""The lines of a journal: JSON objects, told apart by `type`.

A type or a field that a later version adds is ignored. What would change the meaning of what is
there raises `VERSION`, and is refused.
"""

from codecs import utf_8_decode
from datetime import datetime
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import Meta, Raw, Struct

from socialfetch_async._protocol.endpoints import FOLLOWERS_READER
from socialfetch_async._protocol.repair import repaired
from socialfetch_async._version import __version__
from socialfetch_async.events import HandleDone
from socialfetch_async.models import Follower, FollowersPage

VERSION: Final = 1
HEADER_BEGINS: Final = b'{"type":"header",'


class _Line(Struct, frozen=True, kw_only=True, tag_field="type"):
    at: Annotated[datetime, Meta(tz=True)]


class Header(_Line, frozen=True, kw_only=True, tag="header"):
    """The first line of the file."""

    version: int = VERSION
    made_by: str = f"socialfetch-async/{__version__}"


class Open(_Line, frozen=True, kw_only=True, tag="open"):
    """A process begins to fetch; until its `close` so many pages may be on their way."""

    pid: int | None = None
    concurrency: int | None = None


class Close(_Line, frozen=True, kw_only=True, tag="close"):
    """It ended in an orderly way; `maybe_charged` are credits, since its `open`."""

    maybe_charged: int


class MaybeCharged(_Line, frozen=True, kw_only=True, tag="maybe_charged"):
    """What may have been charged besides the pages, in credits, since the last `open`."""

    maybe_charged: int


class HandleLine(_Line, frozen=True, kw_only=True, tag="handle"):
    """A `HandleDone`; the counts are those of the run that it ended in."""

    handle: str
    status: str
    cursor: str | None = None
    pages: int = 0
    followers: int = 0
    credits_charged: int = 0
    error: str | None = None


class PageFields(_Line, frozen=True, kw_only=True, tag="page"):
    """What the line of a page has beside its rows."""

    handle: str
    cursor: str | None
    lookup_status: str
    next_cursor: str | None
    has_more: bool
    total_followers: int | None
    credits_charged: int
    request_id: str = ""
    cached: bool = False
    invalid_rows: int = 0

    @property
    def ended(self) -> str | None:
        """The status that a list ends with on this page; None when it goes on."""
        if self.lookup_status != "found":
            return self.lookup_status
        if not self.has_more:
            return "complete"
        return None if self.next_cursor else "missing_cursor"


class _Data(Struct):
    followers: Raw


class _Answer(Struct):
    data: _Data


class _CountedData(Struct):
    followers: list[Raw]


class _CountedAnswer(Struct):
    data: _CountedData


class PageHead(PageFields, frozen=True, kw_only=True, tag="page"):
    """The line of a page whose rows are only counted."""

    answer: _CountedAnswer


class SavedPage(PageFields, frozen=True, kw_only=True, tag="page"):
    """One page of a journal: what was asked, what came, when, and the rows as received.

    Attributes:
        at: When it was saved; UTC.
        handle: The handle that was asked for.
        cursor: The cursor that was asked for; None is the first page.
        lookup_status: `found`, `hidden`, `private`, `not_found`, or a later value.
        next_cursor: What to ask for next.
        has_more: Whether the API said that another page exists.
        total_followers: The API's count for the profile, or None.
        credits_charged: Price of this page in credits.
        request_id: The vendor's id of this answer.
        cached: Whether the vendor answered from its cache.
        invalid_rows: Rows in `raw_followers` that are not valid, and not in `followers`.
    """

    answer: _Answer

    @property
    def raw_followers(self) -> Raw:
        """The JSON array as received, with every field the vendor sent."""
        return self.answer.data.followers

    @property
    def followers(self) -> list[Follower]:
        """The followers, decoded at each use. Invalid rows are skipped, as the client did."""
        return FOLLOWERS_READER.rows.read(bytes(self.raw_followers)).rows


class PageLine(NamedTuple):
    """The line of a page that is to be written.

    Attributes:
        fields: What it has beside the answer.
        answer: The body as it was received, on one line.
        rows: Followers on it.
    """

    fields: PageFields
    answer: bytes
    rows: int

    @property
    def at(self) -> datetime:
        """When it was saved."""
        return self.fields.at


Line = Header | Open | Close | MaybeCharged | HandleLine | PageHead


class _AnyLine(Struct):
    type: str
    version: Any = None


_any_line: Final = msgspec.json.Decoder(_AnyLine)
_line: Final[msgspec.json.Decoder[Line]] = msgspec.json.Decoder(Line)
_saved_page: Final = msgspec.json.Decoder(SavedPage)
_encoder: Final = msgspec.json.Encoder()
_PART: Final = 1 << 13  # bytes
_TYPES: Final = {"header", "open", "close", "maybe_charged", "handle", "page"}


def encode(line: "_Line | PageLine") -> list[bytes]:
    """Return a line as it stands in the file, in pieces: an answer is not copied."""
    if isinstance(line, PageLine):
        return [_encoder.encode(line.fields)[:-1], b',"answer":', line.answer, b"}\n"]
    return [_encoder.encode(line), b"\n"]


def parse(text: bytes) -> Line | None:
    """Return what a line says, the rows of a page only counted; None for a type of later days.

    Raises:
        ValueError: It is not a line of a journal.
    """
    try:
        return _line.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        known = _any_line.decode(text).type in _TYPES
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        known = True
    if known:
        raise ValueError("not a line of a journal")
    return None


def parse_page(text: bytes) -> SavedPage:
    """Return a page with its rows.

    Raises:
        ValueError: It is not the line of a page.
    """
    try:
        return _saved_page.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("not the line of a page") from None


def version_of(first_line: bytes) -> Any:
    """Return the version in the first line of a file; None when it is not a header."""
    try:
        line = _any_line.decode(first_line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return line.version if line.type == "header" else None


def page_line(page: FollowersPage, at: datetime) -> PageLine:
    """Return the line of a page that was received."""
    answer, invalid_rows = _one_line(page.body), page.invalid_rows
    if answer is None:
        # Made by hand, or cut: encoded again, only followers are left.
        answer, invalid_rows = _encoder.encode({"data": {"followers": page.followers}}), 0
    return PageLine(
        PageFields(
            at=at,
            handle=page.handle,
            cursor=page.cursor,
            lookup_status=page.lookup_status,
            next_cursor=page.next_cursor,
            has_more=page.has_more,
            total_followers=page.total_followers,
            credits_charged=page.credits_charged,
            request_id=page.request_id,
            cached=page.cached,
            invalid_rows=invalid_rows,
        ),
        answer,
        len(page.followers),
    )


def handle_line(done: HandleDone, at: datetime) -> HandleLine:
    """Return the line of a handle that has ended."""
    return HandleLine(
        at=at,
        handle=done.handle,
        status=done.outcome,
        cursor=done.cursor,
        pages=done.pages,
        followers=done.followers,
        credits_charged=done.credits_charged,
        error=None if done.error is None else str(done.error),
    )


def _one_line(body: bytes | None) -> bytes | None:
    """Return an answer as one line of valid UTF-8; None when there is none.

    The decoder looks at nothing in a field it skips but its end, so unknown fields may hold bytes
    that are not UTF-8. Line breaks can only stand between tokens: inside they are escaped.
    """
    if body is not None and not body.isascii() and not _is_utf8(body):
        body = repaired(body)
    if body is not None and (b"\n" in body or b"\r" in body):
        body = body.replace(b"\n", b" ").replace(b"\r", b" ")
    return body


def _is_utf8(body: bytes) -> bool:
    # In parts: a whole answer as text takes new memory from the system each time.
    whole, at = memoryview(body), 0
    try:
        while at < len(body):
            end = at + _PART
            at += utf_8_decode(whole[at:end], "strict", end >= len(body))[1]
    except UnicodeDecodeError:
        return False
    return True
