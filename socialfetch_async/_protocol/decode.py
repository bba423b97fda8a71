"""What an answer means: a page, a value, or one error of our tree."""

import json
from typing import Any, Final

import msgspec

from socialfetch_async._protocol.endpoints import (
    ListEndpoint,
    LooseMeta,
    Request,
    ValueEndpoint,
)
from socialfetch_async.errors import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    DecodeError,
    InsufficientCreditsError,
    InternalServerError,
    LookupFailedError,
    NotFoundError,
    PayloadError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    ServiceUnavailableError,
    SocialFetchError,
    UnexpectedRedirectError,
)

# No documented page costs more than one credit. A price beyond this is a broken number, and
# believing it would end a job, or its budget, for nothing.
HIGHEST_CREDIBLE_PRICE: Final = 1_000


class Answer(msgspec.Struct, frozen=True):
    """What came over the wire, the body decompressed."""

    status: int
    body: bytes
    retry_after: float | None = None
    location_host: str = ""


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
        result = _decode_success(request.endpoint, request, answer.body)
        if isinstance(result, DecodeError):
            result.at(request_id=_text(result.request_id, secret) or None)
    elif 300 <= answer.status < 400:
        # A host is lower case, whatever it was sent as; so is a key in it.
        host = _text(answer.location_host, secret.lower()) or "an unnamed place"
        result = UnexpectedRedirectError(
            f"the API does not redirect, but a {answer.status} to {host} came; it was not followed."
        )
    else:
        result = _status_error(answer, secret)
    if isinstance(result, SocialFetchError):
        result.at(handle=request.handle, cursor=request.cursor, retry_after=answer.retry_after)
    return result


# -- 200 ----------------------------------------------------------------------------------------


def _decode_success(endpoint: ListEndpoint | ValueEndpoint, request: Request, body: bytes) -> Any:
    try:
        return _read(endpoint, request, body)
    except RecursionError:
        return _decode_error("nested too deeply", "$", None)
    except (msgspec.DecodeError, UnicodeDecodeError):  # the second is not one of msgspec's
        repaired = _repaired(body)
    return _no_json() if repaired is None else _read(endpoint, request, repaired)


def _no_json() -> PayloadError:
    return PayloadError("the answer is not the JSON it should be.", maybe_charged=True)


def _read(endpoint: ListEndpoint | ValueEndpoint, request: Request, body: bytes) -> Any:
    try:
        envelope = endpoint.decoder.decode(body)
    except msgspec.ValidationError as error:
        problem = str(error)
    else:
        if isinstance(endpoint, ListEndpoint):
            return _page(endpoint, request, envelope, envelope.data.rows, 0)
        return endpoint.value(envelope.data)
    if isinstance(endpoint, ListEndpoint):
        return _salvaged_page(endpoint, request, body)
    return _wrong_shape(*_what_and_where(problem), body)


def _page(
    endpoint: ListEndpoint, request: Request, envelope: Any, rows: list[Any], invalid_rows: int
) -> Any:
    data, meta = envelope.data, envelope.meta
    price = meta.credits_charged
    assert request.handle is not None
    return endpoint.page_type(
        handle=request.handle,
        cursor=request.cursor,
        lookup_status=data.lookup_status,
        next_cursor=data.page.next_cursor,
        has_more=data.page.has_more,
        credits_charged=price if 0 <= price <= HIGHEST_CREDIBLE_PRICE else 1,
        request_id=meta.request_id,
        cached=meta.cached,
        invalid_rows=invalid_rows,
        **{endpoint.rows_field: rows, endpoint.total_field: data.total},
    )


