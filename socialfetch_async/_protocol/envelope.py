"""`{"data": ..., "meta": ...}`: every 200 of the vendor, as documented and as it may come instead.

Contract: "a field's absence, a new enum value and an unknown extra field are normal; a broken
envelope is an error". What is missing is only completed where one meaning is possible: a list is
never complete because nothing said that it goes on.
"""

from collections.abc import Callable
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

import msgspec
from msgspec import Raw, Struct, field
from msgspec.json import Decoder

from socialfetch_async._protocol.fields import (
    MISSING,
    MOST_COMMAS,
    Mismatch,
    Reader,
    Rows,
    RowsRead,
    count,
    expected,
    flag,
    kind_of,
    lacks,
    text,
    text_or_number,
)

# No documented page costs more than one credit. A price beyond this is a broken number, and
# believing it would end a job, or its budget, for nothing.
HIGHEST_CREDIBLE_PRICE: Final = 1_000
FOUND: Final = "found"

DataT = TypeVar("DataT")
RowT = TypeVar("RowT")
StructT = TypeVar("StructT", bound=Struct)


class Meta(Struct, rename="camel"):
    """`meta` as documented."""

    request_id: str
    credits_charged: int
    cached: bool = False


class Position(Struct, rename="camel"):
    """`data.page`, the same on every list route of the vendor."""

    has_more: bool
    next_cursor: str | None = None


class Envelope(Struct, Generic[DataT]):
    """An answer as documented."""

    data: DataT
    meta: Meta


class Listing(Protocol[RowT]):
    """`data` of a list, whatever the route calls its rows and its total."""

    @property
    def rows(self) -> list[RowT]: ...
    @property
    def page(self) -> Position: ...
    @property
    def lookup_status(self) -> str: ...
    @property
    def total(self) -> int | None: ...


class Parts(Struct, gc=False):
    """What every paid answer has besides its data; the price is one that can be believed."""

    credits_charged: int
    request_id: str
    cached: bool
    invalid_rows: int = 0


def parts_of(meta: Meta) -> Parts:
    """Return the parts of an answer that is as documented."""
    price = meta.credits_charged
    if not 0 <= price <= HIGHEST_CREDIBLE_PRICE:
        price = 1
    return Parts(price, meta.request_id, meta.cached)


# -- what is not as documented ------------------------------------------------------------------


class _Loose(Struct):
    data: Raw = MISSING
    meta: Raw = MISSING


class _LooseMeta(Struct, rename="camel"):
    request_id: Raw = MISSING
    credits_charged: Raw = MISSING
    cached: Raw = MISSING


class _LoosePosition(Struct, rename="camel"):
    has_more: Raw = MISSING
    next_cursor: Raw = MISSING


class _LooseListing(Protocol):
    rows: Raw
    page: Raw
    lookup_status: Raw
    total: Raw


class Salvaged(NamedTuple, Generic[RowT]):
    """What was read of a list's answer that is not as documented; a `Listing`.

    Attributes:
        problem: What is wrong with the first row that cannot be read.
    """

    rows: list[RowT]
    page: Position
    lookup_status: str
    total: int | None
    parts: Parts
    problem: Mismatch | None


_fields: Final = Decoder(dict[str, Raw])
_loose: Final = Decoder(_Loose)
_loose_meta: Final = Decoder(_LooseMeta)
_loose_position: Final = Decoder(_LoosePosition)


def data_of(body: bytes) -> bytes:
    """Return the `data` of an object as it came.

    Raises:
        Mismatch: There is none.
    """
    data = bytes(_loose.decode(body).data)
    if not data:
        raise lacks("data")
    return data


def meta_of(body: bytes) -> bytes:
    """Return the `meta` of an object as it came; nothing if there is none."""
    return bytes(_loose.decode(body).meta)


def loose_parts(meta: bytes) -> Parts:
    """Read `meta`, or as much of it as there is. A page without a price counts as one credit."""
    if not meta or kind_of(meta) != "object":
        return Parts(1, "", False)
    raw = _loose_meta.decode(meta)
    return Parts(
        _price(bytes(raw.credits_charged)),
        _text_or(bytes(raw.request_id), ""),
        bytes(raw.cached) == b"true",
    )


