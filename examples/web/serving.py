"""What the applications beside this file share: a request's list and numbers, and the socket."""

import re
import socket

from socialfetch_async import FollowerStream, SocialFetchClient, web

MOST_CREDITS = 500  # for one request, whatever it asks for

_UNSENT_BYTES = 16_384
# The first counts what is not sent yet; the second, on Windows, also what is not acknowledged, and
# so slows HTTP clients down that are far away.
_SEND_BUFFER = (
    (socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT)
    if hasattr(socket, "TCP_NOTSENT_LOWAT")
    else (socket.SOL_SOCKET, socket.SO_SNDBUF)
)


def followers(
    client: SocialFetchClient, handle: str, cursor: str | None, max_credits: int
) -> FollowerStream:
    """Open the list that a request asks for, with a limit of its own within the client's."""
    with web.about_the_request():
        return client.iter_followers(
            handle, cursor=cursor, max_credits=min(max_credits, MOST_CREDITS)
        )


def whole_number(name: str, text: str | None, default: int) -> int:
    """Read a number from a query string, for frameworks that leave it as text."""
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise web.InvalidRequestError(f"{name} must be a whole number, not {text[:20]!r}")
    return int(text)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket that keeps little back for HTTP clients that do not read.

    Otherwise the system takes 4 MB for each of them: hundreds of pages, paid for and never read.
    """
    listener = socket.create_server((host, port))
    listener.setsockopt(*_SEND_BUFFER, _UNSENT_BYTES)  # connections inherit it
    return listener
