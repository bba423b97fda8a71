"""Who answered? What each status means, with the vendor's error envelope and without it."""

from typing import Any

import pytest

from socialfetch_async._protocol.brakes import Brakes
from socialfetch_async._protocol.decode import decode
from socialfetch_async._protocol.endpoints import (
    FOLLOWERS,
    WHOAMI,
    Request,
    profile_list,
)
from socialfetch_async._protocol.retry import about_the_handle, rule
from socialfetch_async._protocol.status import VENDOR, Answer, Rule, meaning
from socialfetch_async.errors import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    GatewayError,
    InsufficientCreditsError,
    InternalServerError,
    LookupFailedError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    ServiceUnavailableError,
    UnexpectedRedirectError,
)
from socialfetch_async.models import FollowersPage
from tests.protocol.test_decode import dumped, with_bytes
from tests.scripted import listing, row

KEY = "sfk_0123456789"
ASKED = profile_list(FOLLOWERS, "nasa", user_id=None, trim=False).at("c1")
DEEP = "[" * 100_000 + "]" * 100_000

# What follows from an answer: tried again and a sign of an outage; tried again although the API
# is alive; final, and about the handle, about the key or the route, or of a gateway.
PASSES = Rule(retry=True, outage=True)
PROFILE = Rule(retry=True, alive=True, handle=True)
HANDLE = Rule(alive=True, handle=True)
CLIENT = Rule(alive=True)
FINAL = Rule()

# status, with the envelope: class, maybe charged, rule; and the same without it.
MEANINGS: list[tuple[int, type[APIStatusError], bool, Rule, type[APIStatusError], bool, Rule]] = [
    (0, GatewayError, True, PASSES, GatewayError, True, PASSES),
    (101, GatewayError, True, PASSES, GatewayError, True, PASSES),
    (400, BadRequestError, False, HANDLE, GatewayError, False, FINAL),
    (401, AuthenticationError, False, CLIENT, GatewayError, False, PASSES),
    (402, InsufficientCreditsError, False, CLIENT, InsufficientCreditsError, False, CLIENT),
    (403, PermissionDeniedError, False, CLIENT, GatewayError, False, PASSES),
    (404, NotFoundError, False, CLIENT, GatewayError, False, FINAL),
    (405, APIStatusError, False, CLIENT, GatewayError, False, FINAL),
    (407, APIStatusError, False, HANDLE, GatewayError, False, PASSES),
    (408, APIStatusError, False, PASSES, GatewayError, False, PASSES),
    (409, APIStatusError, False, HANDLE, GatewayError, False, FINAL),
    (410, APIStatusError, False, HANDLE, GatewayError, False, FINAL),
    (411, APIStatusError, False, CLIENT, GatewayError, False, FINAL),
    (414, APIStatusError, False, CLIENT, GatewayError, False, FINAL),
    (418, APIStatusError, False, HANDLE, GatewayError, False, FINAL),
    (422, APIStatusError, False, HANDLE, GatewayError, False, FINAL),
    (425, APIStatusError, False, PASSES, GatewayError, False, PASSES),
    (429, RateLimitError, False, PASSES, GatewayError, False, PASSES),
    (431, APIStatusError, False, CLIENT, GatewayError, False, FINAL),
    (499, APIStatusError, False, HANDLE, GatewayError, False, FINAL),
    (500, InternalServerError, True, PASSES, GatewayError, True, PASSES),
    (501, ServerError, True, PASSES, GatewayError, True, PASSES),
    (502, LookupFailedError, False, PROFILE, GatewayError, True, PASSES),
    (503, ServiceUnavailableError, False, PASSES, GatewayError, True, PASSES),
    (504, ServerError, True, PASSES, GatewayError, True, PASSES),
    (520, ServerError, True, PASSES, GatewayError, True, PASSES),
    (521, ServerError, False, PASSES, GatewayError, False, PASSES),
    (522, ServerError, False, PASSES, GatewayError, False, PASSES),
    (523, ServerError, False, PASSES, GatewayError, False, PASSES),
    (524, ServerError, True, PASSES, GatewayError, True, PASSES),
    (525, ServerError, False, PASSES, GatewayError, False, PASSES),
    (526, ServerError, False, PASSES, GatewayError, False, PASSES),
    (599, ServerError, True, PASSES, GatewayError, True, PASSES),
]


