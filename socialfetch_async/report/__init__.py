"""`report`: what the journals of a batch say, as one HTML file that needs no network."""

from socialfetch_async.errors import ExportError
from socialfetch_async.export import (
    Journals,
    PathLike,
    atomic_write,
    real_path,
    refuse_to_replace,
    saved_run,
)
from socialfetch_async.report.figures import figures_of
from socialfetch_async.report.page import page


def write_report(journal: Journals, output: PathLike) -> None:
    """Write what happened in one or several journals to an HTML file. No request is sent.

    The file holds no script and no URL of anything else, so it can be mailed and printed. It
    is written beside its place and renamed. The same journals make the same file, byte for byte.

    Args:
        journal: A path, a folder that a batch has written, what `read_journal` returned, or
            several paths: attempts at the same handles are read as one. One that is being
            written can be read.
        output: The file to write; an older one is replaced, but no journal. Missing folders are
            made.

    Raises:
        ExportError: The output cannot be written, or is a journal.
        JournalError: A journal cannot be read.
    """
    saved = saved_run(journal)
    path = real_path(output)
    refuse_to_replace(path, saved.paths)
    text = page(figures_of(saved))
    try:
        with atomic_write(path) as part:
            part.write_bytes(text.encode())
    except OSError as error:
        raise ExportError(
            f"{path} was not written: {error.strerror}. What stood there is as it was, and the "
            "journal has everything."
        ) from error
