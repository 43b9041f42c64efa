"""The content of results.json as plain data: older layouts, NumPy's numbers, what JSON cannot hold.

Schema 2 gave comparisons, experiments and searches one head (`kerasdl.record.Head`).
"""

import math
from typing import Any, Literal

SCHEMA: Literal[2] = 2


def upgrade(content: Any) -> Any:
    """Returns a results.json of schema 1 as schema 2; anything else as it is.

    No number changes: an experiment's name is now called `study`, its `kind` says whether it is a
    search, and a comparison of networks has both, too.

    Args:
        content: The decoded file. It is not changed.
    """
    if not isinstance(content, dict) or content.get("schema", 1) != 1:
        return content
    rest = {key: value for key, value in content.items() if key not in ("schema", "kind")}
    head: dict[str, Any] = {"schema": SCHEMA, "kind": "comparison", "app": rest.pop("app", None)}
    if content.get("kind") == "findings":
        # The command that made it names the folder of its module.
        search = "kerasdl.tuning." in str(content.get("command"))
        head["kind"] = "search" if search else "experiment"
        head["study"] = rest.pop("experiment", None)
    else:
        head["study"] = "networks"
    # A missing key stays missing: whoever reads it says so.
    return {**{key: value for key, value in head.items() if value is not None}, **rest}


def plain(value: Any) -> Any:
    """Turns NumPy's numbers into Python's; duck-typed, so that NumPy is not imported here.

    Raises:
        TypeError: If it is something else.
    """
    if type(value).__module__.partition(".")[0] == "numpy" and hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not a type of JSON: {value!r}")


def check_finite(value: Any, place: str) -> None:
    """Raises ValueError if plain data holds NaN or infinity, which JSON has not.

    Args:
        value: The data.
        place: What to call it.
    """
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"expected a finite number at {place}. Received: {value}")
    elif isinstance(value, dict):
        for key, item in value.items():
            check_finite(item, f"{place}.{key}")
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            check_finite(item, f"{place}[{i}]")
