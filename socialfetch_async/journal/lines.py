"""The lines of a journal: JSON objects, told apart by `type`.

A type or a field that a later version adds is ignored. What would change the meaning of what is
there raises `VERSION`, and is refused. The last field of each line is the checksum of the text
before it.
"""

from base64 import b64decode, b64encode
from codecs import utf_8_decode
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Generic, Literal, NamedTuple, TypeVar
from zlib import crc32

import msgspec
from msgspec import Meta, Raw, Struct
from msgspec.structs import force_setattr, replace

from socialfetch_async._protocol.decode import decode_page
from socialfetch_async._protocol.ending import ended
from socialfetch_async._protocol.endpoints import FOLLOWERS, FOLLOWERS_READER
from socialfetch_async._protocol.repair import repaired
from socialfetch_async._version import __version__
from socialfetch_async.errors import BadRequestError, PaginationError, SocialFetchError
from socialfetch_async.events import HandleDone, is_ours
from socialfetch_async.journal.first_seen import FirstSeen
from socialfetch_async.models import Follower, FollowersPage

VERSION: Final = 2
HEADER_BEGINS: Final = b'{"type":"header",'

Kind = Literal["first", "new", "all"]
Rows = TypeVar("Rows")


class _Line(Struct, frozen=True, kw_only=True, tag_field="type"):
    at: Annotated[datetime, Meta(tz=True)]


class Header(_Line, frozen=True, kw_only=True, tag="header"):
    """The first line of the file."""

    version: int = VERSION
    made_by: str = f"socialfetch-async/{__version__}"
    origin: str | None = None


class Work(_Line, frozen=True, kw_only=True, tag="work"):
    """A piece of work, once for each call of it: the first collection, or a refresh.

    Attributes:
        work: Its name, which is also that of the readings begun in it.
        handles: How many handles were asked for; None if nobody said.
    """

    work: str
    kind: Kind
    handles: int | None = None


class Finished(_Line, frozen=True, kw_only=True, tag="finished"):
    """A refresh is finished: the next one is another piece of work."""

    work: str


class Open(_Line, frozen=True, kw_only=True, tag="open"):
    """A process begins to fetch; until its `close` so many pages may be on their way.

    Attributes:
        work: The piece of work that it does, and its `kind`: should the line of that be lost, it
            goes on all the same.
    """

    pid: int | None = None
    concurrency: int | None = None
    work: str | None = None
    kind: Kind | None = None


class Close(_Line, frozen=True, kw_only=True, tag="close"):
    """It ended in an orderly way; `maybe_charged` are credits, `retries` attempts, since `open`."""

    maybe_charged: int
    retries: int = 0


class MaybeCharged(_Line, frozen=True, kw_only=True, tag="maybe_charged"):
    """What may have been charged besides the pages, in credits, since the last `open`."""

    maybe_charged: int


class BalanceLine(_Line, frozen=True, kw_only=True, tag="balance"):
    """The account's balance in credits, when nothing was on its way.

    Attributes:
        credits_charged: What all journals of the batch had confirmed by then; None if nobody said.
        maybe_charged: What may have been charged besides.
    """

    balance: int
    credits_charged: int | None = None
    maybe_charged: int = 0


class Settled(_Line, frozen=True, kw_only=True, tag="settled"):
    """All sessions before it may have charged no more than this, in credits."""

    maybe_charged: int


class WrittenFile(_Line, frozen=True, kw_only=True, tag="written"):
    """A file that was written from the journal.

    Attributes:
        at: When; UTC.
        path: Where it is, absolute.
        size: In bytes.
        digest: What tells it from another file of that size.
        options: What it was written with, as its writer calls it.
    """

    path: str
    size: int
    digest: str
    options: str = ""


class HandleLine(_Line, frozen=True, kw_only=True, tag="handle"):
    """A `HandleDone`; the counts are those of the run that it ended in.

    Attributes:
        reading: Which reading of the list it is about.
        reason: Why it cannot go on: that of a `PaginationError`, or `refused` by the API.
    """

    handle: str
    status: str
    reading: str | None = None
    lookup_status: str | None = None
    reason: str | None = None
    cursor: str | None = None
    pages: int = 0
    followers: int = 0
    credits_charged: int = 0
    error: str | None = None


class Unread(_Line, frozen=True, kw_only=True, tag="unread"):
    """A paid answer that could not be decoded, as text or, where it is none, in base 64."""

    handle: str
    cursor: str | None
    reading: str
    text: str | None = None
    base64: str | None = None

    @property
    def body(self) -> bytes:
        """The answer as it was received."""
        if self.text is not None:
            return self.text.encode()
        return b64decode(self.base64 or "")


_UNAVAILABLE: Final = "unavailable:"


