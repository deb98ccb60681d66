"""Numbers that an option takes from the command line or from the environment, and says which when they are wrong."""

from typing import Any

import rich_click as click
from click.core import ParameterSource


class NumberFromEnviron(click.IntRange):
    """A whole number in a range. A wrong one is told under the name of the variable that it came from."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            source = ctx.get_parameter_source(param.name) if ctx and param and param.name else None
            if source is not ParameterSource.ENVIRONMENT or param is None:
                raise
            wanted = f"must be a whole number from {self.min} to {self.max}, not {str(value)[:20]!r}"
            raise click.UsageError(f"{param.envvar} (in the environment) {wanted}.", ctx) from None
