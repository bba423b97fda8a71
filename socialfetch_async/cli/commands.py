"""The commands. Heavy imports stand inside, so that `--help` is quick."""

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import click

from socialfetch_async._version import __version__
from socialfetch_async.cli.command_options import (
    FILE,
    FORMAT,
    SPREADSHEET,
    of_emulate,
    of_export,
    of_followers,
)
from socialfetch_async.cli.options import Group, connection, example, given, shared

if TYPE_CHECKING:
    from socialfetch_async._terminal import Voice
    from socialfetch_async.cli.connecting import Connection

T = TypeVar("T")


@click.group(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=example("socialfetch demo"),
)
@click.version_option(__version__, prog_name="socialfetch")
@shared
def socialfetch() -> None:
    """Fetch TikTok followers from the Social Fetch API.

    Environment: SOCIALFETCH_API_KEY is the key, SOCIALFETCH_BASE_URL another API,
    SOCIALFETCH_MAX_CREDITS the credit limit if --max-credits is not typed, and HTTPS_PROXY,
    ALL_PROXY and NO_PROXY name a proxy. Data goes to stdout, everything else to stderr.
    """


@socialfetch.command(epilog=example("socialfetch followers ada --max-pages=2 | jq .handle"))
@click.argument("handles", metavar="HANDLE... | -", nargs=-1, required=True)
@of_followers
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
    line of the output has `source`, the handle that is followed. A page costs one credit, even
    if `| head -1` does not read it to its end.
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
@click.argument("handles", metavar="HANDLES-FILE | -", required=False, type=FILE)
@of_export
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
@click.argument("journals", metavar="JOURNAL | FOLDER...", nargs=-1, required=True, type=FILE)
@click.option(
    "-o", "--output", metavar="FILE | -", type=FILE, required=True, help="The file; - is stdout."
)
@click.option("--format", "form", type=FORMAT, help="Default: by the suffix of FILE; jsonl for -.")
@click.option("--spreadsheet", is_flag=True, help=SPREADSHEET)
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
@click.argument("journals", metavar="JOURNAL | FOLDER...", nargs=-1, required=True, type=FILE)
@click.option(
    "-o", "--output", metavar="FILE", type=FILE, required=True, help="The HTML file to write."
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
@click.argument("old", metavar="JOURNAL | FOLDER", type=FILE)
@click.argument("new", metavar="[NEW]", type=FILE, required=False)
@click.option(
    "-o",
    "--output",
    metavar="FILE | -",
    type=FILE,
    default="-",
    show_default=True,
    help="A .jsonl or .csv file; - is stdout.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "csv"]),
    help="Default: by the suffix of FILE; jsonl for -.",
)
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
@of_emulate
@shared
def emulate(
    port: int,
    page_size: int,
    latency: float,
    credits_: int | None,
    price: int,
    seed: int,
    profiles: tuple[tuple[str, int | str], ...],
    faults: tuple[tuple[str, float], ...],
    retry_after: int | None,
    rate_limit: float | None,
    limited: str,
    outages: tuple[tuple[str, tuple[float, float]], ...],
    growth: tuple[tuple[str, str], ...],
    depth: int | None,
) -> None:
    """Run the emulator of the API on 127.0.0.1 until Ctrl-C.

    Costs no credits and needs no network. A status page is at `/`.
    """
    from socialfetch_async.cli.demo import serve  # noqa: PLC0415
    from socialfetch_async.emulator import Emulator  # noqa: PLC0415

    try:
        emulator = Emulator(
            dict(profiles) or None,
            page_size=page_size,
            latency=latency,
            seed=seed,
            credits=credits_,
            price=price,
            faults=dict(faults),
            retry_after=retry_after,
            rate_limit=rate_limit,
            limited=limited,
            outages=[(fault, *times) for fault, times in outages],
            growth=dict(growth),
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
    type=FILE,
    help="A new or empty folder. Default: a temporary one.",
)
@shared
def demo(output: str | None) -> None:
    """Run a sample export against the built-in emulator.

    Needs no key and no network, and costs no credits.
    """
    from socialfetch_async.cli.demo import show  # noqa: PLC0415

    _run(show(output, _voice()))


def _voice() -> "Voice":
    from socialfetch_async._terminal import Voice  # noqa: PLC0415

    return Voice(**given())


def _how(options: dict[str, Any]) -> "tuple[Voice, Connection]":
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