class PageFields(_Line, frozen=True, kw_only=True, tag="page"):
    """What the line of a page has beside its rows.

    Attributes:
        reading: The reading it belongs to: one walk of the list from its top.
        met: The older reading that goes on behind this page, which brought nobody new.
        new_rows: Rows that the older reading does not have; None in a walk of the whole list.
    """

    handle: str
    reading: str
    met: str | None = None
    new_rows: int | None = None
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
        """How a list ends on this page; None if it does not.

        For a profile without a list it is the API's word, written so that it differs from ours.
        """
        end = ended(self)
        return f"{_UNAVAILABLE}{self.lookup_status}" if end == "unavailable" else end


def unavailable(ending: str) -> tuple[str, str]:
    """Return the status and the vendor's word of a page that ended as one without a list."""
    said = ending.removeprefix(_UNAVAILABLE)
    return ("unavailable" if is_ours(said) else said), said


class _Data(Struct, Generic[Rows]):
    followers: Rows


class _Answer(Struct, Generic[Rows]):
    data: _Data[Rows]


class Answered(Struct, Generic[Rows]):
    """The line of a page, of which only the rows are read."""

    answer: _Answer[Rows]

    @property
    def rows(self) -> Rows:
        """The rows."""
        return self.answer.data.followers


class PageHead(PageFields, frozen=True, kw_only=True, tag="page"):
    """The line of a page whose rows are only counted."""

    answer: _Answer[list[Raw]]


class SavedPage(PageFields, frozen=True, kw_only=True, tag="page"):
    """One page of a journal: its request, its time, and the rows as received.

    Attributes:
        at: When it was saved; UTC.
        handle: The handle that was asked for.
        reading: The pass over the list that it belongs to.
        cursor: The cursor that was asked for; None is the first page.
        lookup_status: `found`, `hidden`, `private`, `not_found`, or a later value.
        next_cursor: The cursor of the next page.
        has_more: Whether the API said that another page exists.
        total_followers: The API's count for the profile, or None.
        credits_charged: Price of this page in credits.
        request_id: The API's id of this response.
        cached: Whether the response came from the API's cache.
        invalid_rows: Rows in `raw_followers` that are not valid, and not in `followers`.
    """

    line: bytes = b""  # with the answer, whose rows are read when they are used
    earlier: FirstSeen | None = None  # where older readings may have had its followers

    @property
    def raw_followers(self) -> Raw:
        """The JSON array as received, with every field the vendor sent."""
        return _answered.decode(self.line).rows

    @property
    def followers(self) -> list[Follower]:
        """The followers, decoded at each use. Invalid rows are skipped, as the client did."""
        return FOLLOWERS_READER.rows.read(bytes(self.raw_followers)).rows

    def names(self) -> list[str]:
        """Return the handles in the rows; a row without one is skipped."""
        try:
            return [row.handle for row in _all_names.decode(self.raw_followers)]
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
        rows = map(_name_of, _raw_rows.decode(self.raw_followers))
        return [name for name in rows if name is not None]

    def first_seen_at(self, handle: str) -> datetime:
        """Return when the first page was saved, in any reading, that had this follower; UTC."""
        first = None if self.earlier is None else self.earlier.at(handle)
        at = self.at
        return at if first is None else min(at, datetime.fromtimestamp(first, UTC))

    def last_seen_at(self, handle: str) -> datetime:  # noqa: ARG002 - the counterpart of the above
        """Return when the last page was saved that had this follower; UTC."""
        return self.at


class _Name(Struct):
    handle: str


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


OtherLine = (
    Header
    | Work
    | Finished
    | Open
    | Close
    | MaybeCharged
    | BalanceLine
    | Settled
    | WrittenFile
    | HandleLine
    | Unread
)
Line = OtherLine | PageHead


class _AnyLine(Struct):
    type: str
    version: Any = None


_all_names: Final = msgspec.json.Decoder(list[_Name])
_name: Final = msgspec.json.Decoder(_Name)
_raw_rows: Final = msgspec.json.Decoder(list[Raw])
_any_line: Final = msgspec.json.Decoder(_AnyLine)
_line: Final[msgspec.json.Decoder[Line]] = msgspec.json.Decoder(Line)
_unread: Final = msgspec.json.Decoder(Unread)
_UNREAD_BEGINS: Final = b'{"type":"unread",'
_TYPES: Final = {
    *("header", "work", "finished", "open", "close", "maybe_charged", "balance", "settled"),
    *("written", "handle", "unread", "page"),
}
_counted: Final = msgspec.json.Decoder(_Answer[list[Raw]])
_answered: Final = msgspec.json.Decoder(Answered[Raw])
_saved_page: Final = msgspec.json.Decoder(SavedPage)
_encoder: Final = msgspec.json.Encoder()
_PART: Final = 1 << 13  # bytes
_ANSWER: Final = b',"answer":'
_CRC: Final = b',"crc":"%08x"}'
_CRC_LENGTH: Final = len(_CRC % 0)


