"""What comes in: numbers in a query string, errors that are the reader's, and the socket."""

import contextlib
import re
import socket
from collections.abc import Iterator
from typing import Final

from socialfetch_async._text import shortened
from socialfetch_async.errors import InvalidHandleError

_UNSENT_BYTES: Final = 16_384
# The first counts what is not sent yet; the second, on Windows, also what is not acknowledged, and
# so slows readers down that are far away.
_SEND_BUFFER: Final = (
    (socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT)
    if hasattr(socket, "TCP_NOTSENT_LOWAT")
    else (socket.SOL_SOCKET, socket.SO_SNDBUF)
)
_DIGITS: Final = re.compile(r"[0-9]{1,9}")


class InvalidRequestError(ValueError):
    """What a reader asked for can not be: its text is for that reader. Nothing was sent."""


class CreditsSpentError(Exception):
    """The credits that this process may spend are spent, or held by other requests."""


@contextlib.contextmanager
def about_the_request() -> Iterator[None]:
    """Tell a wrong argument, which is the reader's, from any other ValueError, which is ours."""
    try:
        yield
    except InvalidHandleError:
        raise
    except ValueError as error:
        raise InvalidRequestError(str(error)) from None


def whole_number(name: str, text: str | None, default: int) -> int:
    """Read a number from a query string, for frameworks that leave it as text.

    Raises:
        InvalidRequestError: It is not 1 to 9 digits.
    """
    if text is None:
        return default
    if not _DIGITS.fullmatch(text):
        raise InvalidRequestError(f"{name} is a whole number, not {shortened(text)}")
    return int(text)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket that keeps little back for readers that do not read.

    Otherwise the system takes 4 MB for each of them: hundreds of pages, paid for and never read.
    """
    listener = socket.create_server((host, port))
    listener.setsockopt(*_SEND_BUFFER, _UNSENT_BYTES)  # connections inherit it
    return listener
