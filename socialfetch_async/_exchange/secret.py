"""Text that goes on the wire and is shown nowhere else."""

from typing import Any, Final, NoReturn, Self

_SHOWN: Final = "'[secret]'"


class Secret(str):
    """A header value whose repr does not show it.

    The repr is what a traceback with locals, a debugger, a crash reporter and aiohttp's own
    errors print; the value itself goes on the wire. Tools that stand between a session and its
    caller copy headers, so a copy is the same object; nothing writes it to a file.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return _SHOWN

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "the API key cannot be pickled or written to a file: make a client in each process, "
            "and let a recorder of requests filter the header x-api-key"
        )


class ApiKey(Secret):
    """The key of the API."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'[api key]'"


def hidden(value: Any, kind: type[Secret] = Secret) -> Any:
    """Return an argument in a form that a traceback with locals may show.

    A constructor hides its secrets before it checks anything: its frame holds them until then,
    and what is wrong may be another argument, or the type of this one.
    """
    if isinstance(value, str):
        return kind(value)
    return None if value is None else type(type(value).__name__, (), {})()
