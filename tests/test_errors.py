"""The error tree: what each class says, carries, and survives."""

import copy
import pickle
import re
from collections.abc import Iterator
from typing import Any

import pytest

import socialfetch_async
from socialfetch_async import errors
from socialfetch_async._protocol.status import VENDOR
from socialfetch_async._text import shortened
from socialfetch_async.errors import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ClusterError,
    ConnectError,
    ConnectionLostError,
    CreditLimitError,
    DecodeError,
    ExportError,
    GatewayError,
    IncompleteRunError,
    InsufficientCreditsError,
    InternalServerError,
    InvalidHandleError,
    JournalError,
    LookupFailedError,
    NotFoundError,
    PaginationError,
    PayloadError,
    PermissionDeniedError,
    ProfileUnavailableError,
    RateLimitError,
    RequestTimeoutError,
    ResponseTooLargeError,
    ServerError,
    ServiceUnavailableError,
    ShardTakenError,
    SocialFetchError,
    TLSError,
    TransportError,
    UnexpectedRedirectError,
)
from socialfetch_async.events import HandleDone

GO_ON = "Earlier pages were delivered. Resume from the same cursor."
FAILED = HandleDone(
    handle="a",
    status="failed",
    cursor="c",
    pages=1,
    followers=2,
    credits_charged=1,
    error=PayloadError("cut off.", handle="a"),
)

# One row for each class: an example, what its str() advises always, and what it adds where there
# is a page to go on from.
EXAMPLES: list[tuple[SocialFetchError, str, str]] = [
    (SocialFetchError("what happened."), "", ""),
    (TransportError("no answer."), "", GO_ON),
    (
        ConnectError("refused."),
        "Nothing was charged. Check the network and base_url.",
        GO_ON,
    ),
    (
        TLSError("the certificate expired."),
        "The API key was not sent. Check base_url, the clock and the installed authorities.",
        GO_ON,
    ),
    (ConnectionLostError("reset."), "", GO_ON),
    (RequestTimeoutError("30 s passed."), "", GO_ON),
    (PayloadError("cut off."), "", GO_ON),
    (
        ResponseTooLargeError("over 16 MiB."),
        "Raise max_response_bytes if responses of this size are expected.",
        GO_ON,
    ),
    (
        UnexpectedRedirectError("a 302 came."),
        "The API key was not sent on. Check base_url and any proxy in between.",
        GO_ON,
    ),
    (APIStatusError("a 409.", status=409, code="conflict", message="No."), "", GO_ON),
    (
        BadRequestError("a 400.", status=400),
        "Nothing was charged. Correct the handle or the cursor; the same request fails again.",
        "Earlier pages were delivered.",
    ),
    (
        AuthenticationError("a 401.", status=401),
        "Nothing was charged. Check SOCIALFETCH_API_KEY.",
        GO_ON,
    ),
    (
        InsufficientCreditsError("a 402.", status=402),
        "Nothing was charged. Buy credits first.",
        GO_ON,
    ),
    (
        PermissionDeniedError("a 403.", status=403),
        "Nothing was charged. Use a key that may read this route.",
        GO_ON,
    ),
    (
        NotFoundError("a 404.", status=404),
        "Check base_url: the API has no such route there.",
        GO_ON,
    ),
    (RateLimitError("a 429.", status=429, retry_after=3.0), "", GO_ON),
    (
        GatewayError("a 502.", status=502),
        "Check the network, the proxy and base_url.",
        GO_ON,
    ),
    (ServerError("a 504.", status=504), "", GO_ON),
    (InternalServerError("a 500.", status=500), "", GO_ON),
    (LookupFailedError("a 502.", status=502), "", GO_ON),
    (ServiceUnavailableError("a 503.", status=503), "", GO_ON),
    (
        DecodeError("wrong shape.", path="$.data"),
        (
            "The response was charged, and is not retried. Report it with the request id; "
            "`error.body` has the response."
        ),
        "Earlier pages were delivered.",
    ),
    (
        PaginationError("the cursor came again.", reason="repeated_cursor"),
        "No further page was bought. To buy it on purpose, resume from this cursor.",
        "",
    ),
    (
        ProfileUnavailableError("hidden.", lookup_status="hidden"),
        "Another lookup costs a credit and has the same result until the profile changes.",
        "",
    ),
    (
        IncompleteRunError("1 handle failed.", outcomes={"a": FAILED}, pending={"a": "c"}),
        "To resume, pass `pending` to the method that made the run.",
        "",
    ),
    (CreditLimitError("9 credits."), "To continue, use a client with a higher max_credits.", ""),
    (InvalidHandleError("'a b'."), "", ""),
    (JournalError("in use."), "", ""),
    (ShardTakenError("taken."), "", ""),
    (ExportError("no disk."), "", ""),
    (ClusterError("no scheduler."), "", ""),
]
NAMES = [type(error).__name__ for error, _, _ in EXAMPLES]
POSITION: dict[str, Any] = {
    "handle": "nasa",
    "cursor": "1779246345",
    "request_id": "req_1",
    "attempts": 3,
    "maybe_charged": 2,
    "retry_after": 1.5,
}


