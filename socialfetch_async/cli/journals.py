"""`socialfetch convert`, `report`, `diff`: what journals hold, offline."""

from collections.abc import Iterable
from itertools import islice
from typing import Final

import click

from socialfetch_async.cli.exit_codes import DONE
from socialfetch_async.cli.export import gaps, show_written, written
from socialfetch_async.cli.output import write_lines
from socialfetch_async.export import (
    Lists,
    blocks_of,
    convert,
    diff,
    is_incomplete,
    is_much_shorter,
    not_compared,
    real_path,
    saved_run,
    streamed_target,
    write_diff,
)
from socialfetch_async.journal import SavedRun
from socialfetch_async.report import write_report

_BLOCKS: Final = 100  # at once
_NAMED: Final = 5


def convert_journals(
    journals: tuple[str, ...], output: str, form: str | None, *, spreadsheet: bool
) -> None:
    """Write an export and say what it holds."""
    file = convert(journals, output, format=form, spreadsheet=spreadsheet)
    click.echo(written(file), err=True)


async def stream_journals(journals: tuple[str, ...], form: str | None, *, spreadsheet: bool) -> int:
    """Write an export to stdout, and to stderr which lists lack followers."""
    target = streamed_target(form, spreadsheet=spreadsheet)
    saved = saved_run(journals)
    await _write(target.blocks(Lists(saved)))
    _say_gaps(saved)
    return DONE


def report_journals(journals: tuple[str, ...], output: str) -> None:
    """Write a report, and say which lists lack followers."""
    saved = saved_run(journals)
    write_report(saved, output)
    click.echo(show_written(real_path(output)), err=True)
    _say_gaps(saved)


async def stream_changes(
    old: str, new: str | None, handle: str | None, form: str | None, *, partial: bool
) -> int:
    """Write gained and lost followers to stdout."""
    form = streamed_target(form).form
    saved = saved_run(old)
    await _write(blocks_of(diff(saved, new, handle=handle, partial=partial), form))
    _say_not_compared(saved, new, handle)
    return DONE


def write_changes(
    old: str, new: str | None, handle: str | None, output: str, form: str | None, *, partial: bool
) -> None:
    """Write gained and lost followers to a file."""
    saved = saved_run(old)
    path = write_diff(saved, new, output, format=form, handle=handle, partial=partial)
    click.echo(show_written(path), err=True)
    _say_not_compared(saved, new, handle)


def _say_not_compared(saved: SavedRun, new: str | None, handle: str | None) -> None:
    if new is None and handle is None and (names := not_compared(saved)):
        more = f" and {len(names) - _NAMED:,} more" * (len(names) > _NAMED)
        click.echo(
            f"not compared, without two complete readings: {', '.join(names[:_NAMED])}{more}",
            err=True,
        )


async def _write(blocks: Iterable[bytes]) -> None:
    left = iter(blocks)
    while some := [line for block in islice(left, _BLOCKS) for line in block.splitlines(True)]:
        await write_lines(some)


def _say_gaps(saved: SavedRun) -> None:
    handles = saved.handles.values()
    incomplete = [handle.handle for handle in handles if is_incomplete(handle)]
    short = [handle.handle for handle in handles if is_much_shorter(handle)]
    for line in gaps(incomplete, short):
        click.echo(line, err=True)
