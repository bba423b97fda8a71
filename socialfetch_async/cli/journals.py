"""`socialfetch convert`, `report`, `diff`: what journals hold, offline."""

import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from socialfetch_async._terminal import Voice, write_lines
from socialfetch_async.cli.exit_codes import DONE
from socialfetch_async.cli.output import as_json
from socialfetch_async.cli.words import NAMED_LISTS, ages, gaps, named, size, written
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

_BLOCKS: Final = 10  # at once; one of CSV has about a thousand rows


def convert_journals(
    journals: tuple[str, ...], output: str, form: str | None, voice: Voice, *, spreadsheet: bool
) -> None:
    """Write an export and say what it holds."""
    saved = saved_run(journals)
    file = convert(saved, output, format=form, spreadsheet=spreadsheet)
    _announce(file, [written(file), *_ages(saved)], voice)


async def stream_journals(
    journals: tuple[str, ...], form: str | None, voice: Voice, *, spreadsheet: bool
) -> int:
    """Write an export to stdout, and to stderr which lists lack followers and how old they are."""
    target = streamed_target(form, spreadsheet=spreadsheet)
    saved = saved_run(journals)
    await _write(target.blocks(Lists(saved)))
    await voice.say([*_gaps(saved), *_ages(saved)])
    return DONE


def report_journals(journals: tuple[str, ...], output: str, voice: Voice) -> None:
    """Write a report, and say which lists lack followers."""
    if output == "-":
        raise ValueError("a report is a file: name one (./- is a file called -)")
    saved = saved_run(journals)
    write_report(saved, output)
    _announce_path(real_path(output), voice, _gaps(saved))


async def stream_changes(
    old: str, new: str | None, handle: str | None, form: str | None, *, partial: bool, voice: Voice
) -> int:
    """Write gained and lost followers to stdout."""
    form = streamed_target(form).form
    saved = saved_run(old)
    await _write(blocks_of(diff(saved, new, handle=handle, partial=partial), form))
    await voice.say(_not_compared(saved, new, handle))
    return DONE


def write_changes(
    old: str,
    new: str | None,
    handle: str | None,
    output: str,
    form: str | None,
    *,
    partial: bool,
    voice: Voice,
) -> None:
    """Write gained and lost followers to a file."""
    saved = saved_run(old)
    path = write_diff(saved, new, output, format=form, handle=handle, partial=partial)
    _announce_path(path, voice, _not_compared(saved, new, handle))


def _not_compared(saved: SavedRun, new: str | None, handle: str | None) -> Iterator[str]:
    if new is None and handle is None and (names := not_compared(saved)):
        yield f"not compared, without two complete readings: {named(names, NAMED_LISTS)}"


def _announce_path(path: Path, voice: Voice, more: Iterable[str] = ()) -> None:
    bytes_ = path.stat().st_size
    _announce({"path": path, "bytes": bytes_}, [f"{path} ({size(bytes_)})", *more], voice)


def _announce(result: object, lines: Iterable[str], voice: Voice) -> None:
    """Say what was written."""
    voice.tell(lines)
    if voice.json:
        sys.stdout.buffer.write(as_json(result))


async def _write(blocks: Iterable[bytes]) -> None:
    left = iter(blocks)
    while some := [line for block in islice(left, _BLOCKS) for line in block.splitlines(True)]:
        await write_lines(some)


def _ages(saved: SavedRun) -> Iterator[str]:
    read = [handle.read_at for handle in saved.handles.values() if handle.read_at is not None]
    return ages(min(read, default=None), max(read, default=None))


def _gaps(saved: SavedRun) -> Iterator[str]:
    handles = saved.handles.values()
    incomplete = [handle.handle for handle in handles if is_incomplete(handle)]
    short = [handle.handle for handle in handles if is_much_shorter(handle)]
    gone = [handle.handle for handle in handles if handle.gone is not None]
    set_aside = [handle.handle for handle in handles if handle.set_aside]
    return gaps(incomplete, short, gone, set_aside)