def tree(root: type[SocialFetchError] = SocialFetchError) -> Iterator[type[SocialFetchError]]:
    """Yield every class of the tree that the package itself defines."""
    yield root
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


def examples() -> list[SocialFetchError]:
    """Return a fresh copy of every example, so that no test changes another one's."""
    return [copy.copy(error) for error, _, _ in EXAMPLES]


def test_the_table_has_every_class_once() -> None:
    """A class that is added to the tree must get a row in the table above."""
    assert sorted(NAMES) == sorted(kind.__name__ for kind in tree())


@pytest.mark.parametrize(("error", "advice", "_"), EXAMPLES, ids=NAMES)
def test_text_without_a_position(error: SocialFetchError, advice: str, _: str) -> None:
    """The text of an error without a position is what happened and what to do, exactly."""
    assert str(error) == f"{error.summary} {advice}".rstrip()


@pytest.mark.parametrize(("error", "advice", "go_on"), EXAMPLES, ids=NAMES)
def test_text_with_a_position(error: SocialFetchError, advice: str, go_on: str) -> None:
    """The position stands in brackets behind what happened; the end says what was kept."""
    placed = copy.copy(error).at(**POSITION)

    position = (
        "[handle 'nasa', cursor '1779246345', request req_1, 3 attempts, "
        "up to 2 credits may have been charged]"
    )
    assert str(placed) == " ".join(filter(None, [error.summary, position, advice, go_on]))


def test_where_credits_are_sold_stands_at_the_end() -> None:
    """An address that came with a 402 is shown; without one there is no trace of it."""
    url = "https://shop.example/buy"
    error = InsufficientCreditsError("a 402.", status=402, checkout_url=url)
    assert str(error) == (
        "a 402. Nothing was charged. Buy credits first. Credits are sold at https://shop.example/buy"
    )


@pytest.mark.parametrize(
    ("position", "text"),
    [
        ({}, "x."),
        ({"handle": "nasa"}, "x. [handle 'nasa']"),
        ({"handle": ""}, "x. [handle '']"),
        ({"cursor": "c"}, "x. [cursor 'c']"),
        ({"cursor": ""}, "x. [cursor '']"),
        ({"cursor": "c" * 81}, f"x. [cursor '{'c' * 77}...']"),
        ({"request_id": "req_1"}, "x. [request req_1]"),
        ({"request_id": ""}, "x."),
        ({"attempts": 0}, "x."),
        ({"attempts": 1}, "x. [1 attempt]"),
        ({"attempts": 2}, "x. [2 attempts]"),
        ({"maybe_charged": 1}, "x. [up to 1 credit may have been charged]"),
        ({"maybe_charged": 2}, "x. [up to 2 credits may have been charged]"),
        ({"retry_after": 4.0}, "x."),
        ({"handle": "nasa", "attempts": 6}, "x. [handle 'nasa', 6 attempts]"),
    ],
    ids=repr,
)
def test_text_names_only_what_is_known(position: dict[str, Any], text: str) -> None:
    """A part of the position that is not known leaves no trace in the text."""
    assert str(SocialFetchError("x.", **position)) == text


def test_attributes_without_a_position() -> None:
    """An error without a position says so with its defaults."""
    error = SocialFetchError("x.")

    assert vars(error) == {
        "summary": "x.",
        "handle": None,
        "cursor": None,
        "request_id": None,
        "attempts": 0,
        "maybe_charged": False,
        "retry_after": None,
    }
    assert error.args == ("x.",)


@pytest.mark.parametrize("example", examples(), ids=NAMES)
def test_position_is_taken_by_the_constructor_of_every_class(example: SocialFetchError) -> None:
    """Every class takes the position as keywords and keeps each of them."""
    own = {name: value for name, value in vars(example).items() if name not in POSITION}

    error = type(example)(**own, **POSITION)

    assert vars(error) == {**own, **POSITION}


@pytest.mark.parametrize("error", examples(), ids=NAMES)
def test_at_returns_the_error_itself(error: SocialFetchError) -> None:
    """`at` sets what it is given, leaves the rest, and returns the same error."""
    before = dict(vars(error))

    assert error.at(handle="nasa", attempts=2) is error
    assert vars(error) == {**before, "handle": "nasa", "attempts": 2}


def test_own_attributes() -> None:
    """Each class carries the attributes that it documents."""
    status = APIStatusError("x.", status=409, code="conflict", message="No.")
    bare = InsufficientCreditsError("x.", status=402)
    run = IncompleteRunError("x.", outcomes={"a": FAILED}, pending={"a": None, "b": "c"})

    assert (status.status, status.code, status.message) == (409, "conflict", "No.")
    assert (bare.status, bare.code, bare.message, bare.checkout_url) == (402, None, "", None)
    assert DecodeError("x.", path="$.data.page").path == "$.data.page"
    assert PaginationError("x.", reason="empty_pages").reason == "empty_pages"
    assert ProfileUnavailableError("x.", lookup_status="gone").lookup_status == "gone"
    assert run.outcomes == {"a": FAILED}
    assert run.pending == {"a": None, "b": "c"}
    assert ConnectionLostError("x.").reused is None


