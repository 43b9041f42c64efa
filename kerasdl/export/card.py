"""The model card: where a model is from, what it takes and gives, and how it was checked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from kerasdl import files, record
from kerasdl.export.formats import FILES, SAVED_MODEL
from kerasdl.export.gate import Agreement
from kerasdl.export.signatures import BYTES, EXPLAIN, PIXELS
from kerasdl.export.temperature import Calibration

NAME = "card.json"


class Card(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """card.json, schema 1. What README.md beside it says in words.

    Args:
        name: The model's name, its folder's.
        version: The version, its folder's name.
        created: When it was exported.
        title: The model's name for people.
        app: The app or search that trained it.
        model: Its name in the run.
        seed: Its seed.
        settings: What distinguishes it besides.
        command: The command that trained it.
        trained: When its run began.
        parameters: How many numbers it has, trained or not.
        precision: What it computes in, e.g. "float32".
        image_shape: Height, width and channels of its images.
        class_names: In the order of the probabilities.
        resize: How pictures of other sizes are brought to that shape, "pad" or "stretch".
        signatures: The SavedModel's.
        temperature: What logits are divided by before the softmax.
        calibration: How it was found; null when it is 1 because nobody asked.
        dataset: The images that it was trained on.
        metrics: Its scores; null for a search's winner, which has its README's.
        recipe: The run's recipe.
        trained_with: Machine and versions of the training.
        exported_with: Of the export.
        compared_on: How many images the formats were compared on, by the part they are from.
        formats: What is in the folder, each compared with the Keras model.
        sha256: Checksum of every file but the card's own two, by its path.
    """

    schema: Literal[1] = 1
    kind: Literal["kerasdl-model-card"] = "kerasdl-model-card"
    name: str
    version: int
    created: str
    title: str
    app: str
    model: str
    seed: int
    settings: dict[str, Any]
    command: str
    trained: str
    parameters: int
    precision: str
    image_shape: tuple[int, int, int]
    class_names: list[str]
    resize: Literal["pad", "stretch"]
    signatures: list[str]
    temperature: float
    calibration: Calibration | None
    dataset: record.DatasetInfo
    metrics: record.Metrics | None
    recipe: dict[str, Any]
    trained_with: record.Environment
    exported_with: record.Environment
    compared_on: dict[str, int]
    formats: list[Agreement]
    sha256: dict[str, str]


def checksums(folder: Path) -> dict[str, str]:
    """Returns the checksum of every file in a folder by its path, sorted."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): files.sha256(path) for path in paths}


def write(card: Card, folder: Path) -> None:
    """Writes card.json and README.md into a version's folder."""
    content = msgspec.json.format(msgspec.json.encode(card), indent=2)
    files.write_bytes(folder / NAME, content + b"\n")
    files.write_text(folder / "README.md", readme(card))


def read(folder: Path) -> Card:
    """Reads a version's card.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is not a card of schema 1.
    """
    try:
        return msgspec.json.decode((folder / NAME).read_bytes(), type=Card)
    except msgspec.DecodeError as error:
        raise ValueError(f"{folder / NAME} is not a model card (schema 1): {error}") from error


def readme(card: Card) -> str:
    """Returns the card in words, Markdown."""
    from kerasdl.reporting import render, text

    parts = [
        f"# {text.markdown(card.name)}, version {card.version}",
        f"{text.markdown(card.title)} (`{card.model}`, seed {card.seed} of "
        f"`{card.app}`), {text.count(card.parameters)} numbers, computes in {card.precision}. "
        f"Exported {card.created}, trained {card.trained} with",
        text.fence(card.command),
        "## Signatures",
        _signatures(card),
        "## Scores",
        _scores(card),
        "## Checked",
        _checked(card),
        "## Images",
        _list(render.data(card.dataset)),
        "## Recipe",
        text.fence(render.toml(card.recipe), "toml"),
        "## Machines and versions",
        "Training:",
        _list(render.environment(card.trained_with, card.trained)),
        "Export:",
        _list(render.environment(card.exported_with, card.created)),
        "## Files",
        _table(["File", "SHA-256"], list(card.sha256.items()), words={1}),
    ]
    return "\n\n".join(parts) + "\n"


