"""kerasdl: a small-image-classification laboratory on Keras and TensorFlow.

>>> import kerasdl as kd
>>> run = kd.compare("svhn", ["lenet5", "smallnet"], seeds=3)  # doctest: +SKIP
>>> run.table, run.comparisons                                 # doctest: +SKIP
>>> run.best.export("saved_models")                            # doctest: +SKIP

Importing the package imports neither Keras nor TensorFlow (seconds); each
function loads what it needs when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kerasdl.face.compare import compare
    from kerasdl.face.functions import evaluate, export, predict
    from kerasdl.face.load import load
    from kerasdl.face.look import Look, look
    from kerasdl.face.results import Comparison, SearchResult, StudyResult, load_run
    from kerasdl.face.run_list import Runs, runs
    from kerasdl.face.search import search
    from kerasdl.face.study import study
    from kerasdl.face.trained import Trained

__version__ = "0.1.0"

__all__ = [
    "Comparison",
    "Look",
    "Runs",
    "SearchResult",
    "StudyResult",
    "Trained",
    "__version__",
    "compare",
    "evaluate",
    "export",
    "load",
    "load_run",
    "look",
    "predict",
    "runs",
    "search",
    "study",
]

_PLACES = {
    "compare": "kerasdl.face.compare",
    "load": "kerasdl.face.load",
    "load_run": "kerasdl.face.results",
    "look": "kerasdl.face.look",
    "Look": "kerasdl.face.look",
    "runs": "kerasdl.face.run_list",
    "predict": "kerasdl.face.functions",
    "evaluate": "kerasdl.face.functions",
    "export": "kerasdl.face.functions",
    "search": "kerasdl.face.search",
    "study": "kerasdl.face.study",
    "Runs": "kerasdl.face.run_list",
    "Comparison": "kerasdl.face.results",
    "SearchResult": "kerasdl.face.results",
    "StudyResult": "kerasdl.face.results",
    "Trained": "kerasdl.face.trained",
}


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
