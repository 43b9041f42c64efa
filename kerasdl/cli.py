"""The command `kerasdl`: one name for what can be run, with its version and shell completion."""

import argparse
import importlib
import sys
from collections.abc import Sequence

from kerasdl import command_line, streams, suggest

COMMANDS = {
    "compare": ("kerasdl.apps.compare", "compare networks on any data set, your own models too"),
    "look": ("kerasdl.apps.look", "what is in a data set, and what is wrong with it"),
    "svhn": ("kerasdl.apps.svhn", "compare networks on SVHN"),
    "mnist": ("kerasdl.apps.mnist", "perceptrons and a small CNN on MNIST"),
    "fashion_mnist": ("kerasdl.apps.fashion_mnist", "activations on Fashion-MNIST"),
    "cifar10": ("kerasdl.apps.cifar10", "networks, activations and depth on CIFAR-10"),
    "gurmukhi": ("kerasdl.apps.gurmukhi", "regularisers on Gurmukhi digits"),
    "theory": ("kerasdl.apps.theory", "losses, convexity and convolutions, measured"),
    "study": ("kerasdl.apps.study", "list the studies and searches, or run a study by its name"),
    "search": ("kerasdl.apps.search", "search hyper-parameters, of your own build(hp) too"),
    "mnist_width": ("kerasdl.tuning.mnist_width", "search the width of a perceptron"),
    "regularization": ("kerasdl.tuning.regularization", "search strengths of L1, L2 and dropout"),
    "transfer_head": ("kerasdl.tuning.transfer_head", "search the head on a frozen base"),
    "runs": ("kerasdl.apps.runs", "list runs: data, models, best score; compare them on a page"),
    "reproduce": ("kerasdl.apps.reproduce", "run a record again and compare its figures"),
    "predict": ("kerasdl.apps.predict", "what a run's model sees in your pictures"),
    "evaluate": ("kerasdl.apps.evaluate", "score a run's model on other data"),
    "export": ("kerasdl.export.__main__", "write a run's model as a SavedModel"),
    "serve": ("kerasdl.serving.__main__", "serve the models of a folder"),
    "models": ("kerasdl.models.__main__", "list the networks"),
    "datasets": ("kerasdl.datasets.__main__", "find, verify and import data sets"),
    "cache": ("kerasdl.studies.cache_command", "list or remove kept features of frozen networks"),
}
"""Each command's module, whose `main` runs it and whose `make_parser` says what it takes."""

OTHER_WORDS = {
    "compare": ("train", "fit", "learn", "run", "benchmark"),
    "predict": ("classify", "infer", "inference", "apply"),
    "search": ("tune", "tuner", "hyperparameters", "optimize", "sweep"),
    "study": ("experiment", "experiments", "studies", "searches"),
    "runs": ("ls", "list", "history", "results", "leaderboard", "report", "show"),
    "reproduce": ("repeat", "rerun", "replicate", "verify"),
    "export": ("convert", "save", "savedmodel"),
    "serve": ("serving", "server", "deploy"),
    "models": ("networks", "architectures", "bases"),
    "datasets": ("data", "download", "import"),
    "look": ("inspect", "explore", "eda", "check", "summary", "info"),
    "evaluate": ("eval", "test", "score", "accuracy"),
    "cache": ("clean", "clear", "features"),
    "--help": ("help", "usage", "commands"),
    "--version": ("version",),
}
"""What other programs call a command."""

SHELLS = ("bash", "zsh")


def make_parser() -> command_line.Parser:
    """Returns the parser of what stands before a command's own arguments."""
    width = max(map(len, COMMANDS))
    parser = command_line.Parser(
        prog="kerasdl",
        usage="%(prog)s [-h] [--version] COMMAND ...",
        description="Small-image classification: compare, search, study, export, serve.",
        epilog="commands (each has a --help of its own):\n"
        + "\n".join(f"  {name:{width}}  {purpose}" for name, (_, purpose) in COMMANDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--print-completion",
        choices=SHELLS,
        metavar="|".join(SHELLS),
        help="print the shell's completion script, e.g. for eval \"$(kerasdl --print-completion "
        'bash)" in ~/.bashrc',
    )
    parser.add_argument("command", nargs="?", metavar="COMMAND", type=_command, help="see below")
    return parser


@command_line.entry
def main(argv: Sequence[str] | None = None) -> int:
    """Runs `kerasdl COMMAND …`; returns its exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    # Up to the command; what follows is the command's.
    first = next((i for i, one in enumerate(arguments) if not one.startswith("-")), None)
    if first is not None and arguments[first - 1 : first] == ["--print-completion"]:
        first = None
    before = arguments if first is None else arguments[: first + 1]
    parser = make_parser()
    options = parser.parse_args(before)
    if options.print_completion is not None:
        from kerasdl.completion import script

        streams.write(script(options.print_completion, COMMANDS))
        return 0
    if options.command is None or first is None:
        streams.write(parser.format_help().rstrip())
        return 0
    module = importlib.import_module(COMMANDS[options.command][0])
    return int(module.main(arguments[first + 1 :]))


def _command(text: str) -> str:
    if text in COMMANDS:
        return text
    near = next((name for name, words in OTHER_WORDS.items() if text.lower() in words), None)
    near = near or suggest.nearest(text, COMMANDS)
    if near is None:
        raise argparse.ArgumentTypeError(command_line.expected(list(COMMANDS), text))
    raise argparse.ArgumentTypeError(f"unknown command {text!r}. Did you mean 'kerasdl {near}'?")
