"""What comes in: errors that are the HTTP client's and not ours."""

import contextlib
from collections.abc import Iterator

from socialfetch_async.errors import InvalidHandleError


class InvalidRequestError(ValueError):
    """What an HTTP client asked for is not valid: the text is for it. No request was sent."""


@contextlib.contextmanager
def about_the_request() -> Iterator[None]:
    """Tell a wrong argument, which is the HTTP client's, from any other ValueError, which is ours.

    Enclose what reads a request and makes its stream: `client.iter_followers(...)`.

    Raises:
        InvalidRequestError: In place of a ValueError, with its text.
        InvalidHandleError: As it is.
    """
    try:
        yield
    except InvalidHandleError:
        raise
    except ValueError as error:
        raise InvalidRequestError(str(error)) from None
