"""Completion scripts for shells, made of the commands' own parsers by shtab."""

import argparse
import importlib
from collections.abc import Iterable, Mapping
from typing import Any

from kerasdl.command_line import Parser

_FOLDERS = ("DIR", "FOLDER", "RUN")
_FILES = ("FILE", "FILE.toml", "IMAGE")


def script(shell: str, commands: Mapping[str, tuple[str, str]]) -> str:
    """Returns a completion script.

    Args:
        shell: "bash" or "zsh".
        commands: Each command's module, and its purpose.
    """
    import shtab

    completed: str = shtab.complete(tree(commands), shell)
    return completed


def tree(commands: Mapping[str, tuple[str, str]]) -> Parser:
    """Returns one parser of all commands, whose options know their names, files and folders."""
    parser = Parser(prog="kerasdl")
    below = parser.add_subparsers(metavar="COMMAND")
    for name, (module, purpose) in commands.items():
        whole = below.add_parser(name, parents=[_parser_of(module)], add_help=False, help=purpose)
        _describe(whole)
    return parser


def _parser_of(name: str) -> Parser:
    """Returns the parser of a command's module: of an app, of an experiment, or its own."""
    module: Any = importlib.import_module(name)
    if hasattr(module, "make_parser"):
        found: Parser = module.make_parser()
        return found
    from kerasdl.studies import experiment_command, options

    if hasattr(module, "APP"):
        return options.make_parser(module.APP)
    return experiment_command.make_parser(name.rpartition(".")[2], module.EXPERIMENT)


def _describe(parser: argparse.ArgumentParser) -> None:
    import shtab

    from kerasdl.datasets import catalog
    from kerasdl.models import bases, registry

    names: dict[str, Iterable[str]] = {
        "--models": registry.names(),
        "--network": registry.names(),
        "--layers": registry.names(),
        "--transfer": bases.names(),
        "--dataset": catalog.NAMES,
        "--log": ("tensorboard", "mlflow"),
    }
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in set(action.choices.values()):
                _describe(inner)
            continue
        known = next((names[one] for one in action.option_strings if one in names), None)
        if known is not None:
            action.choices = tuple(known)
        if isinstance(action.metavar, str):
            told: Any = action
            if action.metavar in _FOLDERS:
                told.complete = shtab.DIRECTORY
            elif action.metavar in _FILES:
                told.complete = shtab.FILE
