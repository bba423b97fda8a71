"""The commands and their options. Heavy imports stand inside, so that `--help` is quick."""

from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import click

from socialfetch_async._version import __version__
from socialfetch_async.cli.options import (
    Decimal,
    Duration,
    Group,
    Number,
    connection,
    example,
    given,
    shared,
)

T = TypeVar("T")
_SPREADSHEET: Final = "CSV for spreadsheets: a byte order mark, and no text runs as a formula."
_TRIM: Final = "Leave out avatar_urls, platform_user_id and sec_uid; the price is the same."
_LISTS: Final = "Newest followers per handle, then stop; "
_PAGES: Final = "Pages per handle, then stop."
_COLUMN: Final = "The column to read the handles from, if they are CSV."
_HEADER: Final = "The first line of the handles is a handle and no header."
_format = click.Choice(["jsonl", "jsonl.gz", "csv", "parquet", "sqlite"])
_file = click.Path(allow_dash=True)  # so that a shell completes file names


@click.group(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=example("socialfetch demo"),
)
@click.version_option(__version__, prog_name="socialfetch")
@shared
def socialfetch() -> None:
    """Fetch TikTok followers from the Social Fetch API.

    The environment gives the key (SOCIALFETCH_API_KEY), another API (SOCIALFETCH_BASE_URL), a
    credit limit where --max-credits is not typed (SOCIALFETCH_MAX_CREDITS), and a proxy
    (HTTPS_PROXY, ALL_PROXY, NO_PROXY). Data goes to stdout, everything else to stderr.
    """


@socialfetch.command(epilog=example("socialfetch followers ada --max-pages=2 | jq .handle"))
@click.argument("handles", metavar="HANDLE... | -", nargs=-1, required=True)
@click.option(
    "--max-followers",
    "--max-followers-per-handle",
    "max_followers",
    type=Number(),
    help=f"{_LISTS}exactly so many are written.",
)
@click.option("--max-pages", "--max-pages-per-handle", "max_pages", type=Number(), help=_PAGES)
@click.option(
    "--max-credits",
    type=Number(),
    help="Credit limit of this command, all handles together. Default: SOCIALFETCH_MAX_CREDITS.",
)
@click.option("--cursor", metavar="CURSOR", help="Resume from this cursor (single HANDLE only).")
@click.option("--trim", is_flag=True, help=_TRIM)
@click.option("--column", metavar="NAME", help=_COLUMN)
@click.option("--no-header", is_flag=True, help=_HEADER)
@connection
@shared
def followers(
    handles: tuple[str, ...],
    cursor: str | None,
    column: str | None,
    no_header: bool,  # noqa: FBT001 - click passes options by name
    **options: Any,
) -> None:
    """Write the followers of each HANDLE as JSON Lines.

    HANDLE is a handle or profile URL. `-` reads them from stdin, one per line or as CSV. Every
    line of the output has `source`, the handle that is followed. A page costs one credit, also
    one that `| head -1` does not read to its end.
    """
    from socialfetch_async.cli import followers as command  # noqa: PLC0415

    voice, connecting = _how(options)
    chosen = command.Options(**options, connection=connecting, voice=voice)
    if cursor is not None and len(handles) > 1:
        raise click.UsageError("--cursor belongs to one handle: give one handle")
    if (column is not None or no_header) and handles != ("-",):
        raise click.UsageError("--column and --no-header are for handles from stdin: use -")
    starts = _valid(lambda: command.starts_of(handles, cursor, column, header=not no_header))
    _run(command.write_followers(starts, chosen))


