"""The exit codes of every command."""

from typing import Final

DONE: Final = 0
SOME_FAILED: Final = 1
USAGE: Final = 2
KEY_REFUSED: Final = 3
OUT_OF_CREDITS: Final = 4
CREDIT_LIMIT: Final = 5
NO_ANSWER: Final = 6
PIPE_CLOSED: Final = 128 + 13  # what a shell reports for SIGPIPE; Windows has no such signal

TABLE: Final = (
    ("0", "all done"),
    ("1", "some handles failed, or a file was not written"),
    ("2", "an option, a handle or a file is not valid"),
    ("3", "the API key was refused"),
    ("4", "the account is out of credits"),
    ("5", "the credit limit of the command is reached"),
    ("6", "no connection, or the API has not answered once: try again later"),
    ("129, 130, 141, 143", "SIGHUP, Ctrl-C, a closed pipe, SIGTERM"),
)
"""Each code and what it means: for `--help`, and for docs/command-line.md."""
