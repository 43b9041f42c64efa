"""Print the networks: name, source, parameters, multiply-accumulates and depth.

python -m kerasdl.models
python -m kerasdl.models --input-shape 28,28,1 --classes 10
"""

import argparse
import sys
from collections.abc import Sequence

from kerasdl import recipe
from kerasdl.models import registry
from kerasdl.quiet import quiet_start


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: command line without the program's name; None takes the process's.

    Returns:
        The exit status: 0, or 2 where the user's input is wrong.
    """
    parser = recipe.Parser(
        prog="python -m kerasdl.models", description="Print the table of networks."
    )
    parser.add_argument(
        "--input-shape",
        type=_shape,
        default=(32, 32, 3),
        metavar="H,W,C",
        help="height, width and channels of the raw images (default: 32,32,3)",
    )
    parser.add_argument(
        "--classes", type=int, default=10, metavar="N", help="number of classes (default: 10)"
    )
    options = parser.parse_args(arguments)
    try:
        _print_table(options.input_shape, options.classes)
    except ValueError as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 2
    return 0


def _shape(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(side) for side in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected three integers such as 32,32,3. Received: {text!r}"
        ) from None


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
        model = registry.build(name, input_shape, num_classes)
        table.add_row(
            network.name,
            network.title,
            f"{costs.count_parameters(model).trainable:,}",
            f"{costs.multiply_accumulates(model) / 1e6:,.2f} M",
            str(costs.count_weight_layers(model)),
            network.source,
        )
    # A pipe has no width; rich would take 80 columns for it and break every cell.
    console = Console() if sys.stdout.isatty() else Console(width=140)
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