def _salvaged_page(endpoint: ListEndpoint, request: Request, body: bytes) -> Any:
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
    data, meta = envelope.data, envelope.meta
    data.total = data.total if _is_int(data.total) else None
    # Any price that is not a number of credits counts as one, which is what a page costs.
    meta.credits_charged = meta.credits_charged if _is_int(meta.credits_charged) else 1
    meta.request_id = meta.request_id if isinstance(meta.request_id, str) else ""
    meta.cached = meta.cached is True
    return _page(endpoint, request, envelope, rows, len(data.rows) - len(rows))


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _repaired(body: bytes) -> bytes | None:
    """Make valid JSON text of a body with lone surrogates or bytes that are not UTF-8.

    Servers that cut a name inside an emoji send exactly that, and would at every retry: the page
    is paid for, so it is repaired from the bytes that came. None when it is no JSON at all.
    """
    try:
        parsed = json.loads(body.decode("utf-8-sig", "replace"))
        _drop_broken_cursor(parsed)
        repaired = json.dumps(parsed, ensure_ascii=False).encode("utf-8", "replace")
        msgspec.json.decode(repaired)
    except (ValueError, msgspec.DecodeError, RecursionError):
        return None
    return repaired


def _drop_broken_cursor(parsed: Any) -> None:
    """Remove a next cursor that did not survive: a repaired one would ask for another page.

    The rows are delivered, and the walk ends as `missing_cursor`, which is not silent.
    """
    try:
        page = parsed["data"]["page"]
        cursor = page["nextCursor"]
        if "\ufffd" in cursor or any("\ud800" <= char <= "\udfff" for char in cursor):
            page["nextCursor"] = None
    except (TypeError, KeyError, IndexError):
        return


def _what_and_where(message: str) -> tuple[str, str]:
    """Split msgspec's message, which names types and the path and never the content."""
    what, _, where = message.partition(" - at `")
    return what, where.rstrip("`") or "$"


class _OnlyMeta(msgspec.Struct):
    meta: LooseMeta


_meta_decoder: Final = msgspec.json.Decoder(_OnlyMeta)


def _wrong_shape(what: str, where: str, body: bytes) -> DecodeError | PayloadError:
    repaired = _repaired(body)
    if repaired is None and not _is_nested_deeply(body):
        # A wrong shape shows before the end of the text does: `404 page not found` begins with
        # a number. What is no JSON as a whole is a broken answer, and the next may be whole.
        return _no_json()
    try:
        request_id = _meta_decoder.decode(repaired or b"").meta.request_id
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
        maybe_charged=True,
    )


# -- every other status -------------------------------------------------------------------------

STATUS_ERRORS: Final[dict[int, type[APIStatusError]]] = {
    400: BadRequestError,
    401: AuthenticationError,
    402: InsufficientCreditsError,
    403: PermissionDeniedError,
    404: NotFoundError,
    429: RateLimitError,
    500: InternalServerError,
    502: LookupFailedError,
    503: ServiceUnavailableError,
}
# "500: Unexpected or billing error": the vendor does not say whether it billed. 502 and 503 are
# documented as not charged; other 5xx are not documented at all.
_NOT_CHARGED: Final = {502, 503}


class _ErrorBody(msgspec.Struct, rename="camel"):
    code: Any = None
    message: Any = None
    request_id: Any = None
    checkout_url: Any = None


class _ErrorEnvelope(msgspec.Struct):
    error: _ErrorBody


_error_decoder: Final = msgspec.json.Decoder(_ErrorEnvelope)


def _status_error(answer: Answer, secret: str) -> APIStatusError:
    """Make the error of a status. The body may be the vendor's, a proxy's HTML, or nothing."""
    try:
        said = _error_decoder.decode(_repaired(answer.body) or b"").error
    except msgspec.DecodeError:
        said = _ErrorBody()
    status = answer.status
    code = _text(said.code, secret) or None
    message = _text(said.message, secret)
    quoted = f' ("{message}")' if message else ""
    extra: dict[str, Any] = {}
    if status == 402:
        extra["checkout_url"] = _text(said.checkout_url, secret) or None
    kind = STATUS_ERRORS.get(status) or (ServerError if status >= 500 else APIStatusError)
    return kind(
        f"the API answered {status}{f' {code}' if code else ''}{quoted}.",
        status=status,
        code=code,
        message=message,
        request_id=_text(said.request_id, secret) or None,
        maybe_charged=status >= 500 and status not in _NOT_CHARGED,
        **extra,
    )


def _text(value: object, secret: str) -> str:
    """One line of what an answer says, short, and without the key in case it is echoed."""
    if not isinstance(value, str):
        return ""
    printable = "".join(char if char.isprintable() else " " for char in value)
    return (printable.replace(secret, "[api key]") if secret else printable)[:500]