def error_of(body: Any, status: int, *, secret: str = KEY) -> APIStatusError:
    """Return the error of a status."""
    error = decode(ASKED, Answer(status, dumped(body), retry_after=7.5), secret=secret)
    assert isinstance(error, APIStatusError)
    assert (error.handle, error.cursor, error.retry_after) == ("nasa", "c1", 7.5)
    return error


@pytest.mark.parametrize("row", MEANINGS, ids=lambda row: str(row[0]))
def test_what_a_status_means(row: Any) -> None:
    """Class, charge and consequences, by status and by who answered."""
    status, *rest = row

    assert [*meaning(status, vendor=True), *meaning(status, vendor=False)] == rest


@pytest.mark.parametrize("row", MEANINGS, ids=lambda row: str(row[0]))
def test_an_error_keeps_what_its_status_means(row: Any) -> None:
    """Who has the error alone finds the same rule."""
    status, kind, _, expected, other, _, expected_without = row

    assert rule(kind("x.", status=status)) == expected
    assert rule(other("x.", status=status)) == expected_without
    assert about_the_handle(kind("x.", status=status)) is (expected.retry or expected.handle)


@pytest.mark.parametrize("status", [200, 206, 400, 401, 402, 403, 429, 500, 502, 503])
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("insufficient_credits", InsufficientCreditsError),
        ("payment_required", InsufficientCreditsError),
        ("payment_settlement_failed", InsufficientCreditsError),
        ("unauthorized", AuthenticationError),
        ("forbidden", PermissionDeniedError),
    ],
)
def test_what_concerns_the_account_does_whatever_the_status(
    status: int, code: str, kind: type[APIStatusError]
) -> None:
    """One is enough to end a run, and the same request is never sent again."""
    error = error_of({"error": {"code": code, "message": KEY, "requestId": "req_1"}}, status)

    assert type(error) is kind
    assert (error.status, error.code, error.request_id) == (status, code, "req_1")
    assert error.maybe_charged == 0
    assert rule(error) == CLIENT
    assert Brakes().failed("nasa", error)
    assert KEY not in str(error)


def test_the_statuses_are_all_in_the_table() -> None:
    """A status that gets a row of its own must get one in the table above."""
    assert set(VENDOR) <= {row[0] for row in MEANINGS}


@pytest.mark.parametrize("row", MEANINGS, ids=lambda row: str(row[0]))
def test_errors_of_the_vendor(row: Any) -> None:
    """Each status is an error of its class, with what the vendor says and whether it charged."""
    status, kind, charged, *_ = row
    body = {"error": {"code": "some_code", "message": "Some words.", "requestId": "req_1"}}

    error = error_of(body, status)

    assert type(error) is kind
    assert vars(error) == {
        "summary": f'the API responded with {status} some_code ("Some words.").',
        "handle": "nasa",
        "cursor": "c1",
        "request_id": "req_1",
        "attempts": 0,
        "maybe_charged": charged,
        "retry_after": 7.5,
        "status": status,
        "code": "some_code",
        "message": "Some words.",
        **({"checkout_url": None} if status == 402 else {}),
    }


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>503 Service Unavailable</html>",
        b"\xff\xfe\x00",
        b"Erreur \xe9",
        b"null",
        b"[]",
        b'"words"',
        b"{}",
        b'{"error": null}',
        b'{"error": "words"}',
        b'{"error": []}',
        b'{"error": {}}',
        b'{"error": {"message": "words"}}',
        b'{"error": {"code": "words"}}',
        b'{"error": {"code": 502, "message": "Bad gateway"}}',
        b'{"error": {"code": null, "message": null, "requestId": null, "checkoutUrl": null}}',
        b'{"error": {"code": " ", "message": "", "requestId": "", "checkoutUrl": ""}}',
        b'{"error": {"code": "x", "message": "y"',
        b'{"error": ' + DEEP.encode() + b"}",
        b'{"data": {}, "meta": {"requestId": "req_1"}}',
    ],
    ids=lambda body: repr(body[:60]),
)
@pytest.mark.parametrize("row", MEANINGS, ids=lambda row: str(row[0]))
def test_errors_of_a_gateway(row: Any, body: bytes) -> None:
    """HTML, nothing, another service's JSON: the envelope decides, and not the status."""
    status, _, _, _, kind, charged, _ = row

    error = error_of(body, status)

    assert type(error) is kind
    who = "the API" if status == 402 else "a gateway or proxy"
    assert error.summary.startswith(f"{who} responded with {status}")
    assert (error.status, error.code, error.message) == (status, None, "")
    assert (error.request_id, error.maybe_charged) == (None, charged)
    if isinstance(error, InsufficientCreditsError):
        assert error.checkout_url is None
    else:
        assert "network" in str(error)


