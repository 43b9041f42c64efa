"""Searches of hyper-parameters on KerasTuner's objects, many trials trained at a time.

`PackedTuner` and `make_oracle` are found here; Keras is imported with the first of them.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kerasdl.tuning.oracles import make_oracle
    from kerasdl.tuning.packed_tuner import PackedTuner

__all__ = ["PackedTuner", "make_oracle"]


def __getattr__(name: str) -> Any:
    if name == "PackedTuner":
        from kerasdl.tuning.packed_tuner import PackedTuner

        return PackedTuner
    if name == "make_oracle":
        from kerasdl.tuning.oracles import make_oracle

        return make_oracle
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
