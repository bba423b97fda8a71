"""What of the metadata is not in pyproject.toml: where the project lives, and links to there.

No address is written down in the repository. A release knows its own: the workflow sets
PROJECT_URL, and the description's links, which are relative to the repository, begin with it.
"""

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

RELATIVE = re.compile(r"(?P<picture>!?)\[(?P<text>[^\]]*)\]\((?!https?:|#)(?P<path>[^)]+)\)")


class Address(MetadataHookInterface):
    """Fill in `urls` and `readme`."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill them in."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        if url := os.environ.get("PROJECT_URL", "").rstrip("/"):
            tag = f"v{metadata['version']}"
            metadata["urls"] = {
                "Source": url,
                "Documentation": f"{url}/blob/{tag}/docs/index.md",
                "Changelog": f"{url}/blob/{tag}/CHANGELOG.md",
                "Issues": f"{url}/issues",
            }
            text = RELATIVE.sub(
                lambda link: (
                    f"{link['picture']}[{link['text']}]("
                    f"{url}/{'raw' if link['picture'] else 'blob'}/{tag}/{link['path']})"
                ),
                text,
            )
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
