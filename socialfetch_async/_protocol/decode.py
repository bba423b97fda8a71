"""What an answer means: a page, a value, or one error of our tree."""

from typing import Any, Final

import msgspec

from socialfetch_async._protocol.endpoints import (
    ListEndpoint,
    LooseMeta,
    PageRequests,
    Parts,
    Request,
)
from socialfetch_async._protocol.repair import repaired
from socialfetch_async._protocol.status import Answer, redirect_error, status_error
from socialfetch_async._text import one_line
from socialfetch_async.errors import DecodeError, PayloadError, SocialFetchError
from socialfetch_async.models import ListPage

# No documented page costs more than one credit. A price beyond this is a broken number, and
# believing it would end a job, or its budget, for nothing.
HIGHEST_CREDIBLE_PRICE: Final = 1_000


def decode(request: Request, answer: Answer, *, secret: str = "") -> Any:
    """Return the page or value that the answer is, or the error that it means.

    Errors are returned and not raised: whoever raises them does so where no exception of a lower
    library, which may hold request headers, becomes their context.

    Args:
        request: What was asked.
        answer: What came.
        secret: The API key, cut out of whatever an error answer says.
    """
    if 200 <= answer.status < 300:
        result = _success(request, answer.body)
        if not isinstance(result, SocialFetchError):
            return result
        result.at(request_id=one_line(result.request_id, secret) or None)
    elif 300 <= answer.status < 400:
        result = redirect_error(answer, secret)
    else:
        result = status_error(answer, secret)
    return result.at(handle=request.handle, cursor=request.cursor, retry_after=answer.retry_after)


def decode_page(
    endpoint: ListEndpoint, handle: str | None, cursor: str | None, body: bytes
) -> ListPage | DecodeError | PayloadError:
    """Return the page that a body of success is, or the error that it means.

    A pure function of the body: one that was kept because nobody could read it is read here
    again, by whatever later version can.

    Args:
        endpoint: The list.
        handle: What was asked for.
        cursor: The cursor that was asked for; None is the first page.
        body: The answer as it was received.
    """
    request = PageRequests(endpoint, endpoint.path, handle=handle).at(cursor)
    result: ListPage | DecodeError | PayloadError = _success(request, body)
    if isinstance(result, DecodeError | PayloadError):
        result.at(handle=handle, cursor=cursor)
    return result


def _success(request: Request, body: bytes) -> Any:
    try:
        return _read(request, body)
    except RecursionError:
        return _decode_error("nested too deeply", "$", None)
    except (msgspec.DecodeError, UnicodeDecodeError):  # the second is not one of msgspec's
        text = repaired(body)
    return _no_json() if text is None else _read(request, text)


def _no_json() -> PayloadError:
    return PayloadError("the answer is not the JSON it should be.", maybe_charged=1)


def _read(request: Request, body: bytes) -> Any:
    endpoint = request.endpoint
    try:
        envelope = endpoint.decoder.decode(body)
    except msgspec.ValidationError as error:
        problem = str(error)
    else:
        if isinstance(endpoint, ListEndpoint):
            return _page(request, endpoint, body, envelope, envelope.data.rows)
        return endpoint.value(request, envelope.data, _parts(_tidied(envelope.meta)))
    if isinstance(endpoint, ListEndpoint):
        return _salvaged_page(request, endpoint, body, problem)
    return _wrong_shape(*_what_and_where(problem), body)


def _page(
    request: Request, endpoint: ListEndpoint, body: bytes, envelope: Any, rows: list[Any]
) -> ListPage:
    data = envelope.data
    parts = _parts(envelope.meta)
    parts.invalid_rows = len(data.rows) - len(rows)
    page = endpoint.page(request, data, rows, parts)
    page.__dict__["body"] = body  # pyright: ignore[reportIndexIssue] - it has one of its own
    return page


def _parts(meta: Any) -> Parts:
    price = meta.credits_charged
    if not 0 <= price <= HIGHEST_CREDIBLE_PRICE:
        price = 1
    return Parts(price, meta.request_id, meta.cached)


def _salvaged_page(request: Request, endpoint: ListEndpoint, body: bytes, problem: str) -> Any:
    """Decode a page row by row: what is a row is delivered, what is not is counted."""
    try:
        envelope = endpoint.loose_decoder.decode(body)
    except msgspec.ValidationError as error:
        return _wrong_shape(*_what_and_where(str(error)), body)
    rows: list[Any] = []
    for raw in envelope.data.rows:
        try:
            rows.append(endpoint.row_decoder.decode(raw))
        except msgspec.ValidationError:
            continue
    data = envelope.data
    if data.rows and not rows and request.handle is None and request.page == 1:
        # Rows of the caller's own: their type is wrong, and six pages later that would be less
        # plain and have cost six times as much.
        return _wrong_shape(*_what_and_where(problem), body)
    data.total = data.total if _is_int(data.total) else None
    _tidied(envelope.meta)
    return _page(request, endpoint, body, envelope, rows)


def _tidied(meta: LooseMeta) -> LooseMeta:
    # Any price that is not a number of credits counts as one, which is what a page costs.
    meta.credits_charged = meta.credits_charged if _is_int(meta.credits_charged) else 1
    meta.request_id = meta.request_id if isinstance(meta.request_id, str) else ""
    meta.cached = meta.cached is True
    return meta


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _what_and_where(message: str) -> tuple[str, str]:
    """Split msgspec's message, which names types and the path and never the content."""
    what, _, where = message.partition(" - at `")
    return what, where.rstrip("`") or "$"


class _OnlyMeta(msgspec.Struct):
    meta: LooseMeta


_meta_decoder: Final = msgspec.json.Decoder(_OnlyMeta)


def _wrong_shape(what: str, where: str, body: bytes) -> DecodeError | PayloadError:
    text = repaired(body)
    if text is None and not _is_nested_deeply(body):
        # A wrong shape shows before the end of the text does: `404 page not found` begins with
        # a number. What is no JSON as a whole is a broken answer, and the next may be whole.
        return _no_json()
    try:
        request_id = _meta_decoder.decode(text or b"").meta.request_id
    except msgspec.DecodeError:
        request_id = None
    return _decode_error(what, where, request_id if isinstance(request_id, str) else None)


def _is_nested_deeply(body: bytes) -> bool:
    try:
        msgspec.json.decode(body)
    except RecursionError:
        return True
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    return False


def _decode_error(what: str, where: str, request_id: str | None) -> DecodeError:
    return DecodeError(
        f"the answer has not the documented shape at {where}: {what}.",
        path=where,
        request_id=request_id,
        maybe_charged=1,
    )
