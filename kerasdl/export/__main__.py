"""Export a run's model as TensorFlow Serving takes it, or scan a SavedModel.

python -m kerasdl.export runs/svhn --to saved_models
python -m kerasdl.export runs/svhn --to saved_models --model smallnet --seed 1 --calibrate
python -m kerasdl.export runs/svhn --to saved_models --format saved_model,onnx,litert,openvino
python -m kerasdl.export scan saved_models/somebodys/1
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kerasdl import command_line, streams
from kerasdl.reporting.text import plain


@command_line.entry
def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: Command line without the program's name; None takes the process's.

    Returns:
        The exit code: 0; 1 when what was written answers otherwise than the trained model, or
        a scan found something; 2 after a user's error; 130 after Ctrl-C.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    parser, run = (_scan_parser(), _scan) if given[:1] == ["scan"] else (make_parser(), _export)
    options = parser.parse_args(given[1:] if run is _scan else given)
    try:
        return run(parser.prog, options)
    except (ValueError, OSError) as error:
        return command_line.fail(parser.prog, error)
    except KeyboardInterrupt:
        return command_line.INTERRUPTED


def make_parser() -> command_line.Parser:
    """Returns the parser of an export."""
    parser = command_line.Parser(
        versioned=False,  # --version is the model's
        words=("scan",),
        prog="python -m kerasdl.export",
        description="Write a trained model as NAME/VERSION/ in a folder that TensorFlow Serving "
        "or `python -m kerasdl.serving` watches, after comparing it with the Keras model. "
        "`scan FOLDER` looks for file and Python operations in a SavedModel instead.",
    )
    parser.add_argument("run", metavar="RUN", help="the folder of a finished run or search")
    parser.add_argument("--to", metavar="DIR", required=True, help="the folder of all models")
    parser.add_argument(
        "--model", metavar="NAME", help="one of the run's models (the best on validation images)"
    )
    parser.add_argument("--seed", metavar="N", type=int, help="one of its seeds (the best)")
    parser.add_argument("--name", help="the model's name when served (the app's)")
    parser.add_argument("--version", metavar="N", type=int, help="its version (the next)")
    parser.add_argument(
        "--format",
        metavar="A,B",
        default="saved_model",
        help="saved_model, which is always written, and onnx, litert, openvino beside it",
    )
    parser.add_argument(
        "--calibrate",
        action="store_true",
        help="find a temperature on the validation images, so that the model is as sure as right",
    )
    parser.add_argument(
        "--float32",
        action="store_true",
        help="compute in float32, also where the training was in mixed precision",
    )
    parser.add_argument("--data", metavar="DIR", help="folder with the data sets' files")
    return parser


def _scan_parser() -> command_line.Parser:
    parser = command_line.Parser(
        prog="python -m kerasdl.export scan",
        description="Look for operations in a SavedModel that do more than compute, without "
        "loading it.",
    )
    parser.add_argument("folder", metavar="FOLDER", help="the folder with saved_model.pb in it")
    return parser


def _scan(prog: str, options: argparse.Namespace) -> int:
    from kerasdl.serving import scan

    found = scan.scan(Path(options.folder))
    for one in found:
        place = f" in the function {one.place}" if one.place else ""
        streams.write(plain(f"{one.operation} ({one.reason}): node {one.node}{place}"))
    if not found:
        streams.write(f"{plain(options.folder)} only computes.")
    return 1 if found else 0


def _export(prog: str, options: Any) -> int:
    from kerasdl.export import formats, runs
    from kerasdl.export.exporting import Order, export

    source = runs.find(Path(options.run), options.model, options.seed)
    order = Order(
        source=source,
        base=Path(options.to),
        name=source.result.app if options.name is None else options.name,
        version=options.version,
        formats=formats.parse(options.format),
        calibrate=options.calibrate,
        float32=options.float32,
        data_dir=options.data,
    )
    order.check()
    # A .keras file is the same for every backend; a SavedModel is TensorFlow's.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    from kerasdl.terminal import Console

    console = Console()
    folder, card, problems = export(order, console)
    if folder is None or card is None:
        for problem in problems:
            streams.complain(f"{prog}: not published: {plain(problem)}")
        return 1
    count = sum(card.compared_on.values())
    for one in card.formats:
        console.print(
            f"{one.format}: {100 * one.agreement:.2f} % of {count} images get the Keras model's "
            f"class, largest difference of a probability {one.largest_difference:.1e}, "
            f"{one.bytes / 1e6:.2f} MB",
            highlight=False,
            soft_wrap=True,
        )
    console.print(
        f"{plain(source.title)} is {folder}", highlight=False, markup=False, soft_wrap=True
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
