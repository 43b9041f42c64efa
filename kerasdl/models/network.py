"""What is known of a network without building it."""

import ast
import importlib
import importlib.util
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Network:
    """What is known of a network without building it.

    Args:
        name: name on the command line and in results.
        title: name in tables and plots.
        function: "module:function" that builds it.
        source: authors, title, venue, year and place in the paper.
        published_parameters: trainable parameters printed or counted elsewhere, for 3 channels and
            10 classes, which this implementation must have too; None where there is no such figure.
        published_in: where that figure comes from.
        depthwise: whether it has depthwise convolutions, which processors compute fast in float32
            only.
        convolutions: whether it has convolutions at all.
        listed: settings that it is listed with where its own defaults need files that may not be
            at hand.
    """

    name: str
    title: str
    function: str
    source: str
    published_parameters: int | None = None
    published_in: str | None = None
    depthwise: bool = False
    convolutions: bool = True
    listed: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def load(self) -> Callable[..., "keras.Model"]:
        """Import and return the function that builds the network (imports Keras)."""
        module, function = self.function.split(":")
        loaded: Callable[..., keras.Model] = getattr(importlib.import_module(module), function)
        return loaded

    def setting_names(self) -> tuple[str, ...]:
        """Names of the settings, read from the function's source: imports no Keras."""
        module, function = self.function.split(":")
        spec = importlib.util.find_spec(module)
        source = Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""
        for node in ast.parse(source).body:
            if isinstance(node, ast.FunctionDef) and node.name == function:
                named = [*node.args.args, *node.args.kwonlyargs]
                return tuple(argument.arg for argument in named[2:])
        raise ValueError(f"expected a function {function} in {module}. Received: none such")

    def settings(self) -> dict[str, Any]:
        """Name and default of each setting that the network has (imports Keras)."""
        # The first two parameters are input_shape and num_classes.
        parameters = list(inspect.signature(self.load()).parameters.values())[2:]
        return {parameter.name: parameter.default for parameter in parameters}
