"""Every program in the README and the docs, run as it stands, and its printed output."""

import asyncio
import os
import re
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from socialfetch_async.cli import exit_codes
from socialfetch_async.emulator import Emulator
from tests.docs.programs import FENCE, ROOT, Program, programs


def test_the_readme_has_programs() -> None:
    """The search for programs finds some."""
    assert len([p for p in programs() if p.place.startswith("README")]) >= 3


# What a newcomer wants, the page that has a program for it, and what only that program says.
FIRST_PROGRAMS = {
    "a list to a DataFrame": ("dataframes", "pandas.DataFrame(rows)"),
    "top followers": ("dataframes", "heapq.nlargest("),
    "stop early": ("index", "break"),
    "resume tomorrow": ("resume", "Position.from_json("),
    "many handles into SQLite": ("databases", '"three.sqlite"'),
    "an endpoint": ("web", "@app.get("),
    "a notebook": ("notebooks", "await client.aclose()"),
    "a progress bar": ("notebooks", "tqdm("),
    "handle errors": ("errors", "except "),
    "tests without credits": ("testing", "socialfetch_emulator.charges"),
}


@pytest.mark.parametrize("wish", FIRST_PROGRAMS)
def test_the_first_programs_of_a_newcomer_are_there(wish: str) -> None:
    """Each of them also runs, and is clean for the type checkers, as every program here."""
    page, code = FIRST_PROGRAMS[wish]
    assert any(
        code in program.code
        for program in programs()
        if program.place.startswith(f"docs/{page}.md:")
    )


PROGRAMS = [program for program in programs() if not program.tests]
TESTS = [program for program in programs() if program.tests]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.place)
async def test_a_program_runs_as_it_stands(program: Program, tmp_path: Path) -> None:
    """In a new interpreter, against the emulator, with the output that is printed below it."""
    async with Emulator() as api:
        environ = {"SOCIALFETCH_API_KEY": api.api_key, "SOCIALFETCH_BASE_URL": api.base_url}
        printed = await output_of(program.command(), tmp_path, **environ)
    if program.output is not None:
        assert printed == program.output


def uncounted() -> dict[str, str]:
    """Return the environment of a program whose lines nobody counts: it starts in half the time."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}


async def test_tests_run_as_they_stand(tmp_path: Path) -> None:
    """Each in a file of its own, all by one pytest."""
    for number, program in enumerate(TESTS):
        (tmp_path / f"test_{number}.py").write_text(program.code)
    scope = "asyncio_default_fixture_loop_scope=function"
    command = ["-m", "pytest", "-W", "error", "-p", "no:cacheprovider", "-o", scope]
    printed = await output_of(command, tmp_path)
    assert f" {sum(program.tests for program in TESTS)} passed" in printed


async def output_of(command: list[str], folder: Path, **environ: str) -> str:
    """Run Python in a folder and return what it prints."""
    # On a busy machine Dask warns of its own slow ends.
    environ["DASK_LOGGING__DISTRIBUTED"] = "error"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", *command, cwd=folder, env=uncounted() | environ,
        stdout=PIPE, stderr=PIPE,
    )  # fmt: skip
    async with asyncio.timeout(100):
        out, err = await process.communicate()
    assert err.decode() == ""
    assert process.returncode == 0, out.decode()
    return out.decode()


COMMANDS = {
    "README.md": {"followers.jsonl", "handles.txt", "out"},
    "docs/batches.md": {"everybody.sqlite", "handles.txt", "out"},
    "docs/refresh.md": {"handles.txt", "out"},
    "docs/tutorial.md": {"followers.csv", "followers.journal", "handles.txt"},
}


@pytest.mark.parametrize("page", COMMANDS)
async def test_the_commands_of_a_page_run_as_they_stand(page: str, tmp_path: Path) -> None:
    """In their order, in one folder, by a shell, against the emulator."""
    blocks = FENCE.findall((ROOT / page).read_text())
    shown = "".join(text for kind, text in blocks if kind == "console")
    commands = re.findall(r"^\$ ((?:socialfetch (?!emulate)|echo ).*)$", shown, re.MULTILINE)
    assert len(commands) >= 3
    (tmp_path / "handles.txt").write_text("charlidamelio\n@private.person\n")
    async with Emulator() as api:
        environ = uncounted() | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "SOCIALFETCH_API_KEY": api.api_key,
            "SOCIALFETCH_BASE_URL": api.base_url,
        }
        for command in commands:
            process = await asyncio.create_subprocess_shell(
                command, cwd=tmp_path, env=environ, stdout=PIPE, stderr=PIPE
            )
            async with asyncio.timeout(60):
                _, err = await process.communicate()
            reached = command.endswith("> followers.jsonl")  # a limit of two pages
            assert process.returncode == (exit_codes.CREDIT_LIMIT if reached else 0), err.decode()
    assert entries(tmp_path) == COMMANDS[page]


def entries(folder: Path) -> set[str]:
    """Return the names in a folder."""
    return {path.name for path in folder.iterdir()}


async def test_the_tutorial_shows_what_the_emulator_prints() -> None:
    """But for the port, which is a free one here."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "socialfetch_async", "emulate", "--port=0", stdout=PIPE, stderr=PIPE
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(30):
            lines = [await process.stderr.readline() for _ in range(4)]
    finally:
        process.terminate()
        await process.communicate()
    printed = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:8765", b"".join(lines).decode())
    assert printed in (ROOT / "docs" / "tutorial.md").read_text()
