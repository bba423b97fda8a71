"""What the commands of click share: types in plain words, common options, help on a terminal."""

import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

import click

from socialfetch_async.cli.exit_codes import TABLE

_F = TypeVar("_F", bound=Callable[..., Any])
# What buys or replaces something must not be suggested for an option that does not exist.
_NEVER_SUGGESTED: Final = {"--refresh", "--estimate", "--yes", "--overwrite", "--settle"}
_NARROW: Final = 64  # columns
SHARED: Final = {
    "quiet": "Say only errors, and that another API is used.",
    "verbose": "Say every retry, and how every handle ended.",
    "json": "Write the result as JSON to stdout.",
}
"""The options that every command has, before or after its name."""


class Number(click.ParamType[int]):
    """A whole number.

    Args:
        least: The smallest that is valid.
        most: The largest, if there is one.
    """

    name = "number"

    def __init__(self, least: int = 1, most: int | None = None) -> None:
        self._least = least
        self._most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        text = str(value).strip()
        if re.fullmatch(r"-?\d{1,15}", text, re.ASCII):
            number = int(text)
            if number >= self._least and (self._most is None or number <= self._most):
                return number
        rule = f"from {self._least} on" if self._most is None else f"{self._least} to {self._most}"
        return self.fail(f"it must be a whole number {rule}, not {text!r}", param, ctx)


class Decimal(click.ParamType[float]):
    """A number that may have a fraction.

    Args:
        zero: Whether 0 is valid.
    """

    name = "number"

    def __init__(self, *, zero: bool = False) -> None:
        self._zero = zero

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number."""
        text = str(value).strip()
        if re.fullmatch(r"\d{1,9}(?:\.\d{1,9})?", text, re.ASCII) and (self._zero or float(text)):
            return float(text)
        rule = "0 or more" if self._zero else "more than 0"
        return self.fail(f"it must be a number, {rule}, not {text!r}", param, ctx)


class Duration(click.ParamType[float]):
    """A number with s, m, h or d, in seconds."""

    name = "duration"
    _UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds."""
        found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)([smhd])", str(value), re.ASCII)
        if found is None:
            self.fail(f"it must be a number with s, m, h or d (30s, 7d), not {value!r}", param, ctx)
        return float(found[1]) * self._UNITS[found[2]]


class Pair(click.ParamType[tuple[str, Any]]):
    """NAME=VALUE, in the words of the option's metavar.

    Args:
        read: Makes the value of its text; a ValueError of it refuses the text.
    """

    name = "pair"

    def __init__(self, read: Callable[[str], Any] = str) -> None:
        self._read = read

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Any]:
        """Return the name and the value."""
        name, _, text = str(value).partition("=")
        with suppress(ValueError):
            if name and text:
                return name, self._read(text)
        rule = "NAME=VALUE" if param is None else param.metavar
        return self.fail(f"it must be {rule}, not {value!r}", param, ctx)


def _without_costly(error: click.NoSuchOption) -> click.NoSuchOption:
    near = list(error.possibilities or ())
    # If one of them is meant, another one that is somewhat like it is no help.
    near = near if _NEVER_SUGGESTED.isdisjoint(near) else []
    return click.NoSuchOption(error.option_name, possibilities=near, ctx=error.ctx)


class _Formatter(click.HelpFormatter):
    """Help for a window of any width: in a narrow one the texts stand below the names."""

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        """Write names and their texts."""
        super().write_dl(rows, col_max if self.width >= _NARROW else 4, col_spacing)


class _Context(click.Context):
    formatter_class = _Formatter


class _WithCodes(click.Command):
    """A command whose help ends with the exit codes."""

    context_class = _Context

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example, and the table of exit codes."""
        super().format_epilog(ctx, formatter)
        with formatter.section("Exit codes"):
            formatter.write_dl(TABLE)


class Command(_WithCodes):
    """A command that suggests no option that costs money for one that does not exist."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise _without_costly(error) from None


class Group(_WithCodes, click.Group):
    """The group of all commands; its help is as wide as the terminal."""

    command_class = Command

    def make_context(self, info_name: str | None, args: list[str], *more: Any, **kw: Any) -> Any:
        """Return a context."""
        # The last column stays free: a terminal may wrap a line that fills it.
        kw.setdefault("terminal_width", max(20, shutil.get_terminal_size().columns - 1))
        return super().make_context(info_name, args, *more, **kw)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the names of the commands and the first sentences of their help, uncut."""
        names = self.list_commands(ctx)
        rows = [(name, self.commands[name].get_short_help_str(100)) for name in names]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def example(command: str) -> str:
    """Return what stands below the options of a command."""
    return f"\b\nExample: {command}"


def _note(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: FBT001
    if value:
        ctx.meta[f"socialfetch.{param.name}"] = True


def given(names: Sequence[str] = tuple(SHARED)) -> dict[str, bool]:
    """Return which of the shared options were typed, before or after the command's name.

    Raises:
        UsageError: --quiet and --verbose were.
    """
    meta = click.get_current_context().meta
    values = {name: f"socialfetch.{name}" in meta for name in names}
    if values.get("quiet") and values.get("verbose"):
        raise click.UsageError("--quiet and --verbose exclude each other")
    return values


def shared(command: _F) -> _F:
    """Give a command, or the group, the options of all commands."""
    for name, text in reversed(SHARED.items()):
        command = click.option(
            f"--{name}", is_flag=True, expose_value=False, callback=_note, help=text
        )(command)
    return command


def connection(command: _F) -> _F:
    """Give a command the options of how it talks to the API."""
    for option in (
        click.option(
            "--patience",
            type=Duration(),
            help="How long to wait while the API is down. Default when buying: 1h, "
            "but 30s before its first response.",
        ),
        click.option("--rate", type=Decimal(), help="Send at most this many requests per second."),
        click.option(
            "--timeout", type=Decimal(), metavar="SECONDS", help="For one attempt. Default: 30."
        ),
        click.option(
            "--retries",
            type=Number(0),
            help="Further attempts at a page that failed. Default: 5.",
        ),
    ):
        command = option(command)
    return command
