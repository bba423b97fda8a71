"""`report`: what the journals of a batch say, as one HTML file that needs no network."""

import os
from pathlib import Path

from socialfetch_async.errors import ExportError
from socialfetch_async.export import Journals, PathLike, atomic_write, paths_of, refuse_a_journal
from socialfetch_async.journal import read_journal
from socialfetch_async.report.figures import figures_of
from socialfetch_async.report.page import page


def write_report(journals: Journals, output: PathLike) -> None:
    """Write what happened in one or several journals to an HTML file. Nothing is sent or spent.

    The file holds no script and no address of anything else, so it can be mailed and printed. It
    is written aside and renamed. The same journals make the same file, byte for byte.

    Args:
        journals: A path, or several: attempts at the same handles are read as one. One that is
            being written can be read.
        output: The file to write; an older one is replaced.

    Raises:
        ExportError: The output can not be written, or is a journal.
        JournalError: A journal can not be read.
    """
    path = Path(os.path.realpath(output))
    sources = paths_of(journals)
    refuse_a_journal(path, sources)
    text = page(figures_of(read_journal(*sources)))
    try:
        with atomic_write(path) as aside:
            aside.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ExportError(
            f"{path} was not written: {error.strerror}. What stood there is as it was, and the "
            "journal has everything."
        ) from error
