"""Print the networks and the bases of transfer, or what each layer of a model costs.

python -m kerasdl.models
python -m kerasdl.models --input-shape 28,28,1 --classes 10
python -m kerasdl.models --layers resnet20
python -m kerasdl.models --layers transfer:vgg16 --input-shape 96,96,3
python -m kerasdl.models --layers runs/svhn/models/lenet5-0.keras
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasdl import command_line
from kerasdl.models import bases, registry, saved
from kerasdl.quiet import quiet_start

if TYPE_CHECKING:
    import keras
    from rich.console import Console

WIDTH = 140
"""A pipe has no width; rich would take 80 columns for it and break every cell."""


@command_line.entry
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: command line without the program's name; None takes the process's.

    Returns:
        The exit status: 0, or 2 where the user's input is wrong.
    """
    parser = command_line.Parser(
        prog="python -m kerasdl.models",
        description="Print the networks and the bases of transfer, or the layers of one model.",
    )
    parser.add_argument(
        "--input-shape",
        type=_shape,
        metavar="H,W,C",
        help="height, width and channels of the raw images (default: 32,32,3)",
    )
    parser.add_argument("--classes", type=int, metavar="N", help="number of classes (default: 10)")
    parser.add_argument(
        "--layers",
        metavar="NAME|transfer:BASE|FILE.keras",
        help="print layer, output shape, parameters, multiply-accumulates and activations of one "
        "network, base of transfer or saved model instead",
    )
    options = parser.parse_args(arguments)
    shape, classes = options.input_shape or (32, 32, 3), options.classes
    try:
        if options.layers is None:
            _print_table(shape, 10 if classes is None else classes)
            _print_bases()
        elif options.layers.endswith(".keras"):
            if options.input_shape is not None or classes is not None:
                raise ValueError("a saved model has its own input shape and number of classes")
            _print_layers(saved.load(Path(options.layers)))
        else:
            name, settings = _network(options.layers)  # before Keras is imported
            with quiet_start():
                from kerasdl.models import blocks

            count = 10 if classes is None else classes
            blocks.check_shape(shape, count)
            _print_layers(registry.build(name, shape, count, **settings))
    except (ValueError, FileNotFoundError) as error:
        return command_line.fail(parser.prog, error)
    return 0


def _shape(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(side) for side in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected three integers such as 32,32,3. Received: {text!r}"
        ) from None


def _network(name: str) -> tuple[str, Mapping[str, Any]]:
    """Returns the network to build for NAME or NAME:BASE, with its settings."""
    name, colon, base = name.partition(":")
    listed = registry.get(name).listed
    if colon and "base" not in registry.get(name).setting_names():
        raise ValueError(f"only transfer:BASE has a base. Received: {name}:{base}")
    return name, {**listed, "base": bases.get(base).name} if colon else listed


def _print_table(input_shape: tuple[int, ...], num_classes: int) -> None:
    from rich.console import Console
    from rich.progress import track
    from rich.table import Table

    with quiet_start():
        from kerasdl.models import blocks, costs

    height, width, channels = blocks.check_shape(input_shape, num_classes)
    table = Table(
        title=f"Networks for {height}x{width}x{channels} images, {num_classes} classes",
        caption="Parameters: trainable. MACs: multiply-accumulates per image, without BatchNorm "
        "and biases.\nLayers: convolutions and dense layers, shortcuts and branches included.",
    )
    table.add_column("Name", no_wrap=True)
    table.add_column("Title", no_wrap=True)
    table.add_column("Parameters", justify="right", no_wrap=True)
    table.add_column("MACs", justify="right", no_wrap=True)
    table.add_column("Layers", justify="right", no_wrap=True)
    table.add_column("Source")
    # The bar goes to stderr and vanishes: stdout holds the table alone.
    bar = Console(stderr=True)
    for name in track(registry.names(), "Building", console=bar, transient=True):
        network = registry.get(name)
        model = registry.build(name, input_shape, num_classes, **network.listed)
        table.add_row(
            network.name,
            network.title,
            f"{costs.count_parameters(model).trainable:,}",
            f"{costs.multiply_accumulates(model) / 1e6:,.2f} M",
            str(costs.count_weight_layers(model)),
            network.source,
        )
    _console().print(table)


def _print_bases() -> None:
    from rich.table import Table

    table = Table(
        title="Bases of the network transfer: keras.applications without the top",
        caption="Parameters: all numbers in Keras's file of ImageNet weights. Trained at: pixels a "
        "side.",
    )
    table.add_column("Name", no_wrap=True)
    table.add_column("Title", no_wrap=True)
    table.add_column("Parameters", justify="right", no_wrap=True)
    table.add_column("Trained at", justify="right", no_wrap=True)
    table.add_column("File", overflow="fold")
    for name in bases.names():
        base = bases.get(name)
        table.add_row(
            base.name,
            base.title,
            f"{base.published_parameters:,}",
            str(base.size),
            base.weights_file,
        )
    _console().print(table)


def _console() -> "Console":
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=WIDTH)


def _print_layers(model: "keras.Model") -> None:
    from rich.markup import escape
    from rich.table import Table

    from kerasdl.models import costs

    found = costs.model_costs(model)
    at_least = "\u2265 " if found.uncounted else ""
    table = Table(
        title=f"Layers of {escape(model.name)}, input {model.input_shape}",
        show_footer=True,
    )
    table.add_column("Layer", "all", overflow="fold")
    table.add_column("Kind", f"{len(found.layers)} layers")
    table.add_column("Output shape", justify="right", no_wrap=True)
    table.add_column("Parameters", f"{found.parameters:,}", justify="right", no_wrap=True)
    table.add_column(
        "MACs", f"{at_least}{found.multiply_accumulates:,}", justify="right", no_wrap=True
    )
    table.add_column("Activations", f"{found.activations:,}", justify="right", no_wrap=True)
    for layer in found.layers:
        macs = layer.multiply_accumulates
        table.add_row(
            escape(layer.name),
            layer.kind,
            " × ".join(map(str, layer.output_shape)) or "1",
            f"{layer.parameters:,}",
            "?" if macs is None else f"{macs:,}",
            f"{layer.activations:,}",
        )
    console = _console()
    console.print(table)
    console.print(
        "For one image. Parameters: trainable or not, at a layer's first use. MACs: "
        "multiply-accumulates without BatchNorm and biases, ? where no rule for the layer is "
        "known. Activations: numbers that the layer hands on."
    )


if __name__ == "__main__":
    sys.exit(main())
