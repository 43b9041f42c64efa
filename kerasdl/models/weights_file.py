"""Where each array of a base is in a file of weights, in the formats that Keras writes.

- `.h5`, as `keras.applications` publishes them: layers and their weights by name, in the order of
  the model that wrote them.
- `.weights.h5`: layers by their kind and number.
- `.keras`: an archive with the same inside; the base may be a layer of the model in it. Nothing of
  its configuration is built: only the names of the base and of its last layer are looked up.
"""

import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras

from kerasdl.models import hdf5

WEIGHTS, CONFIG = "model.weights.h5", "config.json"
MODEL_KINDS = ("Functional", "PretrainedBase")
# Keras's own networks have less than 1 MB of it.
MAX_CONFIG_BYTES = 8 << 20
# Keras stores without compression; another program that packs it again gains little on weights.
MAX_EXPANSION = 20
# The other methods unpack as much as there is, however little is asked for.
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
PIECE_BYTES = 1 << 20


def base_inside(path: Path) -> tuple[str, str, str] | None:
    """Finds the base in a .keras file without building anything.

    Args:
        path: A .keras file.

    Returns:
        The base's name, the name of its last layer, and where its weights are in the HDF5 file
        inside; None where the model in it is of another kind.

    Raises:
        ValueError: If it is no .keras file.
    """
    with _archive(path) as archive:
        content = _member(archive, CONFIG, path, MAX_CONFIG_BYTES).getvalue()
    try:
        config = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError(f"{path} is no Keras model: its {CONFIG} is no JSON") from None
    try:
        inner = [
            layer for layer in config["config"]["layers"] if layer["class_name"] in MODEL_KINDS
        ]
        if not inner:
            return _name(config["config"]), _last(config["config"]), ""
        if len(inner) == 1:
            found = inner[0]["config"]
            kind = _snake_case(inner[0]["class_name"])
            return _name(found), _last(found), f"layers/{kind}/"
    except (KeyError, IndexError, TypeError, AttributeError):
        pass
    return None


def _name(config: dict[str, Any]) -> str:
    return str(config["name"])


def _last(config: dict[str, Any]) -> str:
    ends = config["output_layers"]
    return str(ends[0] if isinstance(ends[0], str) else ends[0][0])


@contextmanager
def opened(path: Path) -> Iterator[hdf5.File]:
    """Opens the HDF5 file that `path` is, or that is inside it.

    Raises:
        ValueError: If it is none, is cut off, or points outside itself.
    """
    if path.suffix != ".keras":
        with hdf5.opened(path) as file:
            yield file
        return
    with _archive(path) as archive:
        content = _member(archive, WEIGHTS, path)
    with hdf5.opened(path, content) as file:
        yield file


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise ValueError(f"{path} is no .keras file, which is a zip archive: {error}") from None
    with archive:
        yield archive


def _member(
    archive: zipfile.ZipFile, name: str, path: Path, limit: int | None = None
) -> io.BytesIO:
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise ValueError(f"{path} is no Keras model: it has no {name} inside") from None
    if info.compress_type not in METHODS:
        raise ValueError(f"{path} is not read: {name} in it is compressed other than by deflate")
    # Both sizes are claims: the packed one cannot be more than the whole file.
    packed = min(info.compress_size, path.stat().st_size)
    most = packed * MAX_EXPANSION if limit is None else limit
    if info.file_size > most:
        raise ValueError(
            f"{path} is not read: {name} in it claims {info.file_size:,} bytes, "
            f"more than the {most:,} that are possible"
        )
    try:
        content = _unpacked(archive, info)
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError) as error:
        raise ValueError(f"{path} is damaged: {name} in it: {error}") from None
    except zlib.error as error:
        raise ValueError(f"{path} is damaged: {name} in it: {error}") from None
    if (length := content.seek(0, io.SEEK_END)) != info.file_size:
        raise ValueError(
            f"{path} is damaged: {name} in it claims {info.file_size:,} bytes and has {length:,}"
        )
    content.seek(0)
    return content


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> io.BytesIO:
    """Reads in pieces: at once, all would be unpacked before it is cut to the size it claims."""
    content = io.BytesIO()
    with archive.open(info) as stream:
        while piece := stream.read(PIECE_BYTES):
            content.write(piece)
    return content


def new_layout(model: keras.Model, prefix: str = "") -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """Yields where the weights of each layer are in Keras 3's format.

    Args:
        model: The model that was saved, or one built like it.
        prefix: Where it is in the file: "", or a path that ends in a slash.

    Yields:
        The layer's name, and for each of its weights the path of the dataset and the variable.
        Layers without weights are left out.
    """
    used: dict[str, int] = {}
    for layer in model.layers:
        kind = _snake_case(type(layer).__name__)
        number = used.get(kind, 0)
        used[kind] = number + 1
        path = f"{prefix}layers/{kind}{f'_{number}' if number else ''}"
        if isinstance(layer, keras.Model):
            yield from new_layout(layer, f"{path}/")
        elif layer.weights:
            yield (
                layer.name,
                [(f"{path}/vars/{index}", weight) for index, weight in enumerate(layer.weights)],
            )


def old_layers(file: hdf5.File) -> list[tuple[str, list[str]]] | None:
    """Lists the layers of a file in Keras's older format.

    Args:
        file: The open file.

    Returns:
        Each layer's name and the paths of its datasets, without layers that have none; None where
        the file is of another format.

    Raises:
        ValueError: If a name in it leads nowhere.
    """
    root = "model_weights" if "model_weights" in file.groups else ""
    names = file.names(root, "layer_names")
    if names is None:
        return None
    found = []
    for name in names:
        group = f"{root}/{name}" if root else name
        if group not in file.groups:
            raise file.error(f"the layer {name} that it lists is not in it")
        paths = [f"{group}/{weight}" for weight in file.names(group, "weight_names") or []]
        for path in paths:
            if path not in file.datasets:
                raise file.error(f"the weights {path} that it lists are not in it")
        if paths:
            found.append((name, paths))
    return found


def old_weights(layer: keras.Layer) -> list[Any]:
    """Returns a layer's weights in the order of Keras's older format."""
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def _snake_case(name: str) -> str:
    """Names a kind of layer as Keras's files do: DepthwiseConv2D is depthwise_conv2d."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
