"""Which HTTP response each error is, for the HTTP client of a server that uses this library."""

import math
from typing import Final, NamedTuple

import msgspec

from socialfetch_async import errors
from socialfetch_async.errors import InvalidHandleError, ProfileUnavailableError, SocialFetchError
from socialfetch_async.web._requests import InvalidRequestError

# As long as the circuit breaker waits at most for its next probe.
_RETRY_AFTER: Final = 5.0


class Row(NamedTuple):
    """What an error means for whoever asked this server.

    Attributes:
        status: The HTTP status.
        code: What a program branches on.
        message: What a person reads; None: the error's own text, which quotes only the request.
        passing: Whether the same request may succeed soon: then the answer says when to retry.
    """

    status: int
    code: str
    message: str | None
    passing: bool = False


class ErrorBody(msgspec.Struct, frozen=True):
    """`{"code", "message"}`: the same in the response of an error and at the end of a list."""

    code: str
    message: str


class ErrorAnswer(NamedTuple):
    """The HTTP response for an error.

    Attributes:
        status: The HTTP status.
        error: The code and the message.
        retry_after: Seconds after which the same request may succeed; None if it will not.
    """

    status: int
    error: ErrorBody
    retry_after: int | None

    @property
    def headers(self) -> dict[str, str]:
        """Content-Type and, if a retry helps, Retry-After."""
        headers = {"Content-Type": "application/json"}
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        return headers

    @property
    def body(self) -> bytes:
        """`{"error": {"code", "message"}}`."""
        return msgspec.json.encode({"error": self.error})


_OURS: Final = Row(500, "internal_error", "Something is wrong with this service, not the request.")
_NO_CREDITS: Final = Row(503, "out_of_credits", "No more followers are available at the moment.")
_BAD_ANSWER: Final = Row(502, "upstream_failed", "The source of the followers failed.", True)
_BUSY: Final = Row(503, "upstream_busy", "The source of the followers is not available.", True)

# The class nearest to the error's own decides. What only our side can mend (key, address,
# certificate) is a 500 without details; that the account is empty is nobody's business either.
ANSWERS: Final[dict[type[Exception], Row]] = {
    InvalidHandleError: Row(400, "invalid_handle", None),
    InvalidRequestError: Row(400, "invalid_request", None),
    SocialFetchError: _BAD_ANSWER,
    errors.TransportError: _BAD_ANSWER,
    errors.ConnectError: _BUSY,
    errors.TLSError: _OURS,
    errors.ConnectionLostError: _BAD_ANSWER,
    errors.RequestTimeoutError: Row(
        504, "upstream_timeout", "The source of the followers took too long.", True
    ),
    errors.PayloadError: _BAD_ANSWER,
    errors.ResponseTooLargeError: _BAD_ANSWER._replace(passing=False),
    errors.UnexpectedRedirectError: _OURS,
    errors.APIStatusError: _BAD_ANSWER._replace(passing=False),
    errors.BadRequestError: Row(400, "invalid_request", "The handle or the cursor is not valid."),
    errors.AuthenticationError: _OURS,
    errors.InsufficientCreditsError: _NO_CREDITS,
    errors.PermissionDeniedError: _OURS,
    errors.NotFoundError: _OURS,
    # Not a 429: whoever asks here has done nothing too often.
    errors.RateLimitError: _BUSY,
    errors.GatewayError: _BAD_ANSWER,
    errors.ServerError: _BAD_ANSWER,
    errors.InternalServerError: _BAD_ANSWER,
    errors.LookupFailedError: _BAD_ANSWER,
    errors.ServiceUnavailableError: _BUSY,
    errors.DecodeError: _BAD_ANSWER._replace(passing=False),
    errors.PaginationError: Row(502, "list_broken", "The list of followers leads nowhere."),
    ProfileUnavailableError: Row(
        404, "profile_unavailable", "The followers of this profile cannot be listed."
    ),
    errors.IncompleteRunError: Row(502, "incomplete", "Some of the profiles failed.", True),
    errors.CreditLimitError: _NO_CREDITS,
    errors.JournalError: _OURS,
    errors.ShardTakenError: _OURS,
    errors.ExportError: _OURS,
    errors.ClusterError: _OURS,
}
ERRORS: Final = (SocialFetchError, InvalidRequestError)
"""Every exception with a status of its own, for `except`."""

# 403 and not 404 where the profile exists: to ask again does not help, another account might.
PROFILES: Final = {
    "not_found": Row(404, "profile_not_found", "There is no such profile."),
    "private": Row(403, "profile_private", "This profile is private."),
    "hidden": Row(403, "profile_hidden", "This profile hides its followers."),
}


def http_error(error: Exception) -> ErrorAnswer:
    """Return the HTTP response for a request that failed.

    It shows nothing of the account behind this server: not its key, its credits, the API's texts or
    URLs. An exception that it does not know is a 500.
    """
    if isinstance(error, ProfileUnavailableError) and error.lookup_status in PROFILES:
        row = PROFILES[error.lookup_status]
    else:
        row = next((ANSWERS[kind] for kind in type(error).__mro__ if kind in ANSWERS), _OURS)
    retry_after = None
    if row.passing:
        retry_after = math.ceil(getattr(error, "retry_after", None) or _RETRY_AFTER)
    message = str(error) if row.message is None else row.message
    return ErrorAnswer(row.status, ErrorBody(row.code, message), retry_after)
