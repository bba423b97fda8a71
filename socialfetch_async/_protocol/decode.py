"""What an answer means: a page, a value, or one error of our tree."""

from typing import Final, TypeVar, cast

import msgspec

from socialfetch_async._protocol.ending import ended
from socialfetch_async._protocol.endpoints import ListEndpoint, PageRequests, Request
from socialfetch_async._protocol.envelope import FOUND, loose_parts, meta_of, price_said
from socialfetch_async._protocol.fields import Mismatch, expected
from socialfetch_async._protocol.repair import Damage, is_object, is_valid, repair, repaired
from socialfetch_async._protocol.status import (
    Answer,
    error_said,
    in_words,
    is_about_the_account,
    redirect_error,
    status_error,
)
from socialfetch_async._text import one_line
from socialfetch_async.errors import DecodeError, PayloadError, SocialFetchError
from socialfetch_async.models import ListPage

Result = TypeVar("Result")

_NO_JSON: Final = "the response is not the JSON it should be."
_BEYOND_REPAIR: Final = "the response arrived whole, but is damaged beyond repair."


def decode(
    request: Request[Result], answer: Answer, *, secret: str = ""
) -> Result | SocialFetchError:
    """Return the page or value that the answer is, or the error that it means.

    Errors are returned and not raised: whoever raises them does so where no exception of a lower
    library, which may hold request headers, becomes their context.

    Args:
        request: What was asked.
        answer: What came.
        secret: The API key, cut out of whatever the answer says, in case it is echoed.
    """
    error: SocialFetchError
    if 200 <= answer.status < 300:
        # Cut out of all of it: a page is kept in journals and files as it came.
        body = _without(secret, answer.body)
        result = _success(request, body)
        if not isinstance(result, DecodeError | PayloadError):
            return result
        if isinstance(result, DecodeError) and is_about_the_account(body):
            error = status_error(answer, secret)
        else:
            error = result.at(request_id=one_line(result.request_id) or None)
    elif (page := _page_of_a_refusal(request, answer.status, answer.body, secret)) is not None:
        return page
    elif 300 <= answer.status < 400:
        error = redirect_error(answer, secret)
    else:
        error = status_error(answer, secret)
        if price := _price_of_a_refusal(answer.body):
            error.at(maybe_charged=price)
    return error.at(handle=request.handle, cursor=request.cursor, retry_after=answer.retry_after)


def decode_page(
    endpoint: ListEndpoint[Result], handle: str | None, cursor: str | None, body: bytes
) -> Result | DecodeError | PayloadError:
    """Return the page that a body of success is, or the error that it means.

    A pure function of the body: one that was kept because nobody could read it is read here
    again, by whatever later version can.

    Args:
        endpoint: The list.
        handle: What was asked for.
        cursor: The cursor that was asked for; None is the first page.
        body: The answer as it was received.
    """
    result = _success(PageRequests(endpoint, endpoint.path, handle=handle).at(cursor), body)
    if isinstance(result, DecodeError | PayloadError):
        result.at(handle=handle, cursor=cursor)
    return result


def _without(secret: str, body: bytes) -> bytes:
    return body.replace(secret.encode(), b"[api key]") if secret else body


def _page_of_a_refusal(
    request: Request[Result], status: int, body: bytes, secret: str
) -> Result | None:
    """Return the page that came with the status of a refusal, if it is as documented.

    It has arrived, and its meta says that it was charged. That a list ends, or that there is
    nothing, is not believed of a server that failed.
    """
    if not isinstance(request.endpoint, ListEndpoint):
        return None
    try:
        page = request.endpoint.read(request, _without(secret, body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    came = cast(ListPage, page)
    if status < 500:
        return page if came.rows or came.lookup_status != FOUND else None
    return page if came.rows and ended(came) is None else None


def _price_of_a_refusal(body: bytes) -> int | None:
    """Return the credits that an answer says were charged although it brings nothing."""
    text = repaired(body)
    return None if text is None else price_said(meta_of(text))


def _success(request: Request[Result], body: bytes) -> Result | DecodeError | PayloadError:
    result = _as_far_as_readable(request, body)
    empty = isinstance(result, ListPage) and not result.rows and result.lookup_status == FOUND
    if empty and error_said(body) is not None:  # else the list would seem to end here
        return _decode_error(Mismatch("an error", ".error"), body, repaired(body) or b"")
    return result


def _as_far_as_readable(
    request: Request[Result], body: bytes
) -> Result | DecodeError | PayloadError:
    try:
        return request.endpoint.read(request, body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, Mismatch):
        pass  # the second and the third are not among msgspec's
    try:
        return _salvaged(request, body)
    except RecursionError:  # in a field that nobody reads, just where decoding it is too deep
        return _decode_error(Mismatch("nested too deeply"), body, b"")


def _salvaged(request: Request[Result], body: bytes) -> Result | DecodeError | PayloadError:
    """Read what can be read of an answer that is damaged, or not as documented."""
    text = repair(body)
    if isinstance(text, Damage):
        return _unreadable(text, body)
    try:
        return request.endpoint.salvage(request, text)
    except Mismatch as mismatch:
        if is_object(body):
            return _decode_error(mismatch, body, text)
    # A page of HTML with an object in it is not the API's answer.
    return PayloadError(_NO_JSON, maybe_charged=1)


def _unreadable(damage: Damage, body: bytes) -> DecodeError | PayloadError:
    if damage is Damage.ENDLESS:
        return _decode_error(Mismatch(damage.value), body, b"")
    if damage is Damage.NO_JSON and is_valid(body):
        return _decode_error(expected("object", body.lstrip()), body, b"")
    if damage is Damage.MALFORMED and is_object(body):
        return PayloadError(_BEYOND_REPAIR, whole=True, body=body, maybe_charged=1)
    return PayloadError(_NO_JSON, maybe_charged=1)


def _decode_error(mismatch: Mismatch, body: bytes, text: bytes) -> DecodeError:
    """Return the error of a shape that is wrong, with what could be read of the meta."""
    where = f"${mismatch.path}"
    meta = meta_of(text) if text else b""
    price, request_id = price_said(meta), loose_parts(meta).request_id
    summary = f"the response has not the documented shape at {where}: {mismatch.what}."
    if text and (said := error_said(text)) is not None:
        words = in_words(one_line(said.code), one_line(said.message))
        summary = f"the response has the status of a page, but is an error: {words}."
        request_id = request_id or one_line(said.request_id)
    return DecodeError(
        summary,
        path=where,
        body=body,
        request_id=request_id or None,
        credits_charged=price,
        maybe_charged=1 if price is None else price,
    )
