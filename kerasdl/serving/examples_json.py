"""The classify and regress APIs: tf.Examples out of JSON, labels and scores as JSON.

Follows TensorFlow Serving's util/json_tensor.cc and servables/tensorflow/classifier.cc and
regressor.cc.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerasdl.serving.errors import Failure, invalid
from kerasdl.serving.exact_json import is_base64, plain_bytes, quoted, type_name
from kerasdl.serving.signatures import Array, Arrays, Signature

INPUTS, CLASSES, SCORES, OUTPUTS = "inputs", "classes", "scores", "outputs"
_MOST = 2**63


def read_examples(document: Mapping[str, Any]) -> list[bytes]:
    """Returns the serialised tf.Examples of a classify or regress request.

    Args:
        document: The JSON object of the request.

    Raises:
        Failure: As upstream does.
    """
    context = b""
    if "context" in document:
        context = _example(document["context"])
    shown = f"JSON Value: {quoted(document)} "
    if "examples" not in document:
        raise invalid(
            shown, "When method is classify, key 'examples' is expected and was not found"
        )
    examples = document["examples"]
    if not isinstance(examples, list):
        raise invalid(shown, "Expecting 'examples' value to be an list/array")
    if not examples:
        raise invalid(shown, "'examples' value is an empty array")
    # Two protobuf messages one after the other are their union.
    return [context + _example(example) for example in examples]


def examples_input(signature: Signature, examples: Sequence[bytes], method: str) -> Arrays:
    """Returns the inputs of a signature that takes tf.Examples.

    Args:
        signature: The signature.
        examples: Serialised tf.Examples.
        method: "classify" or "regress".

    Raises:
        Failure: If the signature is not for that method.
    """
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    kind = "classification" if method == "classify" else "regression"
    many = len(signature.outputs)
    if method == "classify" and many not in (1, 2):
        raise invalid(f"Expected one or two output Tensors, found {many}")
    if method == "regress" and many != 1:
        raise invalid("Expected one output Tensor.")
    if INPUTS not in signature.inputs:
        raise invalid(f"No {kind} inputs found in SignatureDef: {signature.name}")
    if method == "classify" and not {CLASSES, SCORES} & signature.outputs.keys():
        raise invalid(
            "Expected classification signature outputs to contain at least one of "
            f'"{CLASSES}" or "{SCORES}". Signature was: {signature.name}'
        )
    if method == "regress" and OUTPUTS not in signature.outputs:
        raise invalid(f"No regression outputs found in SignatureDef: {signature.name}")
    array = np.empty(len(examples), object)
    array[:] = examples
    return {INPUTS: array}


def check_classes(outputs: Mapping[str, Array], count: int) -> tuple[Array | None, Array | None]:
    """Returns labels and scores of a classification, each of shape (examples, classes).

    Raises:
        Failure: If they are of another shape or type.
    """
    classes, scores = outputs.get(CLASSES), outputs.get(SCORES)
    for name, array, dtype in ((CLASSES, classes, object), (SCORES, scores, np.float32)):
        if array is None:
            continue
        if array.ndim != 2:
            raise invalid(
                f"Expected Tensor shape: [batch_size num_classes] but got {list(array.shape)}"
            )
        if array.dtype != dtype:
            wanted = "DT_STRING" if dtype is object else "DT_FLOAT"
            raise invalid(f"Expected {name} Tensor of {wanted}. Got: {array.dtype}")
        if len(array) != count:
            raise invalid(f"Expected {name} output batch size of {count}. Got: {len(array)}")
    if classes is not None and scores is not None and classes.shape != scores.shape:
        raise invalid(
            "Tensors class and score should match in dim_size(1). Got "
            f"{classes.shape[1]} vs. {scores.shape[1]}"
        )
    return classes, scores


def check_values(outputs: Mapping[str, Array], count: int) -> Array:
    """Returns one number for each example.

    Raises:
        Failure: If the output is not (examples,) or (examples, 1) of floats.
    """
    array = outputs[OUTPUTS]
    if not (array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1)):
        raise invalid(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] "
            f"but got {list(array.shape)}"
        )
    if len(array) != count:
        raise invalid(f"Input batch size did not match output batch size: {count} vs. {len(array)}")
    if array.dtype != np.float32:
        raise invalid(f"Expected output Tensor of DT_FLOAT.  Got: {array.dtype}")
    return array.ravel()


def _example(value: Any) -> bytes:
    import tensorflow as tf

    if not isinstance(value, dict):
        raise invalid(f"Example must be JSON object but got JSON {type_name(value)}")
    example = tf.train.Example()
    for name, content in value.items():
        feature = example.features.feature[name]
        for item in content if isinstance(content, list) else [content]:
            _add(feature, name, item)
    return bytes(example.SerializeToString())


def _add(feature: Any, name: str, value: Any) -> None:
    if isinstance(value, bool):
        _list(feature, name, "int64").append(int(value))
    elif isinstance(value, int):
        if not -_MOST <= value < _MOST:
            raise invalid(f"Feature: {name} has uint64 element. Only int64_t is supported.")
        _list(feature, name, "int64").append(value)
    elif isinstance(value, float):
        with np.errstate(over="ignore"):
            _list(feature, name, "float").append(float(np.float32(value)))
    elif isinstance(value, str) or is_base64(value):
        content = plain_bytes(value)
        _list(feature, name, "bytes").append(content)
    else:
        raise invalid(f"Feature: {name} has element with unexpected JSON type: {type_name(value)}")


def _list(feature: Any, name: str, kind: str) -> Any:
    """Returns the feature's values if they are of that kind, or there are none yet."""
    have = feature.WhichOneof("kind")
    if have not in (None, f"{kind}_list"):
        raise Failure(
            "INVALID_ARGUMENT",
            f"Unexpected element type in feature: {name} expecting type: "
            f"{have.removesuffix('_list')}",
        )
    return getattr(feature, f"{kind}_list").value
