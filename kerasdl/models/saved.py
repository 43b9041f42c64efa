"""Saving a model for everyone, and reading one, whoever wrote it: nothing in the file is run.

A saved model is one of Keras's own layers, which plain Keras loads and saves again. Beside Keras's
parts, the file has `kerasdl.json` with the names of the classes, which Keras passes over.
"""

import importlib
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kerasdl.models import registry
from kerasdl.quiet import quiet_start

if TYPE_CHECKING:
    import keras


OURS = "kerasdl.json"


def save(model: "keras.Model", path: Path, class_names: Sequence[str]) -> None:
    """Writes a trained model as a .keras file that loads without this package.

    Args:
        model: The model; it is no longer compiled afterwards, and neither is what is saved: an
            optimizer is up to three times the weights.
        path: The file.
        class_names: One name for each output, in the order of the labels.

    Raises:
        ValueError: If the number of names is not that of the outputs.
        OSError: If it cannot be written.
    """
    from kerasdl.models.ordinary import ordinary

    if model.output_shape[-1] != len(class_names):
        raise ValueError(
            f"expected {model.output_shape[-1]} class names, one for each output. "
            f"Received: {len(class_names)}"
        )
    model.compiled, model.optimizer = False, None
    ordinary(model).save(path)
    text = json.dumps({"class_names": list(class_names)}, ensure_ascii=False)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(zipfile.ZipInfo(OURS), text)


def class_names(path: Path) -> tuple[str, ...] | None:
    """Returns the names of the classes that a file of `save` has; None for a file of others.

    Raises:
        ValueError: If what stands there is no list of names.
    """
    with zipfile.ZipFile(path) as archive:
        if OURS not in archive.namelist():
            return None
        try:
            names = json.loads(archive.read(OURS))["class_names"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"{path}: {OURS} cannot be read: {error!r}") from None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{path}: expected a list of names in {OURS}. Received: {names!r:.80}")
    return tuple(names)


def load(path: Path) -> "keras.Model":
    """Returns a saved model, not compiled.

    Args:
        path: A .keras file, with layers of Keras and of ours.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If Keras cannot read it.
    """
    if not path.is_file():
        raise FileNotFoundError(f"expected a saved Keras model. Received: {path}, no such file")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"expected a .keras file, which is a zip archive. Received: {path}")
    failure = ""
    with quiet_start():
        import keras

        # Layers of ours are known to Keras once their modules are imported.
        modules = {registry.get(name).function.split(":")[0] for name in registry.names()}
        for module in ("kerasdl.models.old_files", *sorted(modules)):
            importlib.import_module(module)
        try:
            return keras.saving.load_model(path, compile=False, safe_mode=True)
        # Keras answers a damaged file with whatever its parts raise.
        except Exception as error:
            failure = (str(error).strip() or type(error).__name__).splitlines()[0]
    raise ValueError(f"{path} is no Keras model that can be read: {failure}")
