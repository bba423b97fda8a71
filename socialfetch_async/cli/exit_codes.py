"""The exit codes of every command."""

from typing import Final

DONE: Final = 0
SOME_FAILED: Final = 1
USAGE: Final = 2
KEY_REFUSED: Final = 3
OUT_OF_CREDITS: Final = 4
CREDIT_LIMIT: Final = 5
PIPE_CLOSED: Final = 128 + 13  # what a shell reports for SIGPIPE; Windows has no such signal
IN_WORDS: Final = """\
Exit codes: 0 all done; 1 some handles failed; 2 usage; 3 key refused; 4 out of credits;
5 own credit limit reached; 130, 141, 143 after Ctrl-C, a closed pipe, SIGTERM. Those three stop
the buying at once and say how to go on."""
