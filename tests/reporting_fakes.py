"""Records and predictions as a study would make them, without training anything."""

import numpy as np
import numpy.typing as npt

from kerasdl.evaluation import metrics, statistics
from kerasdl.evaluation.predictions import Predictions
from kerasdl.record import DatasetInfo, Environment, Record, Reported, Run

ZOO = {
    # model: title, parameters, multiply-accumulates, skill, seconds
    "lenet5": ("LeNet-5", 62_006, 416_520, 1.9, 41.0),
    "alexnet": ("AlexNet", 23_272_266, 142_000_000, 2.4, 402.0),
    "vgg16": ("VGG16", 15_001_418, 313_478_144, 3.1, 1460.0),
    "resnet18": ("ResNet-18", 11_173_962, 555_422_720, 3.3, 1985.0),
    "resnet50": ("ResNet-50", 23_520_842, 1_297_829_888, 3.2, 4310.0),
    "resnet101": ("ResNet-101", 42_512_970, 2_519_000_000, 3.35, 7904.0),
    "shufflenet": ("ShuffleNet V2 1x", 1_263_854, 46_000_000, 2.7, 380.0),
    "smallnet": ("SmallNet", 1_973_448, 186_000_000, 3.75, 204.4),
}
HOSTILE = ["<script>alert(1)</script>", "五 | a`b*c_d $\\frac{x}$", "ੴ\n\u202ereversed"]


def _logits(
    labels: npt.NDArray[np.int32], k: int, skill: float, rng: np.random.Generator, shared: float
) -> npt.NDArray[np.float64]:
    hard = np.random.default_rng(99).normal(size=(len(labels), k))
    noise = shared * hard + np.sqrt(1 - shared**2) * rng.normal(size=(len(labels), k))
    # Label 3 looks like label 5.
    noise[labels == 3 % k, 5 % k] += 1.5
    return 3.0 * (noise + skill * np.eye(k)[labels])


def _history(
    epochs: int, accuracy: float, *, validation: bool, seed: int
) -> dict[str, list[float]]:
    rng = np.random.default_rng(seed)
    t = np.arange(1, epochs + 1)
    rise = 1 - np.exp(-t / (0.22 * epochs + 0.3))
    train = accuracy * rise + 0.004 * rng.normal(size=epochs) + 0.03 * t / epochs
    valid = accuracy * rise**1.2 + 0.012 * rng.normal(size=epochs)
    history = {
        "loss": (2.4 - 2.3 * accuracy * rise + 0.01 * rng.normal(size=epochs)).tolist(),
        "accuracy": np.clip(train, 0, 1).tolist(),
    }
    if validation:
        loss = 2.4 - 2.2 * accuracy * rise + 0.15 * t / epochs + 0.03 * rng.normal(size=epochs)
        history["val_loss"] = loss.tolist()
        history["val_accuracy"] = np.clip(valid, 0, 1).tolist()
    return history


def make(
    *,
    names: list[str] | None = None,
    models: tuple[str, ...] = tuple(ZOO),
    seeds: int = 3,
    images: int = 600,
    shape: tuple[int, int, int] = (32, 32, 3),
    epochs: int = 12,
    source: str = "local",
    partial: str | None = "4434 of 73257",
    status: str = "complete",
    validation: bool = True,
    title: str = "SVHN (cropped digits)",
    skills: dict[str, float] | None = None,
) -> tuple[Record, npt.NDArray[np.uint8], Predictions]:
    """Returns a record, test images and predictions that belong together."""
    names = [str(i) for i in range(10)] if names is None else names
    k = len(names)
    rng = np.random.default_rng(7)
    labels = rng.integers(0, k, images).astype(np.int32)
    pictures = rng.integers(0, 60, (images, *shape)).astype(np.uint8)
    rows = np.arange(shape[0])[:, None, None]
    pictures = (pictures + rows * 3 + labels[:, None, None, None] * 5 % 90).astype(np.uint8)
    predictions = Predictions(labels, k)
    runs = []
    for m, model in enumerate(models):
        _, parameters, macs, skill, seconds = ZOO[model]
        skill = (skills or {}).get(model, skill)
        for seed in range(seeds):
            noise = np.random.default_rng([m, seed])
            stored = predictions.add(model, seed, _logits(labels, k, skill, noise, 0.7))
            test = metrics.score(labels, stored)
            train = metrics.score(labels, _logits(labels, k, skill + 0.7, noise, 0.0))
            accuracy = test.accuracy
            length = epochs - (seed if epochs > 5 and m == 1 else 0)
            runs.append(
                Run(
                    model=model,
                    seed=seed,
                    settings={},
                    parameters=parameters,
                    multiply_accumulates=macs,
                    epochs=length,
                    train_seconds=seconds * (1 + 0.03 * seed),
                    images_per_second=4434 * 12 / seconds,
                    precision="float32",
                    history=_history(length, accuracy, validation=validation, seed=10 * m + seed),
                    metrics=metrics.combine(train, test if validation else None, test),
                )
            )
    record = Record(
        app="svhn",
        command="python -m kerasdl.apps.svhn --seeds 3 --out runs/svhn",
        created="2026-11-20T20:02:41Z",
        status=status,  # type: ignore[arg-type]
        environment=Environment(
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
        ),
        dataset=DatasetInfo(
            name="svhn",
            title=title,
            source=source,  # type: ignore[arg-type]
            verified=False,
            partial=partial,
            train=3990,
            validation=444 if validation else 0,
            test=images,
            sha256="0123456789abcdef" * 4,
            image_shape=shape,
            class_names=names,
        ),
        recipe={
            "models": list(models),
            "seeds": seeds,
            "epochs": epochs,
            "train_size": None,
            "optimizer": {"name": "adamw", "learning_rate": 0.002},
        },
        runs=runs,
        summary=statistics.summarise(runs, {name: row[0] for name, row in ZOO.items()}),
        comparisons=statistics.compare_all(runs, predictions),
        reported=[
            Reported(report="A", model="lenet5", test_accuracy=0.47),
            Reported(report="C", model="lenet5", test_accuracy=0.89),
            Reported(report="C", model="resnet18", test_accuracy=0.953),
            Reported(report="C", model="squeezenet", test_accuracy=0.9),
        ],
    )
    return record, pictures, predictions
