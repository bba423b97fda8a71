"""When the failures of single handles end a whole run: the next handle would fare no better."""

from typing import Final

from socialfetch_async._protocol.retry import about_the_handle
from socialfetch_async.errors import (
    APIStatusError,
    AuthenticationError,
    DecodeError,
    InsufficientCreditsError,
    PayloadError,
    PermissionDeniedError,
    SocialFetchError,
)

# They concern the account, so one is enough.
_AT_ONCE: Final = (AuthenticationError, InsufficientCreditsError, PermissionDeniedError)

# Paid answers that nobody can read, and the handles they must be from: the vendor has changed the
# format, and each further page costs a credit and brings nothing. A page that can be read takes
# back a part of one: where one answer in two cannot, five in a row may never come.
_UNREADABLE: Final = 5
_TAKEN_BACK: Final = 0.25
_UNREADABLE_HANDLES: Final = 3

# Handles in a row that end with the same failure that is not about them: the address is another
# service's, or something in between refuses.
_ALIKE: Final = 10


class Brakes:
    """What has happened to the handles of a run lately that brought nothing."""

    __slots__ = ("_alike", "_kind", "_unreadable", "_unreadable_handles")

    def __init__(self) -> None:
        self._unreadable = 0.0  # answers, without what was taken back
        self._unreadable_handles: set[str] = set()
        self._kind: object = None  # of the failure that came last
        self._alike: set[str] = set()  # the handles in a row that ended with it

    def page_came(self, handle: str, *, rows: int, invalid_rows: int) -> bool:
        """Note a page; return whether the run is to end, because nobody can read its rows.

        A page that can be read shows that something works. One whose rows are all left out does
        not: it is a paid answer that brings nothing.
        """
        if invalid_rows and not rows:
            return self._cannot_read(handle)
        if self._alike:
            self._kind, self._alike = None, set()
        if self._unreadable:
            self._unreadable = max(0.0, self._unreadable - _TAKEN_BACK)
            if not self._unreadable:
                self._unreadable_handles.clear()
        return False

    def failed(self, handle: str, error: SocialFetchError) -> bool:
        """Note the failure that a handle ended with; return whether the run is to end with it."""
        if isinstance(error, _AT_ONCE) or error.unanswered:
            return True
        # Text that arrived whole and is beyond repair was bought once more.
        answers = 2 if isinstance(error, PayloadError) and error.attempts > 1 else 1
        new_format = _is_unreadable(error) and self._cannot_read(handle, answers)
        kind = None if about_the_handle(error) else _kind(error)
        if kind != self._kind:
            self._kind, self._alike = kind, set()
        if kind is not None:
            self._alike.add(handle)
        return new_format or len(self._alike) >= _ALIKE

    def _cannot_read(self, handle: str, answers: int = 1) -> bool:
        self._unreadable += answers
        self._unreadable_handles.add(handle)
        return (
            self._unreadable >= _UNREADABLE and len(self._unreadable_handles) >= _UNREADABLE_HANDLES
        )


def _kind(error: SocialFetchError) -> object:
    return type(error), error.status if isinstance(error, APIStatusError) else None


def _is_unreadable(error: SocialFetchError) -> bool:
    """Whether a paid answer arrived whole and cannot be read."""
    return isinstance(error, DecodeError) or (isinstance(error, PayloadError) and error.whole)