def price_said(meta: bytes) -> int | None:
    """Return the credits that `meta` says were charged, if it does."""
    if not meta or kind_of(meta) != "object":
        return None
    return _credible(bytes(_loose_meta.decode(meta).credits_charged))


def _price(raw: bytes) -> int:
    said = _credible(raw)
    return 1 if said is None else said


def _credible(raw: bytes) -> int | None:
    try:
        price = count(raw) if kind_of(raw) in {"int", "float"} else -1
    except Mismatch:
        return None
    return price if 0 <= price <= HIGHEST_CREDIBLE_PRICE else None


def _text_or(raw: bytes, otherwise: str) -> str:
    try:
        return text(raw)
    except Mismatch:
        return otherwise


class ListReader(Generic[RowT]):
    """Reads the answers of a list route.

    Args:
        kind: The type of its rows, as msgspec decodes it.
        rows: The field of `data` that holds them.
        total: The field of `data` that counts the whole list, if there is one.
        lookup_status: What it is where the answer has none, for routes that have none.
        loosely: Reads a row that does not decode as documented.

    Attributes:
        strict: Decodes an answer as documented.
        texts: Decodes an answer to its rows as they stand.
        rows: Reads the array of rows.
    """

    def __init__(
        self,
        kind: type[RowT],
        rows: str,
        total: str = "",
        *,
        lookup_status: str | None = None,
        loosely: Callable[[bytes], RowT] | None = None,
    ) -> None:
        status: Any = msgspec.NODEFAULT if lookup_status is None else lookup_status
        data = msgspec.defstruct(
            "ListData",
            [
                ("rows", list[kind], field(name=rows)),  # type: ignore[valid-type]
                ("page", Position),
                ("lookup_status", str, field(name="lookupStatus", default=status)),
                ("total", int | None, field(name=total, default=None)),
            ],
            kw_only=True,
        )
        loose = msgspec.defstruct(
            "LooseListData",
            [
                ("rows", Raw, field(name=rows, default=MISSING)),
                ("page", Raw, MISSING),
                ("lookup_status", Raw, field(name="lookupStatus", default=MISSING)),
                ("total", Raw, field(name=total, default=MISSING)),
            ],
        )
        self.strict: Decoder[Envelope[Listing[RowT]]] = Decoder(Envelope[data])  # type: ignore[valid-type]
        texts = msgspec.defstruct("ListTexts", [("rows", list[Raw], field(name=rows))])
        self.texts: Decoder[Any] = Decoder(msgspec.defstruct("Texts", [("data", texts)]))
        # The struct is made above, so no type checker knows its name.
        self._loose: Decoder[_LooseListing] = Decoder(loose)  # pyright: ignore[reportAttributeAccessIssue]
        self._name = rows
        self._lookup_status = lookup_status
        self.rows = Rows(kind, loosely)

    def salvage(self, body: bytes, *, first: bool) -> Salvaged[RowT]:
        """Read what can be read of an answer that is not as documented.

        Args:
            body: The answer, valid JSON.
            first: Whether it is the first page of its list.

        Raises:
            Mismatch: Its rows, or whether there are more, cannot be read.
        """
        data = data_of(body)
        if kind_of(data) != "object":
            raise expected("object", data).within(".data")
        try:
            raw = self._loose.decode(data)
            rows = bytes(raw.rows)
            status = self._status(bytes(raw.lookup_status), rows)
            total = _count_or_none(bytes(raw.total))
            read = self._rows(rows, status, total)
            all_here = first and total is not None and total <= len(read.rows) + read.invalid
            page = _position(bytes(raw.page), found=status == FOUND, all_here=all_here)
        except Mismatch as error:
            raise error.within(".data") from None
        parts = loose_parts(meta_of(body))
        parts.invalid_rows = read.invalid
        problem = read.problem and read.problem.within(f".data.{self._name}")
        return Salvaged(read.rows, page, status, total, parts, problem)

    def unequivocal(self, body: bytes) -> bytes:
        """Return an answer with each field of it and of its `data` once, as it was read here.

        Of a field that stands twice the last one counts. Whoever reads the answer again, such as
        a journal, may refuse it for the first one.

        Args:
            body: An answer that was read loosely.

        Raises:
            Mismatch: It has too many fields to tell.
        """
        try:
            self.texts.decode(body)
        except msgspec.ValidationError:
            pass
        else:
            return body
        if body.count(b",") > MOST_COMMAS:
            raise Mismatch("too many values to be read one by one")
        answer = _fields.decode(body)
        answer["data"] = Raw(msgspec.json.encode(_fields.decode(answer["data"])))
        return msgspec.json.encode(answer)

    def _status(self, raw: bytes, rows: bytes) -> str:
        if raw[:1] == b'"':
            return text(raw)
        if not raw and self._lookup_status is not None:
            return self._lookup_status
        if kind_of(rows) == "array" and rows[1:].strip() != b"]":
            return FOUND
        raise expected("str", raw).within(".lookupStatus") if raw else lacks("lookupStatus")

    def _rows(self, raw: bytes, status: str, total: int | None) -> RowsRead[RowT]:
        # A server in Go writes an empty list as null, and where there is no list it may be missing.
        if raw[:1] != b"[" and (status != FOUND or (raw in {b"", b"null"} and total == 0)):
            return RowsRead([], 0, None)
        if not raw:
            raise lacks(self._name)
        try:
            return self.rows.read(raw)
        except Mismatch as error:
            raise error.within(f".{self._name}") from None


