"""Options of the commands as arguments in Python: which there are, and how a call is written."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kerasdl.command_line import Parser


def check_options(
    options: Mapping[str, Any],
    parser: "Parser",
    presets: Collection[str],
    *,
    without: Collection[str] = (),
) -> None:
    """Raises ValueError for an option that there is not.

    Args:
        options: As a person gave them, with underscores.
        parser: Of the command.
        presets: The presets that there are.
        without: Options of the command that are none in Python.
    """
    from kerasdl import suggest
    from kerasdl.command_line import expected

    known = {action.dest for action in parser._actions} - {"help", *without}
    known = {name for name in known if not name.startswith("=")}
    for name in options:
        if name not in known:
            raise ValueError(
                f"unknown option.{suggest.hint(name, known)} Received: {name!r}; expected one of "
                f"{', '.join(sorted(known))}"
            )
    if options.get("preset", "default") not in presets:
        raise ValueError(f"preset: {expected(list(presets), str(options['preset']))}")


def written(function: str, arguments: Collection[str], options: Mapping[str, Any]) -> str:
    """Returns a call as a program has it, for a record.

    Args:
        function: Its name in `kerasdl`.
        arguments: The arguments before the options, as text.
        options: The others by their names.
    """
    named = [f"{name}={value!r}" for name, value in options.items()]
    return f"kerasdl.{function}({', '.join([*arguments, *named])})"
