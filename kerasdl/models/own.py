"""A person's own models: functions `(input_shape, num_classes) -> keras.Model`.

A recipe names one as REFERENCE#FINGERPRINT, e.g. `mine.py:build#3f2a61c0b7d4`. The reference
says where it is: `FILE.py:FUNCTION`, `package.module:FUNCTION`, or, for what was defined in a
notebook, `__main__:FUNCTION`. The fingerprint is of its source, so that a changed function is
another model: a run folder that has the old one is not gone on with.
"""

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any

from kerasdl.models.network import Network
from kerasdl.quiet import quiet_start

if TYPE_CHECKING:
    import keras

Builder = Callable[..., "keras.Model"]

_KNOWN: dict[str, Builder] = {}
"""The functions of this process by their whole name: what a run began with, it ends with."""

_FILES: dict[Path, tuple[bytes, ModuleType]] = {}
"""The files that were read here: their content then, and the module."""


@dataclass(frozen=True)
class OwnNetwork(Network):
    """A person's own model, as the registry knows its own.

    Args:
        builder: The function.
    """

    builder: Builder | None = None

    def load(self) -> Builder:
        """Returns the function."""
        assert self.builder is not None
        return self.builder

    def setting_names(self) -> tuple[str, ...]:
        """Returns the names of the arguments after input_shape and num_classes."""
        return tuple(list(inspect.signature(self.load()).parameters)[2:])


def is_reference(name: str) -> bool:
    """Whether a model's name is the place of a function rather than a network of ours."""
    return ":" in name


def name_of(reference: str) -> str:
    """Returns the name that a model has in tables and files: its function's."""
    return reference.partition("#")[0].rpartition(":")[2].rpartition(".")[2].strip("_") or "model"


def give(builder: Builder) -> str:
    """Takes a function for this process and returns what a recipe calls it.

    Args:
        builder: `(input_shape, num_classes, **settings) -> keras.Model`.

    Raises:
        ValueError: If it is no function of two arguments or more.
    """
    _check_signature(builder)
    check_fresh(builder)
    # A lambda, or a function inside another, has a name that nothing can look up.
    name = builder.__qualname__.replace("<locals>.", "").replace("<lambda>", "model")
    whole = f"{builder.__module__}:{name}#{fingerprint(builder)}"
    _KNOWN[whole] = builder
    return whole


def find(reference: str) -> OwnNetwork:
    """Returns the network that a reference names; imports the module it is in.

    Args:
        reference: With or without fingerprint.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If there is no such module or function, or it changed since.
    """
    place, _, wanted = reference.partition("#")
    builder = _KNOWN.get(reference) if wanted else None
    if builder is None:
        builder = look_up(place)
        _check_signature(builder)
        check_fresh(builder)
        found = fingerprint(builder)
        if wanted and wanted != found:
            raise ValueError(
                f"{place} was changed: expected the source with the fingerprint {wanted}, as in "
                f"the recipe. Received: {found}; choose another --out for the new model"
            )
        wanted = found
        _KNOWN[f"{place}#{wanted}"] = builder
    return OwnNetwork(
        name=f"{place}#{wanted}",
        title=name_of(place),
        function=place,
        source=place,
        own=True,
        builder=builder,
    )


def is_of_this_process(reference: str) -> bool:
    """Returns whether no other process finds the function of a reference, as one of a notebook."""
    place, _, wanted = reference.partition("#")
    try:
        return fingerprint(look_up(place)) != wanted
    except (ValueError, FileNotFoundError):
        return True


def fingerprint(builder: Builder) -> str:
    """Returns twelve hexadecimal digits that change with a function's source.

    Of a function in a file it is the file's source that counts, since helpers and constants
    beside it make the model, too; in a notebook it is the function's own. Defaults and what it
    took from around it (a width in a loop) count with their values.
    """
    path = Path(builder.__code__.co_filename)
    if path.suffix == ".py" and path.is_file() and builder.__module__ != "__main__":
        content = path.read_bytes()
    else:
        try:
            content = inspect.getsource(builder).encode()
        except (OSError, TypeError):  # typed at a prompt: nothing has kept its text
            content = repr(_bare(builder.__code__)).encode()
    cells = [cell.cell_contents for cell in builder.__closure__ or ()]
    values = [builder.__defaults__, builder.__kwdefaults__, cells]
    text = f"{builder.__qualname__} {plain(values)}"
    return hashlib.sha256(content + text.encode()).hexdigest()[:12]