@socialfetch.command(epilog=example("socialfetch export handles.txt -o out --max-credits=5000"))
@click.argument("handles", metavar="HANDLES-FILE | -", required=False, type=_file)
@click.option(
    "--handle",
    "names",
    metavar="HANDLE",
    multiple=True,
    help="A handle or profile URL, in place of HANDLES-FILE; may be repeated.",
)
@click.option(
    "-o",
    "--output",
    metavar="FOLDER | FILE",
    type=_file,
    required=True,
    help="Where the journal and the exports go.",
)
@click.option(
    "--format",
    "formats",
    type=_format,
    multiple=True,
    help="For a FOLDER; may be repeated. Default: jsonl.",
)
@click.option(
    "--max-credits",
    type=Number(),
    help="Credit limit of the batch, or of one refresh, over all runs. Default: "
    "SOCIALFETCH_MAX_CREDITS.",
)
@click.option(
    "--concurrency", type=Number(), default=10, show_default=True, help="Pages in flight at a time."
)
@click.option(
    "--fsync",
    type=click.Choice(["page", "second", "never"]),
    default="second",
    show_default=True,
    help="When pages are synced to disk.",
)
@click.option(
    "--max-followers",
    "--max-followers-per-handle",
    "max_followers_per_handle",
    type=Number(),
    help=f"{_LISTS}in whole pages.",
)
@click.option(
    "--max-pages",
    "--max-pages-per-handle",
    "max_pages_per_handle",
    type=Number(),
    help=_PAGES,
)
@click.option(
    "--refresh",
    type=click.Choice(["new", "all"]),
    help="Read finished lists again: new followers only, or whole lists.",
)
@click.option(
    "--older-than",
    type=Duration(),
    help="With --refresh: only lists read longer ago than this (12h, 7d).",
)
@click.option(
    "--estimate",
    is_flag=True,
    help="Buy each list's first page (1 credit each), and say what the rest costs.",
)
@click.option(
    "--settle",
    "settles",
    is_flag=True,
    help="Lower the possibly charged credits to what the balance allows; buy nothing.",
)
@click.option("--yes", is_flag=True, help="With --estimate: buy the rest without asking.")
@click.option("--column", metavar="NAME", help=_COLUMN)
@click.option("--no-header", is_flag=True, help=_HEADER)
@click.option("--dry-run", is_flag=True, help="Say what is left and what it costs; buy nothing.")
@click.option("--trim", is_flag=True, help=_TRIM)
@click.option("--spreadsheet", is_flag=True, help=_SPREADSHEET)
@click.option("--overwrite", is_flag=True, help="Replace files that this journal did not write.")
@click.option(
    "--scheduler",
    metavar="URL",
    help="Run it on the workers of this Dask scheduler; --concurrency is per worker.",
)
@connection
@shared
def export(
    dry_run: bool,  # noqa: FBT001 - click passes options by name
    estimate: bool,  # noqa: FBT001 - as above
    yes: bool,  # noqa: FBT001 - as above
    settles: bool,  # noqa: FBT001 - as above
    handles: str | None,
    names: tuple[str, ...],
    **options: Any,
) -> None:
    """Fetch the followers of many handles into files.

    Every page is kept in a journal beside the output. The same command again resumes, and buys
    only what is missing; when nothing is missing it sends no request.

    HANDLES-FILE has a handle or profile URL on each line, or is CSV with a column `handle` or
    `username`; `-` is stdin. FILE ends in .jsonl, .jsonl.gz, .csv, .parquet or .sqlite.
    """
    from socialfetch_async.cli.export import (  # noqa: PLC0415
        Options,
        in_this_process,
        run_batch,
    )

    if (handles is None) == (not names):
        raise click.UsageError("give either a HANDLES-FILE (- is stdin) or --handle")
    if names and (options["column"] is not None or options["no_header"]):
        raise click.UsageError("--column and --no-header are for a HANDLES-FILE")
    if options["older_than"] is not None and options["refresh"] is None:
        raise click.UsageError("--older-than belongs to a refresh: give --refresh as well")
    if estimate and options["refresh"] is not None:
        raise click.UsageError(
            "--estimate is for the first collection; --dry-run says what a refresh costs at least"
        )
    voice, connecting = _how(options)
    chosen = Options(
        **options, handles=handles or "", names=names, connection=connecting, voice=voice
    )
    engine = in_this_process
    if chosen.scheduler is not None:
        for word in connecting.words():
            raise click.UsageError(f"{word} is not for --scheduler: leave one of them out")
        from socialfetch_async.cli.cluster import on_cluster as engine  # noqa: PLC0415
    run_batch(chosen, engine, dry_run=dry_run, estimate=estimate, yes=yes, settles=settles)


@socialfetch.command(epilog=example("socialfetch convert out -o followers.parquet"))
@click.argument("journals", metavar="JOURNAL | FOLDER...", nargs=-1, required=True, type=_file)
@click.option(
    "-o", "--output", metavar="FILE | -", type=_file, required=True, help="The file; - is stdout."
)
@click.option("--format", "form", type=_format, help="Default: by the suffix of FILE; jsonl for -.")
@click.option("--spreadsheet", is_flag=True, help=_SPREADSHEET)
@shared
def convert(
    journals: tuple[str, ...],
    output: str,
    form: str | None,
    spreadsheet: bool,  # noqa: FBT001
) -> None:
    """Convert journals to a data file.

    Works offline and costs no credits. FOLDER is one that `export` has written. The file is
    replaced, but no journal.
    """
    from socialfetch_async.cli.journals import convert_journals, stream_journals  # noqa: PLC0415

    voice = _voice()
    if output == "-":
        _run(stream_journals(journals, form, voice, spreadsheet=spreadsheet))
    _run_offline(lambda: convert_journals(journals, output, form, voice, spreadsheet=spreadsheet))


@socialfetch.command(epilog=example("socialfetch report out -o report.html"))
@click.argument("journals", metavar="JOURNAL | FOLDER...", nargs=-1, required=True, type=_file)
@click.option(
    "-o", "--output", metavar="FILE", type=_file, required=True, help="The HTML file to write."
)
@shared
def report(journals: tuple[str, ...], output: str) -> None:
    """Write a report on journals to an HTML file.

    Works offline and costs no credits. FOLDER is one that `export` has written.
    """
    from socialfetch_async.cli.journals import report_journals  # noqa: PLC0415

    voice = _voice()
    _run_offline(lambda: report_journals(journals, output, voice))


