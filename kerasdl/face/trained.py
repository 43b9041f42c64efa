"""A trained model of a run, in Python: itself, its answers, its score elsewhere, its export."""

import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras
    import pandas as pd

    from kerasdl.export.runs import Source


class Trained:
    """One trained model of a run folder.

    Args:
        source: Where it is and what its record says of it.
    """

    def __init__(self, source: "Source") -> None:
        self.source = source
        self.name, self.seed, self.file = source.model, source.seed, source.file

    def __repr__(self) -> str:
        return f"<kerasdl.Trained {self.name}, seed {self.seed}: {self.file}>"

    @functools.cached_property
    def model(self) -> "keras.Model":
        """The Keras model: pixels 0..255 (n, h, w, c) to logits (n, classes), not compiled."""
        from kerasdl.studies import own_classes

        return own_classes.load(self.file, self.source.result.recipe, self.name, print)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the outputs."""
        return tuple(self.source.dataset.class_names)

    def predict(self, images: Any, *, top: int = 3, invert: bool = False) -> "pd.DataFrame":
        """Returns what the model sees in images.

        Args:
            images: A picture's path, a folder of pictures, a list of paths, or an array
                (n, h, w, c) or (n, h, w) of pixels 0..255 of the run's size.
            top: How many of the likeliest classes, >= 1.
            invert: Whether light becomes dark first: for ink on white paper.

        Returns:
            One row an image: `image` (path or number), `class_1`, `probability_1` (0..1), ...

        Raises:
            ValueError, FileNotFoundError: If a picture cannot be read, or is of another size.
        """
        import numpy as np
        import pandas as pd

        from kerasdl.studies.predict import probabilities

        if top < 1:
            raise ValueError(f"top must be 1 or more. Received: {top}")
        names, pixels = self._pixels(images, invert)
        chances = probabilities(self.model, pixels)
        count = min(top, len(self.class_names))
        order = np.argsort(-chances, axis=1, kind="stable")[:, :count]
        columns: dict[str, Any] = {"image": names}
        for place in range(count):
            chosen = order[:, place]
            columns[f"class_{place + 1}"] = [self.class_names[label] for label in chosen]
            columns[f"probability_{place + 1}"] = np.take_along_axis(
                chances, chosen[:, None], axis=1
            )[:, 0]
        return pd.DataFrame(columns)

    def evaluate(self, data: Any, **arguments: Any) -> dict[str, float]:
        """Scores the model on the test part of a data set.

        Args:
            data: As for `kerasdl.load`; of the run's image shape and classes.
            **arguments: As for `kerasdl.load`.

        Returns:
            accuracy (0..1), loss (cross-entropy, nats), ece (0..1) and images.

        Raises:
            ValueError: If the images or the classes are not the run's.
        """
        from kerasdl.evaluation import metrics
        from kerasdl.face.load import load

        dataset, own = load(data, **arguments), self.source.dataset
        if dataset.class_names != self.class_names:
            raise ValueError(
                f"expected the run's classes: {', '.join(self.class_names)}. "
                f"Received: {', '.join(dataset.class_names)}"
            )
        if dataset.image_shape != tuple(own.image_shape):
            raise ValueError(
                f"expected images of the run's shape {tuple(own.image_shape)}. "
                f"Received: {dataset.image_shape}"
            )
        scores = self.model.predict(dataset.test.images, batch_size=256, verbose=0)
        found = metrics.score(dataset.test.labels, scores)
        return {
            "accuracy": found.accuracy,
            "loss": found.loss,
            "ece": found.ece,
            "images": len(dataset.test),
        }

    def export(
        self,
        to: str | os.PathLike[str],
        *,
        name: str | None = None,
        version: int | None = None,
        formats: Sequence[str] = ("saved_model",),
        calibrate: bool = False,
        float32: bool = False,
        data_dir: str | os.PathLike[str] | None = None,
    ) -> Path:
        """Writes the model as TensorFlow Serving takes it, once it answers as the Keras model does.

        Args:
            to: The folder of all models.
            name: The model's name there; None for the app's.
            version: Its version; None for the next.
            formats: "saved_model", which is always written, and "onnx", "litert", "openvino".
            calibrate: Whether to find a temperature on the validation images.
            float32: Whether it computes in float32, whatever it was trained in.
            data_dir: The folder with the known data sets' files; None for KERASDL_DATA.

        Returns:
            The version's folder.

        Raises:
            ValueError: If something is not what it should be, or what was written answers
                otherwise than the trained model: then nothing is published.
            FileNotFoundError: If the run's data set is not there.
        """
        from kerasdl.export import formats as known
        from kerasdl.export.exporting import Order, export
        from kerasdl.terminal import Console

        if self.source.dataset.source == "arrays":
            raise ValueError(
                "an export is compared with the trained model on the run's images. Received: a "
                "run on arrays, which no later process has; train from a folder of images"
            )
        order = Order(
            source=self.source,
            base=Path(to),
            name=name or self.source.result.app,
            version=version,
            formats=known.parse(",".join(formats)),
            calibrate=calibrate,
            float32=float32,
            data_dir=None if data_dir is None else os.fspath(data_dir),
        )
        order.check()
        folder, _, problems = export(order, Console())
        if folder is None:
            raise ValueError(f"not published: {'; '.join(problems)}")
        return folder

    def _pixels(self, images: Any, invert: bool) -> tuple[list[Any], Any]:
        import numpy as np

        from kerasdl.studies.predict import read_pictures

        shape = tuple(self.source.dataset.image_shape)
        if not isinstance(images, str | os.PathLike | list | tuple):
            array = np.asarray(images)
            array = array[..., None] if array.ndim == 3 and shape[-1] == 1 else array
            if array.shape[1:] != shape or array.dtype != np.uint8:
                raise ValueError(
                    f"expected uint8 images of the shape (n, {', '.join(map(str, shape))}). "
                    f"Received: {array.dtype} {array.shape}"
                )
            return list(range(len(array))), 255 - array if invert else array
        paths = [images] if isinstance(images, str | os.PathLike) else list(images)
        names = [str(path) for path in paths]
        if len(names) == 1 and Path(names[0]).is_dir():
            names = [str(path) for path in sorted(Path(names[0]).iterdir()) if path.is_file()]
        if not names:
            raise ValueError(f"expected pictures. Received: {images}, without any")
        pixels, failures = read_pictures(names, self.source.dataset, invert)
        if failures:
            raise ValueError("; ".join(failures))
        return names, pixels
