"""The panel: what it looks like, how it is drawn, and what it expects of a batch. All pure."""

import pytest

from socialfetch_async.batch import HandleEstimate
from socialfetch_async.batch.forecast import Forecast
from socialfetch_async.batch.panel import Picture, Style, drawn, painted
from socialfetch_async.batch.words import duration
from socialfetch_async.cli.words import size
from socialfetch_async.events import HandleDone
from socialfetch_async.models import Follower, FollowerMetrics, FollowersPage

PLAIN = Style(colour=False, blocks=False)


def test_a_picture_is_drawn() -> None:
    """A bar, names and figures, and sentences that take several lines."""
    picture = Picture(0.25, [("handles", "1 of 4 done")], ["API down since 12:03:10: 503"])
    assert drawn(picture, 20, PLAIN) == [
        "###...........  25 %",
        "handles    1 of 4...",
        "API down since",
        "12:03:10: 503",
    ]
    assert drawn(Picture(None, []), 20, PLAIN) == []
    coloured = drawn(picture, 39, Style(colour=True, blocks=True))
    assert coloured[0] == "████████░░░░░░░░░░░░░░░░░░░░░░░░░  25 %"
    assert coloured[1] == "\x1b[1mhandles    \x1b[0m1 of 4 done"
    assert coloured[2] == "\x1b[33mAPI down since 12:03:10: 503\x1b[0m"


@pytest.mark.parametrize("columns", [1, 5, 11, 12, 39, 199])
def test_no_line_is_wider_than_the_window(columns: int) -> None:
    """Also with letters that are two columns wide, and the longest texts."""
    wide = [("followers", "9" * 300), ("handles", "\u4e00" * 100)]
    lines = drawn(Picture(1.0, wide, ["\u4e00 " * 200, "x" * 500]), columns, PLAIN)
    for line in lines:
        assert sum(2 if c == "\u4e00" else 1 for c in line) <= max(columns, len(" 100 %"))
    assert len(lines) <= 1 + 2 + 2 * 4


def test_a_panel_is_painted_over_the_one_before() -> None:
    """The cursor ends at its first column; lines above it stay; no more than the window holds."""
    assert painted([], ["a", "b"], 24) == "\x1b[?7h\r\x1b[?7la\x1b[K\nb\x1b[J\x1b[?7h\r\x1b[1A"
    assert painted(["w"], ["a"], 24) == "\x1b[?7h\rw\x1b[K\n\x1b[?7la\x1b[J\x1b[?7h\r"
    assert painted([], list("abcdef"), 4).count("\n") == 2
    assert painted([], list("abcdef"), 0).count("\n") == 0


def page(handle: str, rows: int, total: int | None, *, more: bool = True) -> FollowersPage:
    """Return a page that cost a credit."""
    follower = Follower(
        handle="x", display_name="", avatar_url="", bio="", verified=False,
        private_account=False, metrics=FollowerMetrics(0, 0),
    )  # fmt: skip
    return FollowersPage(
        handle=handle, cursor=None, lookup_status="found", followers=[follower] * rows,
        next_cursor="c" if more else None, has_more=more, total_followers=total,
        credits_charged=1, request_id="", cached=False, invalid_rows=0,
    )  # fmt: skip


def done(handle: str) -> HandleDone:
    """Return the end of a handle."""
    return HandleDone(
        handle=handle, status="failed", cursor=None, pages=0, followers=0, credits_charged=0
    )


def test_a_forecast_follows_the_batch() -> None:
    """Lists that have begun are known by their counts, others not; one that ended needs nothing."""
    left = [HandleEstimate("ada", "found", 100, 3), HandleEstimate("bo", None, None, None)]
    forecast = Forecast(4, [*left, HandleEstimate("cy", None, None, None)])
    assert (forecast.credits_left, forecast.unknown, forecast.share) == (3, 2, 0.25)
    forecast.page(page("ada", 20, 100))
    assert (forecast.credits_left, forecast.unknown) == (2, 2)
    assert forecast.share == pytest.approx((1 + 1 / 3) / 4)
    forecast.page(page("bo", 20, 61))
    assert (forecast.credits_left, forecast.unknown) == (2 + 3, 1)
    forecast.page(page("cy", 20, None))
    assert (forecast.credits_left, forecast.unknown) == (5, 1)
    forecast.done(done("cy"))
    forecast.page(page("bo", 1, 61, more=False))
    assert (forecast.credits_left, forecast.unknown) == (2, 0)
    forecast.done(done("ada"))
    forecast.done(done("bo"))
    assert (forecast.credits_left, forecast.unknown) == (0, 0)
    assert forecast.share == pytest.approx(1)


@pytest.mark.parametrize(("rows", "total", "left"), [(20, 1000, 2), (20, 30, 1), (0, 30, 4)])
def test_a_forecast_knows_the_caps(rows: int, total: int, left: int) -> None:
    """The smallest of the count, the pages and the followers asked for."""
    forecast = Forecast(1, [HandleEstimate("a", None, None, None)], max_pages=5, max_followers=60)
    forecast.page(page("a", rows, total))
    assert forecast.credits_left == left


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.9, "59 s"), (130, "2 min 10 s"), (7_300, "2 h 1 min"), (176_400, "2 d 1 h")],
)
def test_durations(seconds: float, text: str) -> None:
    """The two largest units."""
    assert duration(seconds) == text


def test_sizes() -> None:
    """One byte is one byte."""
    assert list(map(size, (1, 999, 1_500, 2_000_000))) == [
        "1 byte",
        "999 bytes",
        "1.5 kB",
        "2.0 MB",
    ]
