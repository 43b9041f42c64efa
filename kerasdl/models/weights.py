"""Weights of a base: where they are, and reading them from a file that anyone may have written."""

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from kerasdl.models import bases, downloads, hdf5, preprocessing, weights_file

IMAGENET, RANDOM = "imagenet", "random"
SUFFIXES = (".h5", ".hdf5", ".keras")
DATA_VARIABLE = "KERASDL_DATA"


def resolve(
    weights: str,
    base: str,
    folders: Iterable[str | os.PathLike[str]] = (),
    *,
    download: bool = True,
) -> Path | None:
    """Find the file of weights that a setting means.

    Args:
        weights: "random"; "imagenet", for Keras's file without the top, or one of the same stem
            that ends in .weights.h5 or .keras, in `weights/` of a folder of data, else in Keras's
            own folder where it is whole, else fetched into that; a file in one of Keras's formats;
            or a run's folder, for the lowest seed's model in it that has this base.
        base: one of `bases.names()`.
        folders: more folders of data, looked at before the one that KERASDL_DATA names.
        download: whether to fetch Keras's file where it is not here.

    Returns:
        The file, or None for random weights.

    Raises:
        ValueError: there is no such base, or the file or folder is no possible one.
        FileNotFoundError: there is no such file, or it cannot be fetched; the message names the
            file and where to put it.
    """
    known = bases.get(base)
    if weights == RANDOM:
        return None
    if weights == IMAGENET:
        return _imagenet(known, folders, download)
    path = Path(weights).expanduser()
    if not weights or not path.exists():
        raise FileNotFoundError(
            f'`weights` must be "{IMAGENET}", "{RANDOM}", a file of weights or a folder of a run. '
            f"Received: {weights!r}, no such file or folder."
        )
    if path.is_dir():
        return _of_run(path, known)
    if path.suffix not in SUFFIXES:
        raise ValueError(f"A file of weights ends in {', '.join(SUFFIXES)}. Received: {weights!r}.")
    return path


def _imagenet(base: bases.Base, folders: Iterable[str | os.PathLike[str]], download: bool) -> Path:
    named = [*folders, *filter(None, [os.environ.get(DATA_VARIABLE)])]
    places = [Path(folder).expanduser() / "weights" for folder in named]
    cache = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras").expanduser() / "models"
    stem = base.weights_file.removesuffix(".h5")
    files = (base.weights_file, f"{stem}.weights.h5", f"{stem}.keras")
    kept, cut_off = cache / base.weights_file, ""
    for place in (*places, cache):
        for file in files:
            path = place / file
            if not path.is_file():
                continue
            # Keras fetches under the final name: of a killed download, half stays.
            if path == kept and not downloads.is_whole(path, base.checksum):
                cut_off = f"{path} is not that file, by its checksum: delete it. "
                continue
            return path
    reason = "it was not asked for"
    if download:
        try:
            return downloads.fetched(base.weights_file, base.url, base.checksum, cache)
        # Keras raises a bare Exception where the network fails.
        except Exception as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            reason = reason.removeprefix(f"URL fetch failure on {base.url}: ")
            # The number of the error, which Keras says also where there is none.
            reason = reason.removeprefix("None -- ").rstrip(".")
    first = places[0] if places else f"the folder weights/ in the one that {DATA_VARIABLE} names"
    raise FileNotFoundError(
        f"no ImageNet weights of {base.title} here, and {base.url} was not fetched: {reason}. "
        f"{cut_off}Put the file {base.weights_file} (or {stem}.weights.h5) into {first}, or into "
        f"{cache}; or train all of it from a random start: --arms scratch at the command line, "
        f'weights="{RANDOM}" and freeze="none" in Python.'
    )


def _of_run(folder: Path, base: bases.Base) -> Path:
    found: dict[str, list[tuple[int, Path]]] = {}
    others = set()
    for path in sorted((folder / "models").glob("*.keras")):
        if path.name.startswith("."):
            continue  # half-written
        inside = weights_file.base_inside(path)
        if inside and inside[0] == base.layer_name:
            named = re.fullmatch(r"(.*)-seed(\d+)", path.stem)
            name, seed = (named[1], int(named[2])) if named else (path.stem, 0)
            found.setdefault(name, []).append((seed, path))
        else:
            others.add(path.stem)
    if not found:
        listed = f" It has: {', '.join(sorted(others))}." if others else " It has no models."
        raise ValueError(
            f"`weights` must be the run of a model with the base {base.name}. "
            f"Received: {folder}.{listed}"
        )
    if len(found) > 1:
        raise ValueError(
            f"{folder} has several models with the base {base.name}: {', '.join(found)}. Give the "
            f"file of one of them, such as {min(next(iter(found.values())))[1]}."
        )
    (files,) = found.values()
    return min(files)[1]


def load(model: keras.Model, path: Path, base: str, *, until: keras.Model | None = None) -> None:
    """Read weights of a base from a file into a model, all or none.

    Args:
        model: the whole base, of `base_model`.
        path: a file, as `resolve` returns it.
        base: one of `bases.names()`.
        until: the part of the model whose layers must be in the file and are read, sharing them
            with it; None for all.

    Raises:
        ValueError: the file is none of Keras's formats or damaged, points outside itself, holds
            another architecture (the message names the first layer that differs), or values that
            are not finite.
    """
    known = bases.get(base)
    wanted = {id(weight) for weight in (until or model).weights}
    values: list[tuple[Any, NDArray[np.float32]]] = []
    prefix = ""
    if path.suffix == ".keras":
        model, prefix = _saved(model, path, known)
    with weights_file.opened(path) as file:
        old = weights_file.old_layers(file) if not prefix else None
        if old is not None:
            pairs = _old_pairs(file, old, model, known)
        else:
            pairs = _new_pairs(file, model, prefix, known)
        for dataset, weight in pairs:
            if id(weight) in wanted:
                values.append((weight, file.read(dataset, weight.shape)))
    missing = wanted - {id(weight) for weight, _ in values}
    if missing:
        last = (until or model).layers[-1].name
        raise ValueError(
            f"{path} holds {known.name} up to {model.layers[-1].name} only, and the features are "
            f"to be those of {last}."
        )
    for weight, value in values:
        weight.assign(value)


