"""The options of the commands that have many, each in words for `--help`."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from socialfetch_async.cli.options import Decimal, Duration, Number, Pair

_F = TypeVar("_F", bound=Callable[..., Any])
SPREADSHEET: Final = "CSV for spreadsheets: a byte order mark, and no text runs as a formula."
_TRIM: Final = "Leave out avatar_urls, platform_user_id and sec_uid; the price is the same."
_LISTS: Final = "Newest followers per handle, then stop; "
_PAGES: Final = "Pages per handle, then stop."
_COLUMN: Final = "The column to read the handles from, if they are CSV."
_HEADER: Final = "The first line of the handles is a handle, not a header."
FORMAT = click.Choice(["jsonl", "jsonl.gz", "csv", "parquet", "sqlite"])
FILE = click.Path(allow_dash=True)  # so that a shell completes file names


def _size(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def _seconds(text: str) -> tuple[float, float]:
    begin, _, end = text.partition("-")
    return float(begin), float(end)


def _all(*options: Callable[[Any], Any]) -> Callable[[_F], _F]:
    """Return a decorator that gives a command options, in their order."""

    def give(command: _F) -> _F:
        for option in reversed(options):
            command = option(command)
        return command

    return give


of_followers = _all(
    click.option(
        "--max-followers",
        "--max-followers-per-handle",
        "max_followers",
        type=Number(),
        help=f"{_LISTS}exactly so many are written.",
    ),
    click.option("--max-pages", "--max-pages-per-handle", "max_pages", type=Number(), help=_PAGES),
    click.option(
        "--max-credits",
        type=Number(),
        help="Credit limit of this command, all handles together. Default: "
        "SOCIALFETCH_MAX_CREDITS.",
    ),
    click.option(
        "--cursor", metavar="CURSOR", help="Resume from this cursor (single HANDLE only)."
    ),
    click.option("--trim", is_flag=True, help=_TRIM),
    click.option("--column", metavar="NAME", help=_COLUMN),
    click.option("--no-header", is_flag=True, help=_HEADER),
)

of_export = _all(
    click.option(
        "--handle",
        "names",
        metavar="HANDLE",
        multiple=True,
        help="A handle or profile URL, in place of HANDLES-FILE; may be repeated.",
    ),
    click.option(
        "-o",
        "--output",
        metavar="FOLDER | FILE",
        type=FILE,
        required=True,
        help="Where the journal and the exports go.",
    ),
    click.option(
        "--format",
        "formats",
        type=FORMAT,
        multiple=True,
        help="For a FOLDER; may be repeated. Default: jsonl.",
    ),
    click.option(
        "--max-credits",
        type=Number(),
        help="Credit limit of the batch, or of one refresh, over all runs. Default: "
        "SOCIALFETCH_MAX_CREDITS.",
    ),
    click.option(
        "--concurrency",
        type=Number(),
        default=10,
        show_default=True,
        help="Pages in flight at a time.",
    ),
    click.option(
        "--fsync",
        type=click.Choice(["page", "second", "never"]),
        default="second",
        show_default=True,
        help="When pages are synced to disk.",
    ),
    click.option(
        "--max-followers",
        "--max-followers-per-handle",
        "max_followers_per_handle",
        type=Number(),
        help=f"{_LISTS}in whole pages.",
    ),
    click.option(
        "--max-pages",
        "--max-pages-per-handle",
        "max_pages_per_handle",
        type=Number(),
        help=_PAGES,
    ),
    click.option(
        "--refresh",
        type=click.Choice(["new", "all"]),
        help="Read finished lists again: new followers only, or whole lists.",
    ),
    click.option(
        "--older-than",
        type=Duration(),
        help="With --refresh: only lists read longer ago than this (12h, 7d).",
    ),
    click.option(
        "--estimate",
        is_flag=True,
        help="Buy each list's first page (1 credit each), and say what the rest costs.",
    ),
    click.option(
        "--settle",
        "settles",
        is_flag=True,
        help="Lower the possibly charged credits to what the balance allows; buy nothing.",
    ),
    click.option("--yes", is_flag=True, help="With --estimate: buy the rest without asking."),
    click.option("--column", metavar="NAME", help=_COLUMN),
    click.option("--no-header", is_flag=True, help=_HEADER),
    click.option(
        "--dry-run", is_flag=True, help="Say what is left and what it costs; buy nothing."
    ),
    click.option("--trim", is_flag=True, help=_TRIM),
    click.option("--spreadsheet", is_flag=True, help=SPREADSHEET),
    click.option(
        "--overwrite", is_flag=True, help="Replace files that this journal did not write."
    ),
    click.option(
        "--scheduler",
        metavar="URL",
        help="Run it on the workers of this Dask scheduler; --concurrency is per worker.",
    ),
)

of_emulate = _all(
    click.option(
        "--port",
        type=Number(0, 65_535),
        default=8765,
        show_default=True,
        help="Port to listen on; 0 is a free one.",
    ),
    click.option(
        "--page-size", type=Number(), default=20, show_default=True, help="Followers per page."
    ),
    click.option(
        "--latency",
        type=Decimal(zero=True),
        metavar="SECONDS",
        default=0.0,
        show_default=True,
        help="Wait before each response.",
    ),
    click.option("--credits", "credits_", type=Number(0), help="Credits of the account."),
    click.option("--price", type=Number(), default=1, show_default=True, help="Credits per page."),
    click.option(
        "--seed",
        type=Number(0),
        default=0,
        show_default=True,
        help="Random seed for generated followers and faults.",
    ),
    click.option(
        "--profile",
        "profiles",
        type=Pair(_size),
        multiple=True,
        metavar="HANDLE=SIZE|STATUS",
        help="A profile that exists, example: ada=1000, bo=private; may be repeated. Without any, "
        "every handle exists, except private..., hidden... and missing...",
    ),
    click.option(
        "--fault",
        "faults",
        type=Pair(float),
        multiple=True,
        metavar="KIND=RATE",
        help="A share of requests that fail, example: 503=0.05; may be repeated. Kinds: a status, "
        "the same from a gateway (503-html, 503-empty, 503-json), drop, lose, stall, truncate, and "
        "those that the error for an unknown kind lists.",
    ),
    click.option(
        "--retry-after",
        type=Number(0),
        metavar="SECONDS",
        help="The Retry-After of a 429 or 503.",
    ),
    click.option(
        "--rate-limit", type=Decimal(zero=True), help="Pages per second; more are refused."
    ),
    click.option(
        "--limited",
        metavar="KIND",
        default="429",
        show_default=True,
        help="The fault that a request over the rate limit meets.",
    ),
    click.option(
        "--outage",
        "outages",
        type=Pair(_seconds),
        multiple=True,
        metavar="KIND=FROM-TO",
        help="Seconds in which every request fails, example: 503=60-120; may be repeated.",
    ),
    click.option(
        "--growth",
        "growth",
        type=Pair(),
        multiple=True,
        metavar="HANDLE=RATE",
        help="A list that moves, example: ada=5/min, or ada=-2/h to lose followers; may be "
        "repeated. Units: s, min, h.",
    ),
    click.option("--depth", type=Number(0), help="Followers after which a list ends."),
)
