"""How well a run's model does on other data: on the test part of a data set of its classes.

python -m kerasdl evaluate other_photos/ --run runs/photos
python -m kerasdl evaluate svhn --run runs/svhn --model lenet5 --data DIR
"""

import sys
from collections.abc import Sequence

from kerasdl import command_line

PROGRAM = "kerasdl evaluate"


def make_parser() -> command_line.Parser:
    """Returns the parser."""
    parser = command_line.Parser(
        prog=PROGRAM,
        description="Score a model of a finished run on the test part of a data set that has the "
        "run's image shape and classes.",
    )
    parser.add_argument(
        "dataset", metavar="DATA", help="a folder with one folder of images per class, or a name"
    )
    parser.add_argument("--run", metavar="DIR", required=True, help="the run's folder")
    parser.add_argument(
        "--model", metavar="NAME", help="one of the run's models (the best on validation images)"
    )
    parser.add_argument("--seed", metavar="N", type=int, help="one of its seeds (the best)")
    parser.add_argument("--data", metavar="DIR", help="folder with the data sets' files")
    parser.add_argument("--json", action="store_true", help="print JSON, for other programs")
    return parser


@command_line.entry
def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        argv: The arguments; those of the process when None.

    Returns:
        0, or 2 for a user's mistake.
    """
    options = make_parser().parse_args(argv)
    import json

    from kerasdl import streams
    from kerasdl.face.functions import trained

    try:
        model = trained(options.run, options.model, options.seed)
        scores = model.evaluate(options.dataset, data_dir=options.data, quiet=options.json)
    except (ValueError, OSError) as error:
        return command_line.fail(PROGRAM, error)
    about = {"run": options.run, "model": model.name, "seed": model.seed, "data": options.dataset}
    if options.json:
        streams.write(json.dumps({**about, **scores}, indent=2, ensure_ascii=False))
    else:
        streams.write(
            f"{model.name}, seed {model.seed}, on {scores['images']:,} images of "
            f"{options.dataset}: accuracy {100 * scores['accuracy']:.2f} %, loss "
            f"{scores['loss']:.4f}, calibration error {100 * scores['ece']:.2f} %"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
