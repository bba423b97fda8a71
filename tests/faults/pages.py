"""Pages of the documentation whose figures a command prints."""

import os
import platform
import time
from importlib.metadata import version
from pathlib import Path


def write_into(page: Path, mark: str, command: str, printed: str) -> None:
    """Put figures between the marks of a page, with what they were measured on.

    Args:
        page: The page.
        mark: What is between `<!-- mark -->` and `<!-- /mark -->` is replaced.
        command: What printed the figures. `printed`: them.
    """
    before, _, rest = page.read_text().partition(f"<!-- {mark} -->")
    _, _, after = rest.partition(f"<!-- /{mark} -->")
    on = (
        f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, aiohttp "
        f"{version('aiohttp')}, msgspec {version('msgspec')}, {os.cpu_count()} cores"
    )
    figures = f"{on}:\n\n```console\n$ {command}\n{printed}\n```"
    page.write_text(f"{before}<!-- {mark} -->\n\n{figures}\n\n<!-- /{mark} -->{after}")