def a_page(rows: int, next_cursor: str | None, status: str = "found") -> bytes:
    """Return a page as documented; its rows have the key in them."""
    return listing(
        "followers",
        [row(f"h{number}", bio=KEY) for number in range(rows)],
        next_cursor,
        charged=2,
        lookupStatus=status,
        totalFollowers=None,
    ).partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize(
    ("status", "body", "kept"),
    [
        (304, a_page(2, None), True),
        (404, a_page(2, None), True),
        (404, a_page(0, None, "not_found"), True),
        (404, a_page(0, None), False),
        (429, a_page(2, "c2"), True),
        (503, a_page(2, "c2"), True),
        (503, a_page(2, None), False),
        (503, a_page(0, "c2"), False),
        (503, a_page(0, None, "not_found"), False),
        (503, a_page(2, "c2")[:-9], False),
        (404, a_page(2, "c2").replace(b'"page"', b'"pages"'), False),
        (404, b'{"data": ' + DEEP.encode() + b"}", False),
        (404, a_page(2, "c2").replace(b"h1", b"\xff"), False),
    ],
    ids=range(13),
)
def test_a_page_with_the_status_of_a_refusal(status: int, body: bytes, *, kept: bool) -> None:
    """It has arrived and was charged; but that a list ends is not believed of a failed server."""
    found = decode(ASKED, Answer(status, body), secret=KEY)

    assert isinstance(found, FollowersPage) is kept
    if isinstance(found, FollowersPage):
        assert found.credits_charged == 2
        assert [follower.bio for follower in found.followers] in ([], ["[api key]"] * 2)
    assert isinstance(decode(Request(WHOAMI, WHOAMI.path), Answer(status, body)), Exception)


@pytest.mark.parametrize(
    ("meta", "charged"),
    [
        ({"creditsCharged": 5}, 5),
        ({"creditsCharged": 0}, 0),
        ({"creditsCharged": -1}, 0),
        (None, 0),
    ],
)
@pytest.mark.parametrize("status", [404, 503])
@pytest.mark.parametrize("beside", [{"data": {}}, {"error": {"code": "x", "message": "y"}}])
def test_a_refusal_that_says_its_price_may_have_been_charged(
    beside: dict[str, Any], status: int, meta: Any, charged: int
) -> None:
    """Whatever is documented of its status."""
    error = error_of({**beside, "meta": meta}, status)
    free = charged == 0 and status == 503 and "data" in beside  # a gateway's
    assert error.maybe_charged == (1 if free else charged)


@pytest.mark.parametrize(
    ("said", "summary"),
    [
        ({"code": "c", "message": ""}, "the API responded with 400 c."),
        ({"code": "c", "message": None}, "the API responded with 400 c."),
        ({"code": "c", "message": "m", "extra": 1}, 'the API responded with 400 c ("m").'),
        ({"code": "c", "message": ["m"], "requestId": 5}, "the API responded with 400 c."),
    ],
)
def test_what_an_error_says(said: dict[str, Any], summary: str) -> None:
    """Each part that the vendor said stands in the summary, and no other."""
    assert error_of({"error": said}, 400).summary == summary


@pytest.mark.parametrize(
    ("body", "broken"),
    [
        ({"error": {"code": "c", "message": "m\ud83d", "checkoutUrl": "https://s"}}, {}),
        ({"error": {"code": "c", "message": "mZZ", "checkoutUrl": "https://s"}}, {"ZZ": b"\xff"}),
    ],
    ids=["cut emoji", "bad byte"],
)
def test_broken_text_does_not_hide_an_error_code(body: Any, broken: dict[str, bytes]) -> None:
    """The code to branch on, and where to buy, are read also beside text that was cut."""
    error = error_of(with_bytes(body, **broken), 402)

    assert isinstance(error, InsufficientCreditsError)
    assert (error.code, error.checkout_url) == ("c", "https://s")