def _saved(model: keras.Model, path: Path, base: bases.Base) -> tuple[keras.Model, str]:
    """Return the part of the base that a .keras file holds, and where it is in the file."""
    inside = weights_file.base_inside(path)
    name, last, prefix = inside or ("another model", "", "")
    by_name = {layer.name: layer for layer in model.layers}
    if inside and not prefix and last not in by_name:
        # Keras's own model, whose last layer may have a number for a name, or another architecture.
        return model, prefix
    if (prefix and name != base.layer_name) or last not in by_name:
        raise ValueError(
            f"{path} holds no model with the base {base.name}. Received: one of {name!r}."
        )
    return keras.Model(model.input, by_name[last].output), prefix


def _new_pairs(
    file: hdf5.File, model: keras.Model, prefix: str, base: bases.Base
) -> list[tuple[str, Any]]:
    found = []
    for name, weights in weights_file.new_layout(model, prefix):
        for dataset, weight in weights:
            if dataset not in file.datasets:
                raise _differs(file, base, name, f"none at {dataset}", [weight.shape])
            if file.datasets[dataset].shape != tuple(weight.shape):
                shape = file.datasets[dataset].shape
                raise _differs(file, base, name, f"{shape} at {dataset}", [weight.shape])
            found.append((dataset, weight))
    known = {dataset for dataset, _ in found}
    for dataset in file.datasets:
        if not dataset.startswith(f"{prefix}layers/") or dataset in known:
            continue
        if base.preprocessing == "efficientnet" and "/normalization/" in dataset:
            _check_normalization(file, base, dataset, int(dataset.rpartition("/")[2]))
        elif "/seed_generator/" not in dataset:
            raise _differs(file, base, dataset, str(file.datasets[dataset].shape), [])
    return found


def _old_pairs(
    file: hdf5.File, old: list[tuple[str, list[str]]], model: keras.Model, base: bases.Base
) -> list[tuple[str, Any]]:
    found = []
    if base.preprocessing == "efficientnet" and old and old[0][0].startswith("normalization"):
        for number, dataset in enumerate(old.pop(0)[1]):
            _check_normalization(file, base, dataset, number)
    layers = [layer for layer in model.layers if layer.weights]
    for number, layer in enumerate(layers):
        expected = weights_file.old_weights(layer)
        shapes = [tuple(weight.shape) for weight in expected]
        name, datasets = old[number] if number < len(old) else ("", [])
        received = [file.datasets[dataset].shape for dataset in datasets]
        if received != shapes:
            what = f"{received} in its layer {name}" if name else "no more layers"
            raise _differs(file, base, layer.name, what, shapes)
        found += list(zip(datasets, expected, strict=True))
    if len(old) > len(layers):
        raise _differs(file, base, old[len(layers)][0], "one more layer", [])
    return found


def _differs(
    file: hdf5.File, base: bases.Base, layer: str, received: str, expected: Sequence[Any]
) -> ValueError:
    shapes = ", ".join(str(tuple(shape)) for shape in expected) or "nothing"
    return file.error(
        f"it holds another architecture than {base.name} without its top "
        f"({base.weights_file} is Keras's file). First difference at {layer}: expected {shapes}. "
        f"Received: {received}"
    )


def _check_normalization(file: hdf5.File, base: bases.Base, dataset: str, number: int) -> None:
    """Refuse weights that were trained behind another preprocessing than the model's."""
    if number > 1:
        return  # how many images the two were measured on
    expected = (preprocessing.MEAN, preprocessing.DEVIATION)[number]
    if not np.allclose(file.read(dataset, (3,)), expected, atol=1e-3):
        raise file.error(
            f"its {base.name} normalises pixels by other numbers than ImageNet's, {expected}, "
            f"at {dataset}"
        )


def identity(model: keras.Model) -> str:
    """Return a digest of the numbers in a model's weights, however they were stored.

    Args:
        model: a base up to its cut, as `transfer.base_of` returns it.

    Returns:
        SHA-256 of the shapes and the float32 values, in the order of the layers, as 64 hexadecimal
        digits.
    """
    digest = hashlib.sha256()
    for weight in model.weights:
        value = np.asarray(keras.ops.convert_to_numpy(weight), dtype="<f4")
        digest.update(repr(value.shape).encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()


def check_identity(model: keras.Model, expected: str, path: Path | None) -> None:
    """Check a model's weights against the digest that a recipe states.

    Args:
        model: as for `identity`.
        expected: what `identity` must return; "" for any.
        path: where the weights came from, for the message.

    Raises:
        ValueError: they are others.
    """
    if expected and (found := identity(model)) != expected:
        raise ValueError(
            f"`weights_sha256` must be that of the weights. Expected: {expected}. Received: "
            f"{found}, from {path or 'a random start'}. Take the file that the recipe was run with."
        )