def _count_or_none(raw: bytes) -> int | None:
    try:
        return count(raw) if raw else None
    except Mismatch:
        return None


def _position(raw: bytes, *, found: bool, all_here: bool) -> Position:
    """Read `data.page`.

    Args:
        raw: What is there.
        found: Whether there is a list at all.
        all_here: Whether this one page has as many rows as the whole list.
    """
    page = _loose_position.decode(raw) if raw and kind_of(raw) == "object" else _LoosePosition()
    has_more, cursor = bytes(page.has_more), bytes(page.next_cursor)
    if not found or (all_here and has_more in {b"", b"null"} and not cursor):
        return Position(has_more == b"true", _cursor_or_none(cursor))
    if not raw:
        raise lacks("page")
    try:
        if kind_of(raw) != "object":
            raise expected("object", raw)
        return _next(has_more, cursor)
    except Mismatch as error:
        raise error.within(".page") from None


def _next(has_more: bytes, cursor: bytes) -> Position:
    """Say whether there is a next page. Contract: none if `hasMore` is false or no cursor comes."""
    more, wrong = None, None
    if has_more not in {b"", b"null"}:
        try:
            more = flag(has_more)
        except Mismatch as error:
            wrong = error.within(".hasMore")
    if more is False:
        return Position(False, _cursor_or_none(cursor))
    if cursor == b"false":  # it was there, and is damaged
        return Position(True)
    if cursor not in {b"", b"null"}:
        try:
            return Position(True, text_or_number(cursor))
        except Mismatch as error:
            raise error.within(".nextCursor") from None
    if more:
        return Position(True)
    if wrong is not None:
        raise wrong
    if not cursor:
        raise lacks("hasMore")
    return Position(False)


def _cursor_or_none(raw: bytes) -> str | None:
    try:
        return text_or_number(raw) if raw else None
    except Mismatch:
        return None


class ValueReader(Generic[StructT]):
    """Reads the answers of a route with one value.

    Attributes:
        strict: Decodes an answer as documented.
    """

    def __init__(self, kind: type[StructT]) -> None:
        self.strict = Decoder(Envelope[kind])  # type: ignore[valid-type]
        self._loosely = Reader(kind)

    def salvage(self, body: bytes) -> tuple[StructT, Parts]:
        """Read what can be read of an answer that is not as documented.

        Raises:
            Mismatch: A required field cannot be read.
        """
        data = data_of(body)
        try:
            return self._loosely(data), loose_parts(meta_of(body))
        except Mismatch as error:
            raise error.within(".data") from None
