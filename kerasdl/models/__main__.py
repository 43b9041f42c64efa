"""Print the networks and the bases of transfer, or what each layer of a model costs.

python -m kerasdl.models                     # --json for programs, -v for sources
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

from kerasdl import command_line, streams
from kerasdl.console_progress import CountProgress
from kerasdl.models import bases, registry, saved
from kerasdl.quiet import quiet_start
from kerasdl.terminal import Console, show_list

if TYPE_CHECKING:
    import keras
    from rich.table import Table

    from kerasdl.models.costs import ModelCosts


def make_parser() -> command_line.Parser:
    """Return the parser."""
    parser = command_line.Parser(
        prog="python -m kerasdl.models",
        lists=True,
        description="Print the networks and the bases of transfer, or the layers of one model.",
        epilog="-v adds where a network is from, and the file of a base's weights.",
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
    return parser


@command_line.entry
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: command line without the program's name; None takes the process's.

    Returns:
        The exit status: 0, or 2 where the user's input is wrong.
    """
    parser = make_parser()
    options = parser.parse_args(arguments)
    shape, classes = options.input_shape or (32, 32, 3), options.classes
    try:
        if options.layers is None:
            _list(shape, 10 if classes is None else classes, options.json)
        elif options.layers.endswith(".keras"):
            if options.input_shape is not None or classes is not None:
                raise ValueError("a saved model has its own input shape and number of classes")
            _print_layers(saved.load(Path(options.layers)), options.json)
        else:
            name, settings = _network(options.layers)  # before Keras is imported
            with quiet_start():
                from kerasdl.models import blocks

            count = 10 if classes is None else classes
            blocks.check_shape(shape, count)
            _print_layers(registry.build(name, shape, count, **settings), options.json)
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


def _list(input_shape: tuple[int, ...], num_classes: int, as_json: bool) -> None:
    """Print the networks and the bases."""
    names = [*registry.names(), *(f"transfer:{name}" for name in bases.names())]
    if streams.level == streams.QUIET and not as_json:
        show_list(str, data=None, names=names, as_json=False)  # builds nothing
        return
    networks = _networks(input_shape, num_classes)
    found = [
        {
            "name": base.name,
            "title": base.title,
            "parameters": base.published_parameters,
            "trained_at": base.size,
            "file": base.weights_file,
        }
        for base in map(bases.get, bases.names())
    ]
    if as_json:
        shape = {"input_shape": list(input_shape), "classes": num_classes}
        data = {**shape, "networks": networks, "bases": found}
        show_list(str, data=data, names=names, as_json=True)
        return
    console = Console()
    height, width, channels = input_shape
    console.print(
        _table(
            f"Networks for {height}x{width}x{channels} images, {num_classes} classes",
            "Parameters: trainable. MACs: multiply-accumulates per image, without BatchNorm and "
            "biases. Layers: convolutions and dense layers, shortcuts and branches included.",
            {"name": "Name", "title": "Title", "parameters": "Parameters"}
            | {"multiply_accumulates": "MACs", "layers": "Layers"},
            "source",
            networks,
        )
    )
    console.print(
        _table(
            "Bases of the network transfer: keras.applications without the top",
            "Parameters: all numbers in Keras's file of ImageNet weights. Trained at: pixels a "
            "side.",
            {"name": "Name", "title": "Title", "parameters": "Parameters"}
            | {"trained_at": "Trained at"},
            "file",
            found,
        )
    )


def _networks(input_shape: tuple[int, ...], num_classes: int) -> list[dict[str, Any]]:
    """Build each network and return what it costs."""
    with quiet_start():
        from kerasdl.models import blocks, costs

    shape = blocks.check_shape(input_shape, num_classes)
    rows = []
    # The progress goes to stderr and vanishes: stdout holds the table alone.
    with CountProgress(Console(stderr=True), "Building", len(registry.names()), "networks") as bar:
        for name in registry.names():
            network = registry.get(name)
            model = registry.build(name, shape, num_classes, **network.listed)
            rows.append(
                {
                    "name": network.name,
                    "title": network.title,
                    "parameters": costs.count_parameters(model).trainable,
                    "multiply_accumulates": costs.multiply_accumulates(model),
                    "layers": costs.count_weight_layers(model),
                    "source": network.source,
                }
            )
            bar.tick()
    return rows


def _table(
    title: str,
    caption: str,
    columns: Mapping[str, str],
    long: str,
    rows: Sequence[Mapping[str, Any]],
) -> "Table":
    """Return a table of 80 columns; with `-v` the long column is shown, too."""
    from rich.table import Table

    table = Table(title=title, caption=caption)
    for key, heading in columns.items():
        table.add_column(
            heading, justify="left" if key in ("name", "title") else "right", no_wrap=True
        )
    verbose = streams.level == streams.VERBOSE
    if verbose:
        table.add_column(long.title(), overflow="fold")
    for row in rows:
        cells = [_cell(key, row[key]) for key in columns]
        table.add_row(*cells, *([row[long]] if verbose else []))
    return table


def _cell(key: str, value: Any) -> str:
    if key == "multiply_accumulates":
        return f"{value / 1e6:,.2f} M"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _print_layers(model: "keras.Model", as_json: bool) -> None:
    from kerasdl.models import costs

    found = costs.model_costs(model)
    rows = [
        {
            "name": layer.name,
            "kind": layer.kind,
            "output_shape": list(layer.output_shape),
            "parameters": layer.parameters,
            "multiply_accumulates": layer.multiply_accumulates,
            "activations": layer.activations,
        }
        for layer in found.layers
    ]

    def table() -> "Table":
        console = Console()
        whole = _layers(model, found, kinds=True)
        # Kinds show in most layers' names.
        wanted = console.measure(whole, options=console.options.update(max_width=1000)).maximum
        fits = wanted <= console.width
        return whole if fits else _layers(model, found, kinds=False)

    show_list(
        table,
        data={"name": model.name, "input_shape": list(model.input_shape[1:]), "layers": rows},
        names=[layer.name for layer in found.layers],
        as_json=as_json,
        notes=[
            "For one image. Parameters: trainable or not, at a layer's first use. MACs: "
            "multiply-accumulates without BatchNorm and biases, ? where no rule for the layer is "
            "known. Activations: numbers that the layer hands on."
        ],
    )


def _layers(model: "keras.Model", found: "ModelCosts", *, kinds: bool) -> "Table":
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    at_least = "\u2265 " if found.uncounted else ""
    table = Table(
        title=f"Layers of {escape(model.name)}, input {model.input_shape}",
        show_footer=True,
        box=box.SIMPLE,
        pad_edge=False,
    )
    table.add_column("Layer", f"all {len(found.layers)}", overflow="fold")
    if kinds:
        table.add_column("Kind", no_wrap=True)
    table.add_column("Output shape", justify="right", no_wrap=True)
    table.add_column("Parameters", f"{found.parameters:,}", justify="right", no_wrap=True)
    macs = f"{at_least}{found.multiply_accumulates:,}"
    table.add_column("MACs", macs, justify="right", no_wrap=True)
    table.add_column("Activations", f"{found.activations:,}", justify="right", no_wrap=True)
    for layer in found.layers:
        macs = "?" if layer.multiply_accumulates is None else f"{layer.multiply_accumulates:,}"
        table.add_row(
            escape(layer.name),
            *([layer.kind] if kinds else []),
            "×".join(map(str, layer.output_shape)) or "1",
            f"{layer.parameters:,}",
            macs,
            f"{layer.activations:,}",
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
