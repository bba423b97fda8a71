"""The `socialfetch` command. It needs the extra `cli`; the library does not."""

import signal
import sys

from socialfetch_async._text import install

__all__ = ["main"]


def main() -> None:
    """Run the command line; every way out is an exit code (see `stopping.py`)."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Until a command has set its own handler nothing is bought: Ctrl-C just ends the process.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.stdout is None or sys.stderr is None:  # closed by the caller: `>&-`
        if sys.stderr is not None:
            sys.stderr.write(
                "socialfetch: stdout is closed: send it to a file or a pipe. No request was sent.\n"
            )
        sys.exit(2)
    try:
        from socialfetch_async.cli.commands import socialfetch  # noqa: PLC0415 - needs the extra

        socialfetch(prog_name="socialfetch")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "click":
            raise
        sys.stderr.write(f"the command needs the extra `cli`: {install('cli')}\n")
        sys.exit(2)
