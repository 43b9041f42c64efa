"""The record of a run, results.json: everything a report shows, as typed data.

The layout is schema 2; files of schema 1 are read as such (`kerasdl.record_layout`). Reading is
strict: unknown or missing keys and wrong types are errors.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from kerasdl import files
from kerasdl.record_layout import SCHEMA, check_finite, plain, upgrade
from kerasdl.sections import Section, Struct

Accuracy = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Count = Annotated[int, msgspec.Meta(ge=0)]


class Environment(Struct, frozen=True):
    """Where a run happened. `precision` is the Keras dtype policy asked for.

    `tensorflow` and `jax` are versions; null for the one that did not train. `kernels` are
    "oneDNN" or "Eigen"; null on JAX and in records before there was a choice.
    """

    kerasdl: str
    keras: str
    tensorflow: str | None
    numpy: str
    python: str
    backend: str
    device: str
    strategy: str
    precision: str
    cores: Count
    jax: str | None = None
    kernels: str | None = None


class DatasetInfo(Struct, frozen=True):
    """The data of a run. Counts are examples; `partial` is e.g. "4434 of 73257".

    `partial_test` is the same for the test part; `portion` says that the user
    chose to train on fewer images, e.g. "trained on 200 of 4434"; `notes` are for readers.
    """

    name: str
    title: str
    source: Literal["local", "store", "tfds", "folder", "arrays", "synthetic"]
    verified: bool
    partial: str | None
    train: Count
    validation: Count
    test: Count
    sha256: str
    image_shape: tuple[int, int, int]
    class_names: list[str]
    partial_test: str | None = None
    portion: str | None = None
    notes: list[str] = msgspec.field(default_factory=list)

    @property
    def label(self) -> str:
        """One line for banners, tables and figures, e.g. "SVHN, partial: 4434 of 73257"."""
        parts = [self.title]
        if self.source == "synthetic":
            parts.append("SYNTHETIC images, not real data")
        return ", ".join([*parts, *self.caveats])

    @property
    def caveats(self) -> list[str]:
        """What keeps figures from being compared with those of the whole set."""
        found = [
            self.partial and f"partial: {self.partial}",
            self.partial_test and f"test partial: {self.partial_test}",
            self.portion,
        ]
        return [text for text in found if text]


class Metrics(Struct, frozen=True):
    """Scores of one trained model; accuracies and `ece` in 0..1, losses in nats."""

    train_accuracy: Accuracy
    train_loss: float
    validation_accuracy: Accuracy | None
    validation_loss: float | None
    test_accuracy: Accuracy
    test_loss: float
    per_class_accuracy: list[Accuracy | None]
    ece: Accuracy


class Run(Struct, frozen=True):
    """One model trained once. `train_seconds` is wall time of training, validation excluded.

    `parameters` and `multiply_accumulates` (for one image; null for a person's own layers)
    count the whole network; `history` has one value per epoch and key; `settings` is what
    distinguishes the run besides model and seed.

    Of a network that begins with weights from elsewhere, `trained_parameters` are those
    that this run changed, and `feature_seconds` the wall time of computing the frozen part's
    features for all images, not in `train_seconds`: 0 where an earlier run had kept them, null
    where it was computed at every step. The seconds of `stacked` models are shares of theirs.
    """

    model: str
    seed: int
    settings: dict[str, Any]
    parameters: Count
    multiply_accumulates: Count | None
    epochs: Count
    train_seconds: float
    images_per_second: float
    precision: str
    history: dict[str, list[float]]
    metrics: Metrics
    feature_seconds: float | None = None
    trained_parameters: Count | None = None
    stacked: Annotated[int, msgspec.Meta(ge=2)] | None = None


class Spread(Struct, frozen=True):
    """Mean and sample standard deviation (n - 1) over `n` seeds; `std` is null for n = 1."""

    mean: float
    std: float | None
    n: Annotated[int, msgspec.Meta(ge=1)]


class Summary(Struct, frozen=True):
    """A model's scores over its seeds."""

    model: str
    title: str
    settings: dict[str, Any]
    parameters: Count
    multiply_accumulates: Count | None
    test_accuracy: Spread
    train_accuracy: Spread
    test_loss: Spread
    ece: Spread
    train_seconds: Spread


class Comparison(Struct, frozen=True):
    """Two models on the same test images, over the seeds both have.

    What is tested, and why, is explained in `kerasdl.evaluation.statistics`.

    Args:
        models: The two names; `difference` is first minus second.
        difference: Difference of mean test accuracy (-1..1).
        seeds: The seeds that both models have, in the order of the lists below.
        only_first: Test images that only the first answers rightly, per seed.
        only_second: Test images that only the second answers rightly, per seed.
        p_values: McNemar's exact two-sided p per seed, not adjusted.
        p_images: Exact p over all seeds with the test image as the unit,
            adjusted (Holm) for the number of comparisons.
        p_seeds: One-sided paired t-test over the seeds, that the lead is no
            accident of the seeds; null below three seeds.
        better: The name of the model that is better beyond noise; null when tied.
        verdict: One sentence, "tied within noise" included.
    """

    models: tuple[str, str]
    difference: Annotated[float, msgspec.Meta(ge=-1.0, le=1.0)]
    seeds: list[int]
    only_first: list[Count]
    only_second: list[Count]
    p_values: list[Accuracy]
    p_images: Accuracy
    p_seeds: Accuracy | None
    better: str | None
    verdict: str


class Reported(Struct, frozen=True):
    """A figure another report prints, shown beside ours on real data only."""

    report: str
    model: str
    test_accuracy: Accuracy


class Head(Struct, frozen=True, kw_only=True):
    """What every results.json begins with, whatever was studied.

    Args:
        app: The module of the command, e.g. "svhn" of `python -m kerasdl.apps.svhn`.
        study: The app's study, as in `--study`; an app with one study only has its name.
        command: What made it, as it was typed.
        created: ISO 8601.
        status: "running" or "interrupted" where something is left to do.
        environment: Machine and versions, kerasdl's own among them.
        dataset: The images; null where there are none.
        recipe: Everything that decides the numbers.
        predicted_seconds: The forecast; null for short runs.
        seconds: Of all starts together.
    """

    schema: Literal[2] = SCHEMA
    kind: Literal["comparison", "experiment", "search"]
    app: str
    study: str
    command: str
    created: str
    status: Literal["complete", "interrupted", "running"]
    environment: Environment
    dataset: DatasetInfo | None
    recipe: dict[str, Any]
    predicted_seconds: float | None = None
    seconds: float | None = None


class Record(Head, frozen=True, kw_only=True):
    """The results.json of a comparison of networks; `sections` are what the app says of it."""

    kind: Literal["comparison"] = "comparison"
    study: str = "networks"
    dataset: DatasetInfo
    runs: list[Run]
    summary: list[Summary]
    comparisons: list[Comparison]
    reported: list[Reported]
    sections: list[Section] = msgspec.field(default_factory=list)


class Findings(Head, frozen=True, kw_only=True):
    """The results.json of an experiment or a search: `sections` hold all results."""

    kind: Literal["experiment", "search"]
    title: str
    seconds: float
    sections: list[Section]


RecordT = TypeVar("RecordT", Record, Findings)


def write(record: Record | Findings, path: str | os.PathLike[str]) -> None:
    """Writes results.json atomically, indented, in the schema's order; NumPy's numbers as JSON's.

    Args:
        record: What to write.
        path: The file, usually `<run folder>/results.json`.

    Raises:
        ValueError: If a number is NaN or infinite, which JSON cannot hold, or a
            value is not what the schema says; the message has the place.
    """
    try:
        content = msgspec.to_builtins(record, enc_hook=plain, str_keys=True)
        # msgspec writes NaN and infinity as null: what cannot be read back must not be written.
        check_finite(content, "record")
        # Structs are not checked when they are made: an accuracy of 91.2 is found here.
        msgspec.convert(content, type=type(record))
        text = msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"
    except (msgspec.ValidationError, TypeError, UnicodeEncodeError) as error:
        raise ValueError(f"{path} was not written, it is not schema {SCHEMA}: {error}") from error
    files.write_bytes(path, text)


def read(path: str | os.PathLike[str]) -> Record:
    """Reads and checks the results.json of a comparison of networks.

    Args:
        path: The file; one of schema 1 is read as schema 2.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not a record; the message has the place.
    """
    return _read(path, Record)


def read_findings(path: str | os.PathLike[str]) -> Findings:
    """Reads and checks the results.json of an experiment or a search; otherwise as `read`."""
    return _read(path, Findings)


def read_any(path: str | os.PathLike[str]) -> Record | Findings:
    """Reads and checks a results.json of any kind; otherwise as `read`."""
    return _read(path, Findings) if is_findings(path) else _read(path, Record)


def is_findings(path: str | os.PathLike[str]) -> bool:
    """Whether a results.json is of an experiment or a search, not a comparison of networks."""
    try:
        kind = msgspec.json.decode(Path(path).read_bytes(), type=_Kind).kind
    except msgspec.DecodeError:
        return False
    return kind in ("experiment", "search", "findings")


class _Kind(msgspec.Struct):
    kind: str = ""


def _read(path: str | os.PathLike[str], struct: type[RecordT]) -> RecordT:
    content = Path(path).read_bytes()
    try:
        return msgspec.convert(upgrade(msgspec.json.decode(content)), type=struct)
    except msgspec.DecodeError as error:
        raise ValueError(
            f"{path} is not a kerasdl results.json (schema {SCHEMA}): {error}"
        ) from error


def json_schema() -> dict[str, Any]:
    """Returns the JSON Schema of results.json of every kind: docs/results.schema.json."""
    (comparison, findings), parts = msgspec.json.schema_components([Record, Findings])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"kerasdl results.json, schema {SCHEMA}",
        "oneOf": [comparison, findings],
        "$defs": {name.removeprefix("#/"): part for name, part in parts.items()},
    }