def _signatures(card: Card) -> str:
    from kerasdl.reporting import text

    height, width, channels = card.image_shape
    k = len(card.class_names)
    ways = {
        "pad": "keep their proportions and get a border of their own border's colour",
        "stretch": "are brought to height and width each for itself, as the training images were",
    }
    lines = [
        f"- `{PIXELS}`: `images`, uint8 (n, {height}, {width}, {channels}), 0..255.",
        f"- `{BYTES}`: `image_bytes`, strings (n,), each a PNG, JPEG or BMP file. Pictures of "
        f"another size {ways[card.resize]}; EXIF rotation of JPEG files is applied; transparency "
        "lies over white"
        + ("; colours become gray" if channels == 1 else "; gray becomes three equal channels")
        + ".",
        f"- `{EXPLAIN}`: what `{PIXELS}` takes.",
    ]
    shown = [line for line in lines if line[3:].partition("`")[0] in card.signatures]
    shown.append(
        f"\nEach returns `probabilities` float32 (n, {k}), `classes` int64 (n,) and `labels` "
        "strings (n,)"
        + (
            f"; `{EXPLAIN}` also `heatmap`, float32 (n, {height}, {width}) 0..1, Grad-CAM of the "
            "answered class."
            if EXPLAIN in card.signatures
            else "."
        )
    )
    shown.append(f"\nClasses: {', '.join(map(text.markdown, card.class_names))}.")
    return "\n".join(shown)


def _scores(card: Card) -> str:
    from kerasdl.reporting import text

    sentences = []
    if card.metrics is not None:
        sentences.append(
            f"{text.percent(card.metrics.test_accuracy)} % of the {text.count(card.dataset.test)} "
            f"test images are answered rightly, with a loss of {card.metrics.test_loss:.3f} nats "
            f"and an expected calibration error of {text.percent(card.metrics.ece)} % (before a "
            "temperature)."
        )
    found = card.calibration
    if found is None:
        sentences.append("Probabilities are the softmax of the model's logits.")
    else:
        sentences.append(
            f"Logits are divided by the temperature {found.temperature:.3f} before the softmax. "
            f"On the {text.count(found.images)} validation images, where it was found, the loss "
            f"goes from {found.loss[0]:.3f} to {found.loss[1]:.3f} nats and the expected "
            f"calibration error from {text.percent(found.ece[0])} to {text.percent(found.ece[1])} "
            "%; the answers stay."
        )
    return " ".join(sentences)


def _checked(card: Card) -> str:
    from kerasdl.reporting import text

    counts = [f"{text.count(count)} {part}" for part, count in card.compared_on.items()]
    titles = {SAVED_MODEL: "SavedModel", "onnx": "ONNX", "litert": "LiteRT", "openvino": "OpenVINO"}
    rows = [
        (
            titles[one.format],
            f"{one.format}/{FILES[one.format]}" if one.format in FILES else ".",
            text.percent(one.agreement),
            f"{one.largest_difference:.1e}",
            text.percent(one.accuracy),
            text.quantity(one.bytes) + "B",
        )
        for one in card.formats
    ]
    header = [
        "Format",
        "Place",
        "Same class, %",
        "Largest difference of a probability",
        "Right, %",
        "Size",
    ]
    return (
        f"On {text.listing(counts)} images, in a fresh process, against the Keras model.\n\n"
        + _table(header, rows, words={1})
    )


def _list(entries: Sequence[tuple[str, str]]) -> str:
    from kerasdl.reporting import text

    return "\n".join(f"- {text.markdown(name)}: {text.markdown(value)}" for name, value in entries)


def _table(header: list[str], rows: Sequence[Sequence[str]], words: set[int]) -> str:
    from kerasdl.reporting.tables import Table

    return Table(header, [list(row) for row in rows], words=frozenset(words)).markdown()