def encode(line: "OtherLine | PageLine") -> list[bytes]:
    """Return a line as it stands in the file, in pieces: an answer is not copied."""
    if isinstance(line, PageLine):
        pieces = [_encoder.encode(line.fields)[:-1], _ANSWER, line.answer]
    else:
        pieces = [_encoder.encode(line)[:-1]]
    crc = 0
    for piece in pieces:
        crc = crc32(piece, crc)
    return [*pieces, _CRC % crc + b"\n"]


def parse(text: bytes) -> Line | None:
    """Return what a line says, the rows of a page only counted; None for a type of later days.

    Raises:
        ValueError: It is not a line of a journal, or not as it was written.
    """
    _check(text)
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


def _check(text: bytes) -> None:
    # A copy may have been given the line breaks of another system.
    end = len(text) - (2 if text.endswith(b"\r\n") else text.endswith(b"\n"))
    begin = end - _CRC_LENGTH
    if begin < 0 or text[begin:end] != _CRC % crc32(memoryview(text)[:begin]):
        raise ValueError("not as it was written")


def parse_page(text: bytes) -> "SavedPage":
    """Return a page with its rows; an answer that was not read before is read again.

    Raises:
        ValueError: It is not the line of a page.
    """
    try:
        _check(text)
        if text.startswith(_UNREAD_BEGINS):
            read_again = page_of(_unread.decode(text))
            assert read_again is not None
            text = b"".join(encode(read_again))
        # Nothing behind the fields is looked at: no text in them can hold these bytes.
        end = text.find(_ANSWER)
        page = _saved_page.decode(text if end < 0 else text[:end] + b"}")
        force_setattr(page, "line", text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, AssertionError):
        raise ValueError("not the line of a page") from None
    return page


def version_of(first_line: bytes) -> Any:
    """Return the version in the first line of a file; None when it is not a header."""
    try:
        line = _any_line.decode(first_line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return line.version if line.type == "header" else None


def without(page: SavedPage, names: set[str], earlier: FirstSeen) -> SavedPage:
    """Return a page without some followers, that knows when others of it were first seen."""
    line = page.line
    if names:
        rows = [raw for raw in _raw_rows.decode(page.raw_followers) if _name_of(raw) not in names]
        line = _encoder.encode(Answered(_Answer(_Data(rows))))
    return replace(page, line=line, earlier=earlier)


def _name_of(raw: Raw) -> str | None:
    try:
        return _name.decode(raw).handle
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def page_line(
    page: FollowersPage,
    at: datetime,
    reading: str,
    *,
    met: str | None = None,
    new_rows: int | None = None,
) -> PageLine:
    """Return the line of a page that was received."""
    answer, invalid_rows = _one_line(page.body), page.invalid_rows
    if answer is None or not (page.followers or invalid_rows or _has_rows(answer)):
        # Made by hand, or cut: encoded again, only followers are left. Or a profile without a
        # list whose answer has null in the place of one.
        answer, invalid_rows = _encoder.encode({"data": {"followers": page.followers}}), 0
    return PageLine(
        PageFields(
            at=at,
            handle=page.handle,
            reading=reading,
            met=met,
            new_rows=new_rows,
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


def handle_line(done: HandleDone, at: datetime, reading: str) -> HandleLine:
    """Return the line of a handle that has ended."""
    return HandleLine(
        at=at,
        handle=done.handle,
        status=done.status,
        reading=reading,
        lookup_status=done.lookup_status,
        reason=_reason(done.error),
        cursor=done.cursor,
        pages=done.pages,
        followers=done.followers,
        credits_charged=done.credits_charged,
        error=None if done.error is None else str(done.error),
    )


def _reason(error: SocialFetchError | None) -> str | None:
    if isinstance(error, PaginationError):
        return error.reason
    refused = isinstance(error, BadRequestError) and error.cursor is not None
    return "refused" if refused else None


def unread_line(handle: str, cursor: str | None, body: bytes, at: datetime, reading: str) -> Unread:
    """Return the line of a paid answer that could not be decoded."""
    try:
        text, packed = body.decode(), None
    except UnicodeDecodeError:
        text, packed = None, b64encode(body).decode()
    return Unread(at=at, handle=handle, cursor=cursor, reading=reading, text=text, base64=packed)


def page_of(line: Unread) -> PageLine | None:
    """Return the page in an answer that could not be decoded when it came, if it can be now."""
    page = decode_page(FOLLOWERS, line.handle, line.cursor, line.body)
    return page_line(page, line.at, line.reading) if isinstance(page, FollowersPage) else None


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


def _has_rows(answer: bytes) -> bool:
    try:
        _counted.decode(answer)
    except msgspec.ValidationError:
        return False
    return True


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
