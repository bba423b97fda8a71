"""The `socialfetch` command. It needs the extra `cli`; the library does not."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; every way out is an exit code (see `stopping.py`)."""
    try:
        from socialfetch_async.cli.commands import socialfetch  # noqa: PLC0415 - needs the extra
    except ModuleNotFoundError as error:
        if error.name not in {"click", "rich"}:
            raise
        sys.exit("socialfetch needs its extra: pip install 'socialfetch-async[cli]'")
    socialfetch(prog_name="socialfetch")
