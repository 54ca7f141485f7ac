"""Commands that leave alone what needs no conversion, so that they start without pydantic.

Typer 0.29 converts the value of every option by an adapter of pydantic: also the None of an option
that nobody gave, and text where text is wanted. Importing pydantic takes as long as all else that a
short command does.

Their help names values as manual pages do.
"""

from typing import Any

from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

_NUMBERS = {"int": "N", "float": "X"}


class PlainArgument(TyperArgument):
    """An argument that help calls by its name alone."""

    def display_type(self, ctx: Any) -> str:  # noqa: ANN401, ARG002 - as Typer calls it
        """Return no type."""
        return ""


class LazyOption(TyperOption):
    """An option whose value is converted when it was given and is to be anything but text."""

    def process_value(self, ctx: Any, value: Any) -> Any:  # noqa: ANN401 - whatever the option takes
        """Return the value that the command gets."""
        is_single = self.nargs == 1 and not self.multiple
        is_unset = value is None and not self.required
        described = getattr(self, "type_descriptor", None)
        is_text = isinstance(value, str) and getattr(described, "annotation", None) is str
        if not is_single or not (is_unset or is_text):
            return super().process_value(ctx, value)
        return value if self.callback is None else self.callback(ctx, self, value)

    def display_type(self, ctx: Any) -> str:  # noqa: ANN401, ARG002 - as Typer calls it
        """Return what stands for the value in help: N, X, or the option's own name."""
        return _NUMBERS.get(self.bare_type(), (self.name or "").upper())


class LazyCommand(TyperCommand):
    """A command with lazy options; for the `cls` of `typer.Typer.command`."""

    def get_params(self, ctx: Any) -> Any:  # noqa: ANN401 - Typer does not export their types
        """Return the options, --help among them, and the arguments."""
        return _made_lazy(super().get_params(ctx))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ANN401 - see above
        """Return the usage line; what must be given stands there bare, as manual pages have it."""
        return [
            piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)
        ]


class LazyGroup(TyperGroup):
    """A group of commands with lazy options; for the `cls` of `typer.Typer`."""

    def get_params(self, ctx: Any) -> Any:  # noqa: ANN401 - Typer does not export their types
        """Return the options, --help among them."""
        return _made_lazy(super().get_params(ctx))


def _made_lazy(params: list[Any]) -> list[Any]:
    for param in params:
        # Typer makes its parameters itself and cannot be told their class; parsing compares them
        # by identity, so copies would not do
        if type(param) is TyperOption:
            param.__class__ = LazyOption
        elif type(param) is TyperArgument:
            param.__class__ = PlainArgument
    return params
