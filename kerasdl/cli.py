"""The command `kerasdl`: one name for the modules that can be run."""

import importlib
import sys
from collections.abc import Sequence

from kerasdl import __version__

COMMANDS = {
    "compare": ("kerasdl.apps.compare", "compare networks on any data set, your own models too"),
    "svhn": ("kerasdl.apps.svhn", "compare networks on SVHN"),
    "mnist": ("kerasdl.apps.mnist", "perceptrons and a small CNN on MNIST"),
    "fashion_mnist": ("kerasdl.apps.fashion_mnist", "activations on Fashion-MNIST"),
    "cifar10": ("kerasdl.apps.cifar10", "networks, activations and depth on CIFAR-10"),
    "gurmukhi": ("kerasdl.apps.gurmukhi", "regularisers on Gurmukhi digits"),
    "theory": ("kerasdl.apps.theory", "losses, convexity and convolutions, measured"),
    "mnist_width": ("kerasdl.tuning.mnist_width", "search the width of a perceptron"),
    "regularization": ("kerasdl.tuning.regularization", "search strengths of L1, L2 and dropout"),
    "search": ("kerasdl.tuning.search", "search fields of an app's recipe"),
    "transfer_head": ("kerasdl.tuning.transfer_head", "search the head on a frozen base"),
    "reproduce": ("kerasdl.apps.reproduce", "run a record again and compare its figures"),
    "export": ("kerasdl.export.__main__", "write a run's model as a SavedModel"),
    "serving": ("kerasdl.serving.__main__", "serve the models of a folder"),
    "models": ("kerasdl.models.__main__", "list the networks"),
    "datasets": ("kerasdl.datasets.__main__", "find, verify and import data sets"),
    "cache": ("kerasdl.studies.cache_command", "list or remove kept features of frozen networks"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `kerasdl COMMAND …`; returns its exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: kerasdl COMMAND [--help] …\n")
        for name, (_, purpose) in COMMANDS.items():
            print(f"  {name:14}  {purpose}")
        return 0
    if arguments[0] == "--version":
        print(__version__)
        return 0
    if arguments[0] not in COMMANDS:
        print(
            f"kerasdl: error: expected one of {', '.join(COMMANDS)}. Received: {arguments[0]!r}",
            file=sys.stderr,
        )
        return 2
    module = importlib.import_module(COMMANDS[arguments[0]][0])
    return int(module.main(arguments[1:]))
