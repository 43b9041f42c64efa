"""One signature of a loaded model: what it takes, checked, and the call itself."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kerasdl.serving import dtypes
from kerasdl.serving.errors import Failure, invalid
from kerasdl.serving.images import check_images

Array = npt.NDArray[Any]
Arrays = dict[str, Array]
Shape = tuple[int | None, ...]

DEFAULT = "serving_default"
INITIALISER = "__saved_model_init_op"


class Spec(NamedTuple):
    """A named tensor of a signature: its type, and its shape with None for what is open.

    A shape of None leaves even the number of dimensions open.
    """

    name: str
    dtype: dtypes.DType
    shape: Shape | None

    @property
    def batched(self) -> bool:
        """Whether the first dimension is open, as that of examples is."""
        return bool(self.shape) and self.shape is not None and self.shape[0] is None

    def accepts(self, shape: tuple[int, ...]) -> bool:
        """Says whether an array of that shape fits."""
        return self.shape is None or (
            len(shape) == len(self.shape)
            and all(want in (None, got) for want, got in zip(self.shape, shape, strict=True))
        )


class Signature:
    """A signature of a loaded model.

    Args:
        name: As requests call it.
        definition: Its SignatureDef.
        function: What TensorFlow loaded for it: takes and returns tensors by name.
    """

    def __init__(self, name: str, definition: Any, function: Callable[..., Any]) -> None:
        import tensorflow as tf

        self.name = name
        self.definition = definition
        self.method: str = definition.method_name
        self.inputs = _specs(definition.inputs)
        self.outputs = _specs(definition.outputs)
        self.defaults = {key: tf.make_ndarray(value) for key, value in definition.defaults.items()}
        # Rows of several requests go through one call only where every tensor has rows.
        self.batchable = bool(self.inputs) and all(
            spec.batched for spec in (*self.inputs.values(), *self.outputs.values())
        )
        self._function = function
        self._constant = tf.constant

    def check(self, arrays: Mapping[str, Array], max_pixels: int) -> tuple[Arrays, int, int]:
        """Checks the inputs of one request against the signature.

        TensorFlow's own check of a loaded signature leaves static dimensions out, so it is
        made here.

        Args:
            arrays: The inputs by name.
            max_pixels: The most pixels that encoded images among them may announce.

        Returns:
            The inputs in the signature's order, the number of examples (1 where requests
            are not batched), and the pixels of encoded images.

        Raises:
            Failure: If an input is missing, unknown, or of another type or shape.
        """
        given = {**self.defaults, **arrays}
        if given.keys() != self.inputs.keys():
            extra = ",".join(sorted(given.keys() - self.inputs.keys()))
            missing = ",".join(sorted(self.inputs.keys() - given.keys()))
            raise invalid(
                f"input size does not match signature: {len(arrays)}!={len(self.inputs)}. "
                f"Sent extra: {{{extra}}}. Missing but required: {{{missing}}}."
            )
        examples, pixels = -1, 0
        checked: Arrays = {}
        for name, spec in self.inputs.items():
            array = given[name]
            if array.dtype != spec.dtype.numpy:
                got = dtypes.from_array(array)
                raise invalid(
                    f"input '{name}' expects type {spec.dtype.name}. "
                    f"Received: {got.name if got else array.dtype}"
                )
            if not spec.accepts(array.shape):
                raise invalid(
                    f"input '{name}' expects shape {shown(spec.shape)}. "
                    f"Received: {shown(array.shape)}"
                )
            if spec.dtype.kind == "string":
                pixels += check_images(array, max_pixels - pixels)
            if self.batchable:
                if examples not in (-1, len(array)):
                    raise invalid(
                        f"input '{name}' has {len(array)} examples, another has {examples}; "
                        "all inputs of this signature need the same first dimension"
                    )
                examples = len(array)
            checked[name] = array
        return checked, (examples if self.batchable else 1), pixels

    def run(self, arrays: Mapping[str, Array]) -> Arrays:
        """Calls the model with checked inputs; returns its outputs by name."""
        tensors = {name: self._constant(array) for name, array in arrays.items()}
        outputs = self._function(**tensors)
        return {
            # A single string comes as bytes, which NumPy would take for characters.
            name: np.asarray(outputs[name].numpy(), object if spec.dtype.kind == "string" else None)
            for name, spec in self.outputs.items()
        }

    def blank(self, examples: int) -> Arrays | None:
        """Returns zeros that the signature accepts, or None where only it knows what fits."""
        zeros: Arrays = {}
        for name, spec in self.inputs.items():
            if spec.dtype.kind in ("string", "") or not spec.batched or spec.shape is None:
                return None
            if None in spec.shape[1:]:
                return None
            zeros[name] = np.zeros(
                (examples, *(size or 0 for size in spec.shape[1:])), spec.dtype.numpy
            )
        return zeros

    def usable(self) -> None:
        """Raises a failure if requests cannot carry what the signature takes or returns."""
        for spec in (*self.inputs.values(), *self.outputs.values()):
            if spec.dtype.numpy is None:
                raise Failure(
                    "UNIMPLEMENTED",
                    f"signature '{self.name}' has a tensor of {spec.dtype.name}, "
                    "which no request can carry",
                )


def shown(shape: tuple[int | None, ...] | None) -> str:
    """Returns a shape as messages print it, e.g. "(?,32,32,3)"."""
    if shape is None:
        return "(any)"
    return "(" + ",".join("?" if size is None else str(size) for size in shape) + ")"


def _specs(infos: Mapping[str, Any]) -> dict[str, Spec]:
    specs: dict[str, Spec] = {}
    for name in sorted(infos):
        info = infos[name]
        shape: Shape | None = None
        if not info.tensor_shape.unknown_rank:
            shape = tuple(None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim)
        # Sparse and composite tensors have no single array that could be sent.
        dtype = dtypes.from_number(info.dtype if info.WhichOneof("encoding") == "name" else 0)
        specs[name] = Spec(name, dtype, shape)
    return specs