@socialfetch.command(epilog=example("socialfetch diff out -o changes.csv"))
@click.argument("old", metavar="JOURNAL | FOLDER", type=_file)
@click.argument("new", metavar="[NEW]", type=_file, required=False)
@click.option(
    "-o",
    "--output",
    metavar="FILE | -",
    type=_file,
    default="-",
    show_default=True,
    help="A .jsonl or .csv file; - is stdout.",
)
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]), help="For stdout.")
@click.option("--handle", metavar="HANDLE", help="Compare only this profile.")
@click.option("--partial", is_flag=True, help="Compare also lists that are not complete.")
@shared
def diff(
    old: str,
    new: str | None,
    output: str,
    form: str | None,
    handle: str | None,
    partial: bool,  # noqa: FBT001
) -> None:
    """Write the followers gained and lost between readings.

    Compares the last two complete readings of each list in JOURNAL; `export --refresh=all` makes
    another reading. With NEW, compares one list in JOURNAL with that in a newer journal. FOLDER is
    one that `export` has written. Each line is a follower; `change` is gained or lost. Works
    offline and costs no credits.
    """
    from socialfetch_async.cli.journals import stream_changes, write_changes  # noqa: PLC0415

    voice = _voice()
    if output == "-":
        _run(stream_changes(old, new, handle, form, partial=partial, voice=voice))
    _run_offline(
        lambda: write_changes(old, new, handle, output, form, partial=partial, voice=voice)
    )


@socialfetch.command(epilog=example("socialfetch whoami"))
@connection
@shared
def whoami(**options: Any) -> None:
    """Show whose API key this is (free).

    On a terminal in words; in a pipe, or with --json, as JSON.
    """
    from socialfetch_async.cli.account import show_user  # noqa: PLC0415

    voice, connecting = _how(options)
    _run(show_user(connecting, voice))


@socialfetch.command(epilog=example("socialfetch balance | jq .balance"))
@connection
@shared
def balance(**options: Any) -> None:
    """Show how many credits the account has (free).

    On a terminal in words; in a pipe, or with --json, as JSON.
    """
    from socialfetch_async.cli.account import show_balance  # noqa: PLC0415

    voice, connecting = _how(options)
    _run(show_balance(connecting, voice))


@socialfetch.command(epilog=example("socialfetch emulate --profile=ada=1000 --fault=503=0.05"))
@click.option(
    "--port",
    type=Number(0, 65_535),
    default=8765,
    show_default=True,
    help="Port to listen on; 0 is a free one.",
)
@click.option(
    "--page-size", type=Number(), default=20, show_default=True, help="Followers per page."
)
@click.option(
    "--latency",
    type=Decimal(zero=True),
    metavar="SECONDS",
    default=0.0,
    show_default=True,
    help="Wait before each response.",
)
@click.option("--credits", "credits_", type=Number(0), help="Credits of the account.")
@click.option("--price", type=Number(), default=1, show_default=True, help="Credits per page.")
@click.option(
    "--seed",
    type=Number(0),
    default=0,
    show_default=True,
    help="Random seed for generated followers and faults.",
)
@click.option(
    "--profile",
    "profiles",
    multiple=True,
    metavar="HANDLE=SIZE|STATUS",
    help="A profile that exists, example: ada=1000, bo=private; may be repeated. Without any, "
    "every handle exists, except private..., hidden... and missing...",
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
    type=Number(0),
    metavar="SECONDS",
    help="The Retry-After of a 429 or 503.",
)
@click.option("--rate-limit", type=Decimal(zero=True), help="Pages per second; more are refused.")
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
@click.option("--depth", type=Number(0), help="Followers after which a list ends.")
@shared
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
    """Run the emulator of the API on 127.0.0.1 until Ctrl-C.

    Costs no credits and needs no network. A status page is at `/`.
    """
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
    _run(serve(emulator, _voice()))


@socialfetch.command(epilog=example("socialfetch demo -o demo"))
@click.option(
    "-o",
    "--output",
    metavar="FOLDER",
    type=_file,
    help="A new or empty folder. Default: a temporary one.",
)
@shared
def demo(output: str | None) -> None:
    """Run a sample export against the built-in emulator.

    Needs no key and no network, and costs no credits.
    """
    from socialfetch_async.cli.demo import show  # noqa: PLC0415

    _run(show(output, _voice()))


def _voice() -> Any:
    from socialfetch_async.cli.output import Voice  # noqa: PLC0415

    return Voice(**given())


def _how(options: dict[str, Any]) -> tuple[Any, Any]:
    """Take the options of the connection from all options; return how to talk and to connect."""
    from socialfetch_async.cli.connecting import Connection  # noqa: PLC0415

    voice = _voice()
    return voice, Connection(**{name: options.pop(name) for name in Connection._fields})


def _valid(read: Callable[[], T]) -> T:
    """Return what was read; what is not valid there ends the command."""
    from socialfetch_async.cli import stopping  # noqa: PLC0415

    try:
        return read()
    except ValueError as error:
        stopping.complain(error)
        raise SystemExit(2) from None


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
