"""A console that shows texts as they are: brackets in them are no markup, `:x:` is no picture."""

from typing import Any

from rich.console import Console
from rich.text import Text

from sprout.report.foreign import showable


class PlainConsole(Console):
    """Renders tables of texts of others; their control characters are spelled out."""

    def render_str(self, text: str, **options: Any) -> Text:  # noqa: ANN401 - rich's own
        """Return a text that a table holds."""
        return super().render_str(showable(text), **(options | {"markup": False, "emoji": False}))
