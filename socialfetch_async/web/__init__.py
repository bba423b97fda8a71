"""For web backends: errors as HTTP responses, and lists as bodies.

It imports no web framework: `examples/web/` has a whole application for each of four.

A list that is sent while it is bought has two ways to fail. Before its first page it is an HTTP
status, made by `http_error`. After that the 200 has been sent, so the body says it: each list ends
with a `ListEnd`, and one that ends without it was cut off.
"""

from socialfetch_async.web._answers import ERRORS, ErrorAnswer, ErrorBody, http_error
from socialfetch_async.web._bodies import (
    HEADERS,
    LAST_EVENT_ID,
    FollowerList,
    ListEnd,
    StartedBody,
    collect,
    ndjson,
    server_sent_events,
    started,
)
from socialfetch_async.web._requests import InvalidRequestError, about_the_request

__all__ = [
    "ERRORS",
    "HEADERS",
    "LAST_EVENT_ID",
    "ErrorAnswer",
    "ErrorBody",
    "FollowerList",
    "InvalidRequestError",
    "ListEnd",
    "StartedBody",
    "about_the_request",
    "collect",
    "http_error",
    "ndjson",
    "server_sent_events",
    "started",
]
