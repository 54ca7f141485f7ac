"""Put each man page into the folder of its section: man/sprout.toml.5 into share/man/man5."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ManPages(BuildHookInterface):  # type: ignore[misc, type-arg, unused-ignore]
    """Adds the pages to the wheel's data."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Say where each page goes."""
        for page in sorted((Path(self.root) / "man").glob("*.[1-9]")):
            place = f"share/man/man{page.suffix[1:]}/{page.name}"
            build_data["shared_data"][str(page)] = place
