"""A study of a small base: what tests of transfer's arms share."""

from transfer_fakes import BASE

from kerasdl.apps import svhn
from kerasdl.studies.options import make_parser, make_recipe


def make_plan(*arguments):
    """Returns the recipe of `kerasdl.apps.svhn` with some arguments."""
    words = ["--transfer", BASE, "--precision", "float32", *map(str, arguments)]
    return make_recipe(svhn.APP, vars(make_parser(svhn.APP).parse_args(words)))


def make_study(folder, examples, *arguments, seconds=1000.0):
    """Returns a study of banded images of three classes, its weights found."""
    from rich.console import Console

    from kerasdl.datasets.dataset import Dataset, Splits, content_sha256
    from kerasdl.studies.networks import Study
    from kerasdl.studies.transfer.cached import open_cache
    from kerasdl.studies.transfer.weights import pin

    parts = [examples(n=count, seed=seed) for seed, count in enumerate((60, 15, 70))]
    dataset = Dataset(
        name="bands",
        title="Bands",
        train=parts[0],
        test=parts[2],
        class_names=("top", "middle", "bottom"),
        source="folder",
        verified=False,
        partial=None,
        sha256=content_sha256(*parts),
    )
    console = Console(quiet=True)
    plan, weights = pin(make_plan(*arguments), dataset, None, console)
    return Study(
        plan,
        dataset,
        Splits(*parts),
        folder,
        command="a test",
        reported=[],
        console=console,
        checkpoint_seconds=seconds,
        weights=weights,
        cache=open_cache(plan, None, console),
    )
