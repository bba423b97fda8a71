"""What a row is as a dict: nested under our names, or flat with the columns of an export."""

from operator import attrgetter

import pytest

from socialfetch_async import Account, AvatarUrls, Follower, FollowerMetrics
from socialfetch_async.export.columns import OF_ACCOUNT, account_cells
from socialfetch_async.models import AccountMetrics

ADA = Follower(
    handle="ada",
    display_name="Ada",
    avatar_url="a",
    bio="b",
    verified=True,
    private_account=False,
    metrics=FollowerMetrics(followers=3, following=4),
    avatar_urls=AvatarUrls(large="l", thumb="t"),
    platform_user_id="7",
    sec_uid="s",
)
TRIMMED = Follower(
    handle="bo",
    verified=False,
    private_account=True,
    metrics=FollowerMetrics(followers=0, following=2**40),
)


def test_a_follower_as_a_dict() -> None:
    """Names as attributes have them, at both levels."""
    assert ADA.to_dict() == {
        "handle": "ada",
        "display_name": "Ada",
        "avatar_url": "a",
        "bio": "b",
        "verified": True,
        "private_account": False,
        "metrics": {"followers": 3, "following": 4},
        "avatar_urls": {"large": "l", "medium": None, "thumb": "t"},
        "platform_user_id": "7",
        "sec_uid": "s",
    }
    assert TRIMMED.to_dict()["avatar_urls"] is None


@pytest.mark.parametrize("follower", [ADA, TRIMMED], ids=["ada", "trimmed"])
def test_a_flat_follower_has_the_columns_of_an_export(follower: Follower) -> None:
    """The same names, and the same values."""
    flat = follower.to_dict(flat=True)
    cells = account_cells(follower, None)[:-1]
    assert flat == {column.name: cell for column, cell in zip(OF_ACCOUNT, cells, strict=True)}


def test_each_cell_is_the_field_that_the_table_names() -> None:
    """Each field has a value of its own, and stands where the table says."""
    values = [attrgetter(column.field)(ADA) for column in OF_ACCOUNT]
    assert account_cells(ADA, None) == (*values, None)


def test_an_account_as_a_dict() -> None:
    """Its counts may be missing as a whole."""
    account = Account(handle="cy", verified=False, metrics=AccountMetrics(posts=5))
    assert account.to_dict()["metrics"] == {"followers": None, "following": None, "posts": 5}
    flat = account.to_dict(flat=True)
    assert (flat["posts"], flat["followers"]) == (5, None)
    assert "metrics" not in flat
    without = Account(handle="cy", verified=False).to_dict(flat=True)
    assert without.keys() == flat.keys()
    assert {without[name] for name in ("followers", "following", "posts")} == {None}