def with_names(
    models: Sequence[str], networks: Mapping[str, Any], taken: Sequence[str]
) -> tuple[list[str], dict[str, Any]]:
    """Gives models that are references names of their own.

    Args:
        models: Names and references.
        networks: Models that have names of their own already.
        taken: Names that mean something else: a model called so becomes own_NAME.

    Returns:
        The names, and `networks` with what the new ones stand for.

    Raises:
        FileNotFoundError, ValueError: If a reference leads nowhere.
    """
    names, known = [], dict(networks)
    for model in models:
        if not is_reference(model):
            names.append(model)
            continue
        found, name = find(model), name_of(model)
        base = f"own_{name}" if name in taken else name
        name, number = base, 1
        while known.get(name, found.name) != found.name:
            number += 1
            name = f"{base}-{number}"
        names.append(name)
        known[name] = found.name
    return names, known


def look_up(place: str, option: str = "--models") -> Any:
    """Returns what is at a place; imports the module it is in.

    Args:
        place: FILE.py:NAME or package.module:NAME.
        option: The option of the command line that takes places, for messages.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If there is no such module, or nothing there that can be called.
    """
    where, _, name = place.rpartition(":")
    if where == "__main__":
        raise ValueError(
            f"{name} was defined in a notebook or a program, where no other process finds it. Make "
            f"the same call there again, or put {name} into a file: {option} FILE.py:{name}"
        )
    module = _module(where)
    builder: Any = module
    for part in name.split("."):
        builder = getattr(builder, part, None)
    if not callable(builder) and not hasattr(builder, "build"):
        functions = [
            key
            for key, value in vars(module).items()
            if inspect.isfunction(value) and value.__module__ == module.__name__
        ]
        raise ValueError(
            f"expected a function {name!r} in {where}. It has: "
            f"{', '.join(functions) or 'no functions'}"
        )
    return builder


def _module(where: str) -> ModuleType:
    if not where.endswith(".py"):
        try:
            with quiet_start():
                return importlib.import_module(where)
        except ModuleNotFoundError as error:
            raise ValueError(
                f"expected FILE.py:FUNCTION or a module that can be imported. Received: {where!r} "
                f"({error})"
            ) from None
    path = Path(where).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"expected a Python file. Received: {where}, no such file")
    path, content = path.resolve(), path.read_bytes()
    read, known = _FILES.get(path, (None, None))
    if known is not None and read == content:
        return known
    # No module of that name, of Python or of a person, gets or loses its place by it.
    name = f"{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Its neighbours can be imported, as if it were run.
    sys.path.insert(0, str(path.parent))
    sys.modules[name] = module
    try:
        with quiet_start():
            spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise ValueError(f"{where} cannot be imported: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(path.parent))
    _FILES[path] = content, module
    return module


def check_fresh(builder: Builder) -> None:
    """Raises ValueError if a function's file was edited after it was imported.

    Its fingerprint would be of a source that does not run here.
    """
    code = builder.__code__
    path = Path(code.co_filename)
    if path.suffix != ".py" or not path.is_file():
        return
    try:
        inside = [compile(path.read_bytes(), code.co_filename, "exec")]
    except (SyntaxError, ValueError):
        inside = []
    for one in inside:  # grows: functions inside functions
        inside += [constant for constant in one.co_consts if isinstance(constant, CodeType)]
    alike = [one for one in inside if one.co_qualname == code.co_qualname]
    if _bare(code) not in map(_bare, alike):
        raise ValueError(
            f"{path} was edited after {builder.__qualname__} was imported: expected its function "
            "as it stands there. Import it again (importlib.reload), or restart Python"
        )


def _check_signature(builder: Any) -> None:
    if not inspect.isfunction(builder):
        hint = "; wrap it in a function that builds a new one" if callable(builder) else ""
        raise ValueError(
            "expected a network's name or a function (input_shape, num_classes) -> keras.Model. "
            f"Received: {type(builder).__name__}{hint}"
        )
    try:
        inspect.signature(builder).bind((1, 1, 1), 2)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "expected a function (input_shape, num_classes) -> keras.Model. Received: "
            f"{getattr(builder, '__name__', builder)}, which does not take two arguments ({error})"
        ) from None


def _bare(code: CodeType) -> tuple[Any, ...]:
    """Returns what decides a function's work, without addresses and lines."""
    constants = [_bare(c) if isinstance(c, CodeType) else c for c in code.co_consts]
    return code.co_code, code.co_names, constants


def plain(value: Any) -> str:
    """Returns a value as text that is the same in another process."""
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(plain, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {plain(item)}' for key, item in value.items())}}}"
    return fingerprint(value) if inspect.isfunction(value) else type(value).__qualname__
