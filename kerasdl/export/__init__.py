"""Export of trained models: SavedModel, other formats, and what must be true before one leaves.

The package has the name of the function `kerasdl.export`, and Python puts a package in its
parent's place of that name once it is imported. So the package can be called: it is that function.
"""

import importlib
import sys
import types
from typing import Any


class _Package(types.ModuleType):
    """The package, which can be called as `kerasdl.export`."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Exports a model; see `kerasdl.face.functions.export`."""
        # By its name: it stands above this package.
        function = importlib.import_module("kerasdl.face.functions").export
        return function(*arguments, **options)


sys.modules[__name__].__class__ = _Package
