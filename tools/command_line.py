"""The tables of docs/command-line.md, from the command itself: `--write` renews them."""

import sys
from collections.abc import Iterable, Iterator
from inspect import cleandoc
from pathlib import Path

import click

from socialfetch_async.cli.commands import socialfetch
from socialfetch_async.cli.exit_codes import TABLE
from socialfetch_async.cli.options import SHARED

PAGE = Path(__file__).parent.parent / "docs" / "command-line.md"
BEGIN, END = "<!-- commands, made by tools/command_line.py -->\n", "<!-- /commands -->"


def sections(group: click.Group) -> Iterator[str]:
    """Yield a section for each command: its text, its usage, its options."""
    for name, command in group.commands.items():
        context = click.Context(command, info_name=f"{group.name} {name}")
        usage = command.get_usage(context).removeprefix("Usage: ")
        yield f"## {name}\n\n```console\n$ {' '.join(usage.split())}\n```\n\n"
        # A line with only \b keeps click from filling the paragraph behind it.
        yield cleandoc(command.help or "").replace("\b\n", "") + "\n\n"
        yield from table([p for p in command.params if p.name not in SHARED])
        yield f"{example(command)}\n\n"


def table(params: Iterable[click.Parameter]) -> Iterator[str]:
    """Yield the table of some options."""
    if options := [p for p in params if isinstance(p, click.Option)]:
        yield "| option | value | default | what it does |\n| --- | --- | --- | --- |\n"
        for option in options:
            yield row(option)
        yield "\n"


def example(command: click.Command) -> str:
    """Return the example below the options."""
    line = next(line for line in (command.epilog or "").splitlines() if "Example" in line)
    return f"```console\n$ {line.partition(': ')[2]}\n```"


def shared(group: click.Group) -> Iterator[str]:
    """Yield the exit codes, and the options of every command."""
    yield "| exit code | meaning |\n| --- | --- |\n"
    yield from (f"| {code} | {meaning} |\n" for code, meaning in TABLE)
    yield "\nEvery command has these options, before or after its name:\n\n"
    yield from table([p for p in group.params if p.name in SHARED])


def row(option: click.Option) -> str:
    """Return the row of an option."""
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    kind = option.type
    choices = kind.choices if isinstance(kind, click.Choice) else ()
    name = option.metavar or "|".join(map(str, choices)) or kind.name.upper()
    # A table has no other way to show a bar in code, here and on GitHub.
    shown = name.removesuffix(" RANGE").replace("|", "&#124;")
    value = "" if option.is_flag else f"<code>{shown}</code>"
    # An option without a default has None, or, since click 8.3, a value of its own.
    known = isinstance(option.default, int | float | str) and not option.is_flag
    told = (option.help or "").replace("|", "&#124;")
    return f"| {names} | {value} | {f'`{option.default}`' if known else ''} | {told} |\n"


def renewed(page: str) -> str:
    """Return the page with the tables of today."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    made = "".join([*shared(socialfetch), *sections(socialfetch)])
    return f"{head}{BEGIN}\n{made}{END}{tail}"


def main() -> None:
    """Renew the page, or say that it is not of today."""
    page = PAGE.read_text()
    if "--write" in sys.argv[1:]:
        PAGE.write_text(renewed(page))
    elif page != renewed(page):
        sys.exit(f"{PAGE.name} is not up to date: python tools/command_line.py --write")


if __name__ == "__main__":
    main()