def test_incomplete_run_keeps_its_own_copies() -> None:
    """What a run does after the error was made must not change what the error says."""
    outcomes, pending = {"a": FAILED}, {"a": "c"}
    error = IncompleteRunError("x.", outcomes=outcomes, pending=pending)

    outcomes.clear()
    pending.clear()

    assert (error.outcomes, error.pending) == ({"a": FAILED}, {"a": "c"})


def test_no_checkout_url_leaves_no_trace() -> None:
    """A 402 without an address to buy at ends with its advice."""
    text = str(InsufficientCreditsError("x.", status=402))

    assert text == "x. Nothing was charged. Buy credits first."


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("error", examples(), ids=NAMES)
def test_pickle_keeps_everything(error: SocialFetchError, protocol: int) -> None:
    """An error that crosses a process border is the same class with the same attributes."""
    error.at(**POSITION)
    if isinstance(error, ConnectionLostError):
        error.reused = True

    came = pickle.loads(pickle.dumps(error, protocol))

    assert type(came) is type(error)
    assert came.args == error.args == (error.summary,)
    assert str(came) == str(error)
    if isinstance(error, IncompleteRunError):  # errors compare by identity, also inside outcomes
        assert isinstance(came, IncompleteRunError)
        assert came.pending == error.pending
        inner = came.outcomes["a"].error
        assert (type(inner), str(inner)) == (PayloadError, str(FAILED.error))
    else:
        assert vars(came) == vars(error)


@pytest.mark.parametrize("error", examples(), ids=NAMES)
def test_copies_keep_everything(error: SocialFetchError) -> None:
    """A copy is another error of the same class with the same attributes."""
    error.at(**POSITION)
    for came in (copy.copy(error), copy.deepcopy(error)):
        assert came is not error
        assert type(came) is type(error)
        assert (came.args, str(came)) == (error.args, str(error))
        assert vars(came).keys() == vars(error).keys()
    assert vars(copy.copy(error)) == vars(error)


@pytest.mark.parametrize("kind", [*tree(), InvalidHandleError], ids=lambda kind: kind.__name__)
def test_every_class_is_public(kind: type[Exception]) -> None:
    """Whatever can be raised can be imported from the package, under its own name."""
    assert kind.__name__ in socialfetch_async.__all__
    assert getattr(socialfetch_async, kind.__name__) is kind


def test_an_invalid_handle_is_a_misuse_as_well() -> None:
    """A bad handle is found before any request: one of the tree, and a ValueError."""
    assert InvalidHandleError.__bases__ == (SocialFetchError, ValueError)
    assert "InvalidHandleError is a ValueError" in (errors.__doc__ or "")


def drawn_parents() -> dict[str, str | None]:
    """Read the tree in the docstring: each class drawn, and the class it hangs on."""
    drawing = (errors.__doc__ or "").split("\n\n")[1]
    parents: dict[str, str | None] = {}
    path: list[str] = []
    for line in drawing.splitlines():
        branch = re.search("[├└]── ", line)
        names = re.findall(r"\b[A-Z]\w+Error\b", line)
        if "ServerError" in names:
            # Its children stand beside it, for the width of the page.
            parents |= dict.fromkeys(names[1:], "ServerError")
            names = names[:1]
        if branch is None and path:
            parents |= dict.fromkeys(names, "ServerError")
            continue
        depth = 0 if branch is None else branch.start() // 4 + 1
        path[depth:] = names[:1]
        parents |= dict.fromkeys(names, path[depth - 1] if depth else None)
    return parents


def test_the_drawn_tree_is_the_tree() -> None:
    """The drawing at the top of errors.py shows every class, below the class it derives from."""
    derived = {kind.__name__: kind.__bases__[0].__name__ for kind in tree()}

    assert drawn_parents() == {**derived, "SocialFetchError": None}


@pytest.mark.parametrize(
    ("status", "kind"),
    [(status, m.error) for status, m in VENDOR.items() if m.error is not APIStatusError],
    ids=str,
)
def test_the_drawn_statuses_are_the_statuses(status: int, kind: type[APIStatusError]) -> None:
    """The drawing and the class's own summary name the status that makes the error."""
    assert f"{kind.__name__} {status}" in (errors.__doc__ or "")
    assert (kind.__doc__ or "").startswith(f"{status}: ")


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("", "''"),
        ("abc", "'abc'"),
        ("x" * 80, f"'{'x' * 80}'"),
        ("x" * 81, f"'{'x' * 77}...'"),
        ("x" * 5000, f"'{'x' * 77}...'"),
        ("a\nb", r"'a\nb'"),
        ("\ud83d", r"'\ud83d'"),
    ],
    ids=["empty", "short", "80", "81", "5000", "line break", "lone surrogate"],
)
def test_shortened(text: str, quoted: str) -> None:
    """A value in a message is quoted and never longer than 80 characters."""
    assert shortened(text) == quoted
