"""The commands and their options. Heavy imports stand inside, so that `--help` is quick."""

import re
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Final

import click

from socialfetch_async._version import __version__
from socialfetch_async.cli.exit_codes import IN_WORDS

_limit = click.IntRange(min=1)
_SPREADSHEET = "CSV for spreadsheets: a byte order mark, and no text runs as a formula."
_format = click.Choice(["jsonl", "jsonl.gz", "csv", "parquet", "sqlite"])


class _Age(click.ParamType[float]):
    """A number with s, m, h or d, in seconds."""

    name = "age"
    _UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds."""
        found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)([smhd])", str(value), re.ASCII)
        if found is None:
            self.fail(f"{value!r} is not a number with s, m, h or d, such as 7d", param, ctx)
        return float(found[1]) * self._UNITS[found[2]]


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=IN_WORDS)
@click.version_option(__version__, prog_name="socialfetch")
def socialfetch() -> None:
    """Fetch TikTok followers from the Social Fetch API.

    The key comes from SOCIALFETCH_API_KEY; SOCIALFETCH_BASE_URL replaces the API's address.
    Data goes to stdout, everything else to stderr.
    """


@socialfetch.command(epilog=IN_WORDS)
@click.argument("handles", metavar="HANDLE... | -", nargs=-1, required=True)
@click.option("--max-followers", type=_limit, help="Stop each handle after this many followers.")
@click.option("--max-pages", type=_limit, help="Stop each handle after this many pages.")
@click.option("--max-credits", type=_limit, help="Spend no more than this, all handles together.")
@click.option("--trim", is_flag=True, help="Ask for fewer fields.")
@click.option("--cursor", help="Go on from here; for one handle.")
def followers(
    handles: tuple[str, ...],
    max_followers: int | None,
    max_pages: int | None,
    max_credits: int | None,
    trim: bool,  # noqa: FBT001 - click passes options by name
    cursor: str | None,
) -> None:
    """Write the followers of each HANDLE as JSON lines, one handle after the other.

    `-` reads handles from stdin, one a line. Every line has `source`, the handle it follows. A
    page costs one credit; `| head -1` stops the buying.
    """
    from socialfetch_async.cli.followers import Options, write_followers  # noqa: PLC0415

    if handles == ("-",):
        text = sys.stdin.buffer.read().decode("utf-8-sig", "replace")
        handles = tuple(line for line in map(str.strip, text.splitlines()) if line)
        if not handles:
            raise click.UsageError("no handle came on stdin: give one a line")
    if cursor is not None and len(handles) > 1:
        raise click.UsageError("--cursor belongs to one handle: give one handle")
    options = Options(trim, max_followers, max_pages, max_credits)
    _run(write_followers(handles, cursor, options))


@socialfetch.command(epilog=IN_WORDS)
@click.argument("handles", metavar="HANDLES-FILE | -")
@click.option("-o", "--output", metavar="DIR | FILE", required=True, help="Where the files go.")
@click.option(
    "--format",
    "formats",
    type=_format,
    multiple=True,
    help="For a DIR; may be repeated. Default: jsonl.",
)
@click.option(
    "--max-credits", type=_limit, help="Spend no more than this on the journal, in all runs."
)
@click.option(
    "--concurrency", type=_limit, default=10, show_default=True, help="Pages on their way at once."
)
@click.option(
    "--fsync",
    type=click.Choice(["page", "second", "never"]),
    default="second",
    show_default=True,
    help="When pages are synced to the disk.",
)
@click.option(
    "--max-followers-per-handle",
    type=_limit,
    help="The newest so many of each list, in whole pages.",
)
@click.option("--max-pages-per-handle", type=_limit, help="The same in pages.")
@click.option(
    "--refresh",
    type=click.Choice(["new", "all"]),
    help="Read finished lists again: new followers only, or whole lists.",
)
@click.option(
    "--older-than",
    type=_Age(),
    metavar="AGE",
    help="With --refresh, only lists read before: 12h, 7d.",
)
@click.option(
    "--estimate",
    is_flag=True,
    help="Buy each list's first page (1 credit each), say what the rest costs.",
)
@click.option(
    "--settle",
    "settles",
    is_flag=True,
    help="Lower the credits that may have been charged by the balance; buy nothing.",
)
@click.option("--yes", is_flag=True, help="With --estimate: go on without asking.")
@click.option("--column", metavar="NAME", help="The column of HANDLES-FILE to read.")
@click.option("--no-header", is_flag=True, help="The first line of HANDLES-FILE is a handle.")
@click.option("--dry-run", is_flag=True, help="Say what is left and its price; buy nothing.")
@click.option("--trim", is_flag=True, help="Ask for fewer fields.")
@click.option("--spreadsheet", is_flag=True, help=_SPREADSHEET)
@click.option("--overwrite", is_flag=True, help="Replace files that this journal did not write.")
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Run it on the workers of this Dask scheduler; --concurrency is each one's.",
)
def export(
    dry_run: bool,  # noqa: FBT001 - click passes options by name
    estimate: bool,  # noqa: FBT001 - as above
    yes: bool,  # noqa: FBT001 - as above
    settles: bool,  # noqa: FBT001 - as above
    scheduler: str | None,
    **options: Any,
) -> None:
    """Fetch the followers of all handles in a file, and write them to files.

    Every page is kept in a journal beside the output. The same command again goes on where it
    ended and buys only what is missing; when all is done it sends nothing.

    HANDLES-FILE has a handle or profile URL on each line, or is CSV with a column `handle` or
    `username`. FILE ends in .jsonl, .jsonl.gz, .csv, .parquet or .sqlite.
    """
    from socialfetch_async.cli.export import Options, run_batch  # noqa: PLC0415

    if scheduler is not None:
        if dry_run or estimate:
            name = "--dry-run" if dry_run else "--estimate"
            raise click.UsageError(f"{name} is not for --scheduler: leave the scheduler out")
        from socialfetch_async.cli.cluster import run_on_cluster  # noqa: PLC0415

        run_on_cluster(scheduler, Options(**options))
    run_batch(Options(**options), dry_run=dry_run, estimate=estimate, yes=yes, settles=settles)


@socialfetch.command()
@click.argument("journals", metavar="JOURNAL|DIR...", nargs=-1, required=True)
@click.option("-o", "--output", metavar="FILE|-", required=True, help="The file; - is stdout.")
@click.option(
    "--format", "form", type=_format, help="Default: what the name of FILE ends in; jsonl for -."
)
@click.option("--spreadsheet", is_flag=True, help=_SPREADSHEET)
def convert(
    journals: tuple[str, ...],
    output: str,
    form: str | None,
    spreadsheet: bool,  # noqa: FBT001
) -> None:
    """Convert journals to a data file.

    Works offline and costs no credits. DIR is a folder that `export` has written. The file is
    replaced, but no journal.
    """
    from socialfetch_async.cli.journals import convert_journals, stream_journals  # noqa: PLC0415

    if output == "-":
        _run(stream_journals(journals, form, spreadsheet=spreadsheet))
    _run_offline(lambda: convert_journals(journals, output, form, spreadsheet=spreadsheet))


@socialfetch.command()
@click.argument("journals", metavar="JOURNAL|DIR...", nargs=-1, required=True)
@click.option("-o", "--output", metavar="FILE", required=True, help="The HTML file to write.")
def report(journals: tuple[str, ...], output: str) -> None:
    """Write a report on journals to an HTML file.

    Works offline and costs no credits. DIR is a folder that `export` has written.
    """
    from socialfetch_async.cli.journals import report_journals  # noqa: PLC0415

    _run_offline(lambda: report_journals(journals, output))


@socialfetch.command()
@click.argument("old", metavar="JOURNAL|DIR")
@click.argument("new", metavar="[NEW]", required=False)
@click.option("-o", "--output", metavar="FILE|-", default="-", help="A .jsonl or .csv file.")
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]), help="For stdout.")
@click.option("--handle", help="Only this profile.")
@click.option("--partial", is_flag=True, help="Compare lists that are not complete, too.")
def diff(
    old: str,
    new: str | None,
    output: str,
    form: str | None,
    handle: str | None,
    partial: bool,  # noqa: FBT001
) -> None:
    """Write the followers gained and lost between readings.

    Compares the last two complete readings of each list in JOURNAL; `export --refresh all` makes
    another reading. With NEW, compares one list in JOURNAL with that in a newer journal. DIR is a
    folder that `export` has written. Each line is a follower; `change` is gained or lost. Works
    offline and costs no credits.
    """
    from socialfetch_async.cli.journals import stream_changes, write_changes  # noqa: PLC0415

    if output == "-":
        _run(stream_changes(old, new, handle, form, partial=partial))
    _run_offline(lambda: write_changes(old, new, handle, output, form, partial=partial))


@socialfetch.command(epilog=IN_WORDS)
def whoami() -> None:
    """Say whose key this is. Free."""
    from socialfetch_async.cli.followers import write_value  # noqa: PLC0415

    _run(write_value(lambda client: client.whoami()))


@socialfetch.command(epilog=IN_WORDS)
def balance() -> None:
    """Say how many credits are left. Free."""
    from socialfetch_async.cli.followers import write_value  # noqa: PLC0415

    _run(write_value(lambda client: client.get_balance()))


@socialfetch.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True)
@click.option("--page-size", type=_limit, default=20, show_default=True, help="Followers a page.")
@click.option(
    "--latency",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="Seconds before each answer.",
)
@click.option("--credits", "credits_", type=click.IntRange(min=0), help="Credits of the account.")
@click.option(
    "--price", type=click.IntRange(min=1), default=1, show_default=True, help="Credits per page."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Other followers and faults.")
@click.option(
    "--profile",
    "profiles",
    multiple=True,
    metavar="HANDLE=SIZE|STATUS",
    help="A profile that exists, as ada=1000 or bo=private; may be repeated. Without any, every "
    "handle exists, except private..., hidden... and missing...",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="KIND=RATE",
    help="A share of requests that fail, example: 503=0.05; may be repeated. Kinds: a status, the "
    "same from a gateway (503-html, 503-empty, 503-json), drop, lose, stall, truncate, and those "
    "that the error for an unknown kind lists.",
)
@click.option(
    "--retry-after",
    type=click.IntRange(min=0),
    help="Seconds in the Retry-After of a 429 or 503.",
)
@click.option(
    "--rate-limit", type=click.FloatRange(min=0), help="Pages per second; more are refused."
)
@click.option(
    "--limited",
    metavar="KIND",
    default="429",
    show_default=True,
    help="The fault that a request over the rate limit meets.",
)
@click.option(
    "--outage",
    "outages",
    multiple=True,
    metavar="KIND=FROM-TO",
    help="Seconds in which every request fails, example: 503=60-120; may be repeated.",
)
@click.option(
    "--growth",
    "growth",
    multiple=True,
    metavar="HANDLE=RATE",
    help="A list that moves, example: ada=5/min, or ada=-2/h to lose followers; may be repeated. "
    "Units: s, min, h.",
)
@click.option("--depth", type=click.IntRange(min=0), help="Followers after which a list ends.")
def emulate(
    port: int,
    page_size: int,
    latency: float,
    credits_: int | None,
    price: int,
    seed: int,
    profiles: tuple[str, ...],
    faults: tuple[str, ...],
    retry_after: int | None,
    rate_limit: float | None,
    limited: str,
    outages: tuple[str, ...],
    growth: tuple[str, ...],
    depth: int | None,
) -> None:
    """Run the emulator of the API on 127.0.0.1 until Ctrl-C; a status page is at `/`."""
    from socialfetch_async.cli.demo import serve  # noqa: PLC0415
    from socialfetch_async.emulator import Emulator  # noqa: PLC0415

    try:
        emulator = Emulator(
            {handle: int(v) if v.isdecimal() else v for handle, v in map(_pair, profiles)} or None,
            page_size=page_size,
            latency=latency,
            seed=seed,
            credits=credits_,
            price=price,
            faults={fault: _rate(rate) for fault, rate in map(_pair, faults)},
            retry_after=retry_after,
            rate_limit=rate_limit,
            limited=limited,
            outages=[(fault, *_seconds(times)) for fault, times in map(_pair, outages)],
            growth=dict(map(_pair, growth)),
            depth=depth,
            port=port,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    _run(serve(emulator))


@socialfetch.command()
@click.option(
    "-o", "--output", metavar="DIR", help="A new or empty folder. Default: a temporary one."
)
def demo(output: str | None) -> None:
    """Show the main job on the embedded emulator: no key, no network, no cost."""
    from socialfetch_async.cli.demo import show  # noqa: PLC0415

    _run(show(output))


def _run(command: Coroutine[Any, Any, int]) -> None:
    from socialfetch_async.cli.stopping import run  # noqa: PLC0415

    run(command)


def _run_offline(command: Callable[[], None]) -> None:
    from socialfetch_async.cli.stopping import run_offline  # noqa: PLC0415

    run_offline(command)


def _rate(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise click.UsageError(
            f"the rate of a fault is a number from 0 to 1, not {text!r}"
        ) from None


def _seconds(text: str) -> tuple[float, float]:
    begin, _, end = text.partition("-")
    try:
        return float(begin), float(end)
    except ValueError:
        raise click.UsageError(f"an outage is FROM-TO in seconds, not {text!r}") from None


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise click.UsageError(f"{text!r} is not NAME=VALUE")
    return name, value
