"""Reading a saved model, whoever wrote it: nothing in the file is run."""

import importlib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from kerasdl.models import registry
from kerasdl.quiet import quiet_start

if TYPE_CHECKING:
    import keras


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
        for module in ("kerasdl.models.labels", *sorted(modules)):
            importlib.import_module(module)
        try:
            return keras.saving.load_model(path, compile=False, safe_mode=True)
        # Keras answers a damaged file with whatever its parts raise.
        except Exception as error:
            failure = (str(error).strip() or type(error).__name__).splitlines()[0]
    raise ValueError(f"{path} is no Keras model that can be read: {failure}")
