"""Which HTTP answer an error is, for whoever asked the server that uses this library."""

import inspect
import json
import re
from pathlib import Path

import pytest

from socialfetch_async import errors
from socialfetch_async.errors import (
    APIStatusError,
    AuthenticationError,
    CreditLimitError,
    InsufficientCreditsError,
    InvalidHandleError,
    LookupFailedError,
    ProfileUnavailableError,
    RateLimitError,
    ServerError,
    ServiceUnavailableError,
    SocialFetchError,
    TransportError,
)
from socialfetch_async.web import ERRORS, InvalidRequestError, http_error
from socialfetch_async.web._answers import ANSWERS, PROFILES

DOCS = Path(__file__).parents[2] / "docs" / "reference" / "http-errors.md"
KEY = "sfk_secret_0123456789"
SHOP = "https://shop.example/buy"


class StrangerError(ServerError):
    """A class that the table does not know."""


def own_errors() -> set[type[Exception]]:
    """Return every class that errors.py defines."""
    return {
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, Exception) and kind.__module__ == errors.__name__
    }


def test_every_error_has_a_row_of_its_own() -> None:
    """A class that is added to errors.py must be given a meaning for the web."""
    assert own_errors() - set(ANSWERS) == set()
    assert set(ANSWERS) - own_errors() == {InvalidRequestError}


def test_what_is_in_the_table_is_what_an_application_catches() -> None:
    """`except ERRORS` lets nothing through that has an answer."""
    assert all(issubclass(kind, ERRORS) for kind in ANSWERS)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (StrangerError("x.", status=599), 502, "upstream_failed"),
        (ServiceUnavailableError("x.", status=503), 503, "upstream_busy"),
        (APIStatusError("x.", status=409), 502, "upstream_failed"),
        (ProfileUnavailableError("x.", lookup_status="private"), 403, "profile_private"),
        (ProfileUnavailableError("x.", lookup_status="banned"), 404, "profile_unavailable"),
        (InvalidHandleError("x."), 400, "invalid_handle"),
        (CreditLimitError("x."), 503, "out_of_credits"),
        (ValueError("x."), 500, "internal_error"),
        (RuntimeError("x."), 500, "internal_error"),
    ],
    ids=repr,
)
def test_the_nearest_class_decides(error: Exception, status: int, code: str) -> None:
    """A class without a row is what it was derived from; a strange exception is a 500."""
    answer = http_error(error)
    assert (answer.status, answer.error.code) == (status, code)
    assert json.loads(answer.body) == {"error": {"code": code, "message": answer.error.message}}
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (RateLimitError("x.", status=429, retry_after=0.2), "1"),
        (ServiceUnavailableError("x.", status=503, retry_after=7.0), "7"),
        (ServiceUnavailableError("x.", status=503), "5"),
        (LookupFailedError("x.", status=502), "5"),
        (InsufficientCreditsError("x.", status=402), None),
        (ProfileUnavailableError("x.", lookup_status="private"), None),
        (InvalidHandleError("x."), None),
    ],
    ids=repr,
)
def test_retry_after_is_whole_seconds_where_asking_again_helps(
    error: Exception, seconds: str | None
) -> None:
    """The API's own figure rounded up, or a default; none where the answer would be the same."""
    assert http_error(error).headers.get("Retry-After") == seconds


@pytest.mark.parametrize(
    "error",
    [
        SocialFetchError(f"quotes {KEY}."),
        TransportError(f"to {SHOP}?key={KEY}."),
        AuthenticationError(f"{KEY} is not valid.", status=401, code=KEY, message=KEY),
        InsufficientCreditsError("x.", status=402, message=SHOP, checkout_url=SHOP),
        ProfileUnavailableError(f"x {KEY}.", lookup_status=KEY),
        RuntimeError(KEY),
        ValueError(KEY),
    ],
    ids=lambda error: type(error).__name__,
)
def test_nothing_of_the_account_is_shown(error: Exception) -> None:
    """Neither texts of the vendor nor the key nor where credits are sold reach a stranger."""
    answer = http_error(error)
    shown = answer.body.decode() + str(answer.headers)
    assert KEY not in shown
    assert SHOP not in shown


@pytest.mark.parametrize("kind", [InvalidHandleError, InvalidRequestError])
def test_what_the_reader_got_wrong_is_said_in_the_error_s_own_words(kind: type[Exception]) -> None:
    """Such a text quotes what was asked, and nothing else."""
    assert http_error(kind("not like this.")).error.message == "not like this."


def test_the_documented_table_is_the_code_s() -> None:
    """The page has every row with its status, its code and whether asking again helps."""
    table = re.findall(
        r"^\| `(\w+)` \| (\d+) \| `(\w+)` \| (yes|no) \|", DOCS.read_text(), re.MULTILINE
    )
    rows = {kind.__name__: row for kind, row in ANSWERS.items()} | PROFILES
    expected = [
        (name, str(row.status), row.code, "yes" if row.passing else "no")
        for name, row in rows.items()
    ]
    assert sorted(table) == sorted(expected)
