"""What a model takes and returns, read from the server's listing, metadata and answers."""

import math
from typing import Any, NamedTuple

_FLOATS = ("DT_FLOAT", "DT_HALF", "DT_BFLOAT16")


class Input(NamedTuple):
    """A signature that takes one image.

    Args:
        signature: Its name.
        name: The name of its input.
        shape: Height, width and channels (1 or 3) of pixels; None for encoded images.
        flat: Whether gray pixels come without a dimension of channels.
        floating: Whether pixels are floating-point numbers.
    """

    signature: str
    name: str
    shape: tuple[int, int, int] | None = None
    flat: bool = False
    floating: bool = False


class Answer(NamedTuple):
    """What a model said of one image.

    Args:
        best: The class, a number.
        label: Its name; None when the model gives none.
        chances: A probability for each class.
    """

    best: int
    label: str | None
    chances: list[float]


def choose(listing: Any) -> str:
    """Returns the name of the only model that is served.

    Args:
        listing: What the server answers to GET /v1/models.

    Raises:
        ValueError: If there are others, or none.
    """
    names = [one["name"] for one in listing["models"] if one["default_version"] is not None]
    if len(names) != 1:
        found = ", ".join(names) if names else "none"
        raise ValueError(f"expected one model on the server, or --model NAME. Received: {found}")
    return str(names[0])


def class_names(listing: Any, model: str, version: int | None) -> dict[int, str]:
    """Returns the names of a version's classes by their number; {} when they are not listed.

    Args:
        listing: What the server answers to GET /v1/models; anything of a server that is not
            kerasdl's.
        model: The model's name.
        version: The version; None for the one that answers by default.
    """
    try:
        [its] = [one for one in listing["models"] if one["name"] == model]
        number = its["default_version"] if version is None else str(version)
        [its] = [one for one in its["versions"] if one["version"] == number]
        return {place: str(name) for place, name in enumerate(its["class_names"])}
    except (KeyError, TypeError, ValueError):
        return {}


def image_input(metadata: Any, model: str) -> Input:
    """Returns how to send an image: encoded where the model decodes it, else its pixels.

    Args:
        metadata: What the server answers to GET …/metadata.
        model: The model's name, for messages.

    Raises:
        ValueError: If no signature takes images.
    """
    definitions = metadata["metadata"]["signature_def"]["signature_def"]
    found = []
    for name in sorted(definitions, key=lambda name: name != "serving_default"):
        inputs = definitions[name].get("inputs", {})
        if len(inputs) == 1:
            [(key, tensor)] = inputs.items()
            found.append(_read_input(name, key, tensor))
    usable = [one for one in found if one is not None]
    if not usable:
        raise ValueError(
            f"{model} has no signature for images: expected one with one input, encoded images "
            f"or (n, height, width, 1 or 3) of a fixed size. Received: {', '.join(definitions)}"
        )
    return min(usable, key=lambda one: one.shape is not None)


def _read_input(signature: str, name: str, tensor: Any) -> Input | None:
    dtype = tensor["dtype"]
    if dtype == "DT_STRING":
        # Other strings are tf.Examples.
        image = any(word in signature + name for word in ("image", "bytes", "b64"))
        return Input(signature, name) if image else None
    sizes = [int(dim["size"]) for dim in tensor.get("tensor_shape", {}).get("dim", [])]
    if dtype not in ("DT_UINT8", "DT_INT32", *_FLOATS) or len(sizes) not in (3, 4):
        return None
    rows, height, width, channels = (*sizes, 1)[:4]
    if rows not in (-1, 1) or min(height, width) < 2 or channels not in (1, 3):
        return None
    return Input(signature, name, (height, width, channels), len(sizes) == 3, dtype in _FLOATS)


def read_answer(prediction: Any) -> Answer:
    """Reads one row of `predictions`: an object of outputs, or the only output itself.

    Scores that are no probabilities become some by a softmax.

    Raises:
        ConnectionError: If it has no numbers for two or more classes.
    """
    outputs = prediction if isinstance(prediction, dict) else {"scores": prediction}
    candidates = [outputs.get("probabilities"), *outputs.values()]
    scores = next((one for one in candidates if _is_vector(one)), None)
    if scores is None:
        raise ConnectionError("the model's answer has no numbers for two or more classes")
    if min(scores) < 0 or not abs(sum(scores) - 1) < 0.01:
        most = max(scores)
        powers = [math.exp(score - most) for score in scores]
        scores = [power / sum(powers) for power in powers]
    best, label = outputs.get("classes"), outputs.get("labels")
    if type(best) is not int or not 0 <= best < len(scores):
        best = max(range(len(scores)), key=scores.__getitem__)
    return Answer(best, label if isinstance(label, str) else None, scores)


def _is_vector(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) > 1
        and all(type(one) in (int, float) and math.isfinite(one) for one in value)
    )
