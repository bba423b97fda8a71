"""What hardly ever happens to an answer, made on purpose."""

from typing import Any

import pytest

from socialfetch_async._protocol.decode import decode_page
from socialfetch_async._protocol.endpoints import (
    FOLLOWERS,
    FOLLOWERS_READER,
    ListEndpoint,
    Request,
)
from socialfetch_async._protocol.fields import Mismatch
from socialfetch_async._protocol.repair import Damage, repair
from socialfetch_async._protocol.retry import Retries
from socialfetch_async.errors import DecodeError, PayloadError
from socialfetch_async.models import FollowersPage, FollowingPage, ItemsPage, ListPage
from socialfetch_async.policy import RetryPolicy

COMMON: dict[str, Any] = {
    "cursor": None,
    "lookup_status": "found",
    "next_cursor": None,
    "has_more": False,
    "credits_charged": 1,
    "request_id": "req_1",
    "cached": False,
    "invalid_rows": 0,
}


def test_a_depth_that_only_the_salvage_finds_is_a_decode_error() -> None:
    """How deep is too deep depends on the Python; the answer stays on the error anyway."""

    def read(request: Request[FollowersPage], body: bytes) -> FollowersPage:
        raise Mismatch("not as documented")

    def salvage(request: Request[FollowersPage], body: bytes) -> FollowersPage:
        raise RecursionError

    endpoint = ListEndpoint(FOLLOWERS.path, read, salvage, FOLLOWERS.identity)
    error = decode_page(endpoint, "ada", None, b"{}")
    assert isinstance(error, DecodeError)
    assert (error.body, error.handle) == (b"{}", "ada")
    assert "nested too deeply" in str(error)


def test_a_text_that_ends_too_deep_is_cut_off() -> None:
    """It is not closed: what is below the deepest level is not kept."""
    assert repair(b'{"a":' + b"[" * 70 + b'"abc') is Damage.CUT


def test_a_row_in_a_file_may_be_damaged() -> None:
    """Over the wire it was repaired; on a disk it may have changed since."""
    with pytest.raises(Mismatch, match="damaged text"):
        FOLLOWERS_READER.rows.one(b'{"handle": "\xff')


def test_what_arrived_whole_and_damaged_is_bought_once_more() -> None:
    """A second answer of that kind ends it, whatever the attempts allow."""
    retries = Retries(RetryPolicy(max_attempts=9), lambda most: most)
    damaged = PayloadError("damaged.", whole=True)
    assert isinstance(retries.wait(damaged, 1, 100.0), float)
    assert retries.wait(damaged, 2, 100.0) == "A second response was damaged as well."


def test_the_rows_of_a_page_can_be_replaced() -> None:
    """Each page knows what its rows are called; a page of no list has none."""
    following = FollowingPage(**COMMON, handle="ada", accounts=[], total_following=3)
    items = ItemsPage(**COMMON, path="/v1/x", items=["a", "b"])
    assert (following.with_rows([]), following.rows, following.total) == (following, [], 3)
    assert (items.with_rows(["b"]).items, items.rows, items.total) == (["b"], ["a", "b"], None)
    bare = ListPage(**COMMON)
    with pytest.raises(NotImplementedError):
        _ = bare.rows
    with pytest.raises(NotImplementedError):
        bare.with_rows([])
