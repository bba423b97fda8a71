"""`socialfetch convert`, `report`, `diff`: what journals hold, offline."""

from itertools import islice
from pathlib import Path
from typing import Final

import click

from socialfetch_async.cli.exit_codes import DONE
from socialfetch_async.cli.export import show_written, written
from socialfetch_async.cli.output import write_lines
from socialfetch_async.export import convert, diff
from socialfetch_async.report import write_report

_LINES: Final = 500  # at once


def convert_journals(
    journals: tuple[str, ...], output: str, form: str | None, *, spreadsheet: bool
) -> None:
    """Write an export and say what it holds."""
    file = convert(journals, output, format=form, spreadsheet=spreadsheet)
    click.echo(written(file), err=True)


def report_journals(journals: tuple[str, ...], output: str) -> None:
    """Write a report."""
    write_report(journals, output)
    click.echo(show_written(Path(output)), err=True)


async def write_changes(old: str, new: str, handle: str | None, *, partial: bool) -> int:
    """Write gained and lost followers as lines of JSON."""
    changes = diff(old, new, handle=handle, partial=partial)
    while lines := [change.line() for change in islice(changes, _LINES)]:
        await write_lines(lines)
    return DONE
