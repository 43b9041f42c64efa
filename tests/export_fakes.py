"""Run folders as a study or a search would make them, without training anything."""

import numpy as np
from PIL import Image

from kerasdl import record
from kerasdl.datasets.load import load
from kerasdl.studies.data import describe, divide
from kerasdl.studies.plan import Data

ENVIRONMENT = record.Environment(
    kerasdl="0.1.0",
    keras="3.15.1",
    tensorflow="2.21.0",
    numpy="2.4.6",
    python="3.11.7",
    backend="tensorflow",
    device="CPU",
    strategy="none",
    precision="float32",
    cores=2,
)


def write_images(folder, shape=(12, 10, 3), per_class=30, names=("lying", "upright|1", "三")):
    """Writes a folder of images, one folder per class."""
    generator = np.random.default_rng(0)
    for label, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for number in range(per_class):
            image = generator.integers(0, 120, shape, dtype=np.uint8)
            image[4 * label : 4 * label + 4] += 120
            pixels = image[..., 0] if shape[2] == 1 else image
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def metrics(validation_accuracy):
    return record.Metrics(
        train_accuracy=0.5,
        train_loss=1.0,
        validation_accuracy=validation_accuracy,
        validation_loss=1.0,
        test_accuracy=0.5,
        test_loss=1.0,
        per_class_accuracy=[0.5, 0.5, 0.5],
        ece=0.1,
    )


def write_run(folder, images, models, status="complete"):
    """Writes the folder of a comparison: `models` by name, in order of merit, the best last."""
    data = Data(dataset=str(images), validation_fraction=0.3)
    dataset = load(str(images))
    names = list(models)
    runs = []
    for place, (name, model) in enumerate(models.items()):
        (folder / "models").mkdir(parents=True, exist_ok=True)
        model.save(folder / "models" / f"{name}-seed0.keras")
        runs.append(
            record.Run(
                model=name,
                seed=0,
                settings={"width": 8},
                parameters=1,
                multiply_accumulates=1,
                epochs=1,
                train_seconds=1.0,
                images_per_second=1.0,
                precision="float32",
                history={"loss": [1.0]},
                metrics=metrics(0.5 + place / 10),
            )
        )
    record.write(
        record.Record(
            app="svhn",
            command="python -m kerasdl.apps.svhn --out runs/svhn",
            created="2026-11-20T20:02:41Z",
            status=status,
            environment=ENVIRONMENT,
            dataset=describe(dataset, divide(dataset, data), data),
            recipe={"app": "svhn", "models": names, "data": _plain(data)},
            runs=runs,
            summary=[],
            comparisons=[],
            reported=[],
        ),
        folder / "results.json",
    )
    return folder


def write_search(folder, images, model=None):
    """Writes the folder of a search; without a model, of another experiment."""
    data = Data(dataset=str(images), validation_fraction=0.3)
    dataset = load(str(images))
    (folder / "models").mkdir(parents=True)
    if model is not None:
        model.save(folder / "models" / "winner.keras")
    record.write(
        record.Findings(
            kind="search",
            app="mnist_width",
            study="mnist_width",
            title="The width",
            command="python -m kerasdl.tuning.mnist_width",
            created="2026-11-20T20:02:41Z",
            status="complete",
            environment=ENVIRONMENT,
            dataset=describe(dataset, divide(dataset, data), data),
            recipe={"data": _plain(data), "seed": 3},
            seconds=1.0,
            sections=[],
        ),
        folder / "results.json",
    )
    return folder


def _plain(data):
    return {"dataset": data.dataset, "validation_fraction": data.validation_fraction}


def small_cnn(shape=(12, 10, 3), classes=3, seed=0):
    """A network with a convolution in a model inside the model, as transferred ones have."""
    import keras

    keras.utils.set_random_seed(seed)
    base = keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.Resizing(16, 14, antialias=True),
            keras.layers.Normalization(mean=[120.0] * shape[2], variance=[3000.0] * shape[2]),
            keras.layers.Conv2D(6, 3, activation="relu"),
        ],
        name="base",
    )
    inputs = keras.Input(shape, name="pixels")
    x = base(inputs)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dropout(0.5)(x)
    outputs = keras.layers.Dense(classes, kernel_initializer="random_normal", dtype="float32")(x)
    return keras.Model(inputs, outputs, name="small_cnn")


def small_mlp(shape=(12, 10, 3), classes=3):
    """A Sequential model."""
    import keras

    return keras.Sequential(
        [
            keras.Input(shape, name="pixels"),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(5, activation="relu"),
            keras.layers.Dense(classes, dtype="float32"),
        ],
        name="small_mlp",
    )
