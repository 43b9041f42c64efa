"""From a run folder to a published version."""

import dataclasses
import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasdl.export import card, formats, gate, held_out, precision, publish, runs, signatures
from kerasdl.export import temperature as calibration
from kerasdl.export.held_out import HeldOut
from kerasdl.export.runs import Source

if TYPE_CHECKING:
    import keras

WARM_BATCHES = (1, 8, 32)


@dataclasses.dataclass(frozen=True)
class Order:
    """What is to be exported, and whereto.

    Args:
        source: The model.
        base: The folder of all models.
        name: The model's name there.
        version: Its version; None for the next.
        formats: As from `formats.parse`.
        calibrate: Whether to find a temperature on the validation images.
        float32: Whether the model computes in float32, whatever it was trained in.
        data_dir: The folder with the data sets' files, or None.
    """

    source: Source
    base: Path
    name: str
    version: int | None
    formats: tuple[str, ...]
    calibrate: bool
    float32: bool
    data_dir: str | None

    def check(self) -> None:
        """Checks what can be checked at once, before anything heavy is imported.

        Raises:
            ValueError: If the name or version may not be, the version is there already, a
                package is missing, or there are no images to calibrate on.
        """
        publish.check_name(self.name)
        if self.base.exists() and not self.base.is_dir():
            raise ValueError(f"--to must be a folder. Received the file {self.base}")
        publish.choose_version(self.base / self.name, self.version)
        formats.check_installed(self.formats)
        if self.calibrate and self.source.model == runs.WINNER:
            raise ValueError(
                "calibration needs images that the model was not trained on. Received: a search's "
                "winner, which is trained on the validation images, too"
            )


def export(order: Order, console: Any) -> tuple[Path | None, card.Card | None, list[str]]:
    """Writes, compares and publishes a model.

    Args:
        order: What to do, checked.
        console: A `rich` console for notices.

    Returns:
        The version's folder and its card; or None, None and what kept it from being
        published: then nothing was.

    Raises:
        FileNotFoundError: If the run's data set is not there.
        ValueError: If the data set or the model is not the run's, or cannot be exported.
    """
    from kerasdl.studies import own_classes
    from kerasdl.training.environment import start_keras

    source = order.source
    examples = held_out.load(source, order.data_dir, console)
    start_keras()
    model = own_classes.load(
        source.file, source.result.recipe, source.model, partial(console.print, markup=False)
    )
    model = _checked(model, source)
    if order.float32:
        model = precision.as_float32(model)
    found = None
    if order.calibrate:
        scores = model.predict(examples.validation.images, batch_size=256, verbose=0)
        found = calibration.calibrate(examples.validation.labels, scores)
    with publish.staging(order.base / order.name) as folder:
        written, agreements, problems = _write(order, model, folder, examples, found)
        if problems:
            return None, None, problems
        version = publish.choose_version(folder.parent, order.version)
        described = _describe(order, version, model, examples, found, written, agreements, folder)
        card.write(described, folder)
        # The card has the number in it: should another export take it, this one ends.
        return publish.publish(folder, version), described, []


def _checked(model: "keras.Model", source: Source) -> "keras.Model":
    """Returns the model, which must be the run's.

    Raises:
        ValueError: If it takes other images or has other classes.
    """
    shape = signatures.image_shape(model)
    expected = source.dataset.image_shape, len(source.dataset.class_names)
    if (shape, model.output_shape[-1]) != expected:
        raise ValueError(
            f"{source.file} is not the run's model: expected images {expected[0]} and "
            f"{expected[1]} classes. Received: {model.input_shape} and {model.output_shape}"
        )
    return model


def _write(
    order: Order,
    model: "keras.Model",
    folder: Path,
    examples: HeldOut,
    found: calibration.Calibration | None,
) -> tuple[list[str], list[gate.Agreement], list[str]]:
    """Writes all formats and compares them; returns the signatures and what the gate found."""
    from kerasdl.evaluation.predictions import log_probabilities
    from kerasdl.export import warmup

    temperature = 1.0 if found is None else found.temperature
    images = examples.examples.images
    written = signatures.write(
        model,
        folder,
        class_names=order.source.dataset.class_names,
        temperature=temperature,
        stretch=_stretches(order.source),
    )
    warmup.write(folder, order.name, _warm_requests(written, images))
    others = [name for name in order.formats if name != formats.SAVED_MODEL]
    if others:
        whole = formats.with_probabilities(model, temperature)
        for name in others:
            formats.write(whole, folder, name)
    scores = model.predict(images, batch_size=256, verbose=0)
    agreements, problems = gate.run(
        folder,
        order.formats,
        images,
        examples.examples.labels,
        log_probabilities(scores),
        temperature=temperature,
        mixed=not precision.computes_in_float32(model),
    )
    return written, agreements, problems


def _stretches(source: Source) -> bool:
    """Whether the run's images were stretched to their size, as `predict` asks as well."""
    return source.dataset.source == "folder"


def _warm_requests(written: list[str], images: Any) -> list[tuple[str, dict[str, Any]]]:
    import tensorflow as tf

    requests: list[tuple[str, dict[str, Any]]] = []
    for size in WARM_BATCHES:
        some = images[[number % len(images) for number in range(size)]]
        requests.append((signatures.PIXELS, {"images": some}))
    encoded = [tf.io.encode_png(images[0]).numpy(), tf.io.encode_jpeg(images[0]).numpy()]
    requests.append((signatures.BYTES, {"image_bytes": encoded}))
    if signatures.EXPLAIN in written:
        requests.append((signatures.EXPLAIN, {"images": images[:1]}))
    return requests


def _describe(
    order: Order,
    version: int,
    model: "keras.Model",
    examples: HeldOut,
    found: calibration.Calibration | None,
    written: list[str],
    agreements: list[gate.Agreement],
    folder: Path,
) -> card.Card:
    from kerasdl.training.environment import describe

    source = order.source
    computes = sorted({layer.compute_dtype for layer in model._flatten_layers(include_self=False)})
    computes_in = " and ".join(computes)
    return card.Card(
        name=order.name,
        version=version,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        title=source.title,
        app=source.result.app,
        model=source.model,
        seed=source.seed,
        settings=source.settings,
        command=source.result.command,
        trained=source.result.created,
        parameters=model.count_params(),
        precision=computes_in,
        image_shape=source.dataset.image_shape,
        class_names=list(source.dataset.class_names),
        resize="stretch" if _stretches(source) else "pad",
        signatures=written,
        temperature=1.0 if found is None else found.temperature,
        calibration=found,
        dataset=source.dataset,
        metrics=source.metrics,
        recipe=source.result.recipe,
        trained_with=source.result.environment,
        exported_with=describe("none", computes_in),
        compared_on=examples.counts,
        formats=agreements,
        sha256=card.checksums(folder),
    )