def test_where_to_buy_belongs_to_402() -> None:
    """An address to buy credits at is given where credits are missing, and only there."""
    body = {"error": {"code": "c", "message": "", "checkoutUrl": "https://shop.example/buy"}}

    short, other = error_of(body, 402), error_of(body, 403)

    assert isinstance(short, InsufficientCreditsError)
    assert short.checkout_url == "https://shop.example/buy"
    assert not hasattr(other, "checkout_url")


@pytest.mark.parametrize("status", [400, 401, 402, 500, 503])
def test_an_echoed_key_is_cut_out(status: int) -> None:
    """A key that the answer echoes, in whatever field, is in nothing that the error shows."""
    said = {
        "code": f"bad_{KEY}",
        "message": f"{KEY} is not {KEY}",
        "requestId": f"req_{KEY}",
        "checkoutUrl": f"https://shop.example/?key={KEY}",
    }

    error = error_of({"error": said}, status)

    assert isinstance(error, APIStatusError)
    assert KEY not in f"{error} {error!r} {vars(error)}"
    assert error.code == "bad_[api key]"
    assert error.message == "[api key] is not [api key]"
    assert error.request_id == "req_[api key]"
    if isinstance(error, InsufficientCreditsError):
        assert error.checkout_url == "https://shop.example/?key=[api key]"


@pytest.mark.parametrize("before", [480, 485, 490, 495, 499, 500])
def test_no_part_of_a_key_is_left_at_a_cut(before: int) -> None:
    """A key that stands where a long message is cut leaves no beginning of itself."""
    error = error_of({"error": {"code": "c", "message": "x" * before + KEY}}, 401)

    assert isinstance(error, AuthenticationError)
    assert error.message == ("x" * before + "[api key]")[:500]


def test_without_a_key_nothing_is_cut_out() -> None:
    """Where no key is known the text is shown as it came."""
    error = error_of({"error": {"code": "c", "message": f"{KEY}!"}}, 401, secret="")

    assert isinstance(error, AuthenticationError)
    assert error.message == f"{KEY}!"


@pytest.mark.parametrize(("length", "shown"), [(499, 499), (500, 500), (501, 500), (10**6, 500)])
def test_long_texts_are_cut(length: int, shown: int) -> None:
    """What an answer says fills no log."""
    error = error_of({"error": {"code": "c" * length, "message": "m" * length}}, 400)

    assert isinstance(error, BadRequestError)
    assert (error.code, error.message) == ("c" * shown, "m" * shown)


def test_texts_are_one_line() -> None:
    """What an answer says cannot break a line of a log, or colour a terminal."""
    said = "a\nb\r\tc\x1b[31m\x00\u2028\u202ed\xa0e \xe9\U0001f600"

    error = error_of({"error": {"code": "c", "message": said}}, 400)

    assert isinstance(error, BadRequestError)
    assert error.message == "a b  c [31m   d e \xe9\U0001f600"


@pytest.mark.parametrize(
    ("host", "place"),
    [
        ("", "an unnamed place"),
        ("evil.example", "evil.example"),
        (f"{KEY}.example", "[api key].example"),
        ("sfk_abc.example", "sfk_abc.example"),
    ],
)
@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308, 399])
@pytest.mark.parametrize("body", [b"", b'{"data": {}}'], ids=["no body", "a body"])
def test_redirects(status: int, host: str, place: str, body: bytes) -> None:
    """A redirect is an error that names the host it leads to, whatever its body is."""
    answer = Answer(status, body, retry_after=2.0, location_host=host)

    error = decode(ASKED, answer, secret=KEY)

    assert type(error) is UnexpectedRedirectError
    assert vars(error) == {
        "summary": f"the API does not redirect, but a {status} to {place} came; it was not "
        "followed.",
        "handle": "nasa",
        "cursor": "c1",
        "request_id": None,
        "attempts": 0,
        "maybe_charged": False,
        "retry_after": 2.0,
    }
