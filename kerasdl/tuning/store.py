"""The files of a search: what it is, its finished groups, and states to go on from."""

import hashlib
import re
import shutil
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from kerasdl import files, recipe
from kerasdl.tuning.outcomes import Outcome
from kerasdl.tuning.states import State

Asked = Sequence[tuple[str, Mapping[str, Any]]]
"""The ids of trials and the values that the oracle gave them; a build may ask for more."""


_LEFTOVER = re.compile(r"\..+\.[a-z0-9_]{8}\.(json|weights\.h5)")
"""The temporary names of `files.atomic_path`."""


class _Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    asked: list[tuple[str, dict[str, Any]]]
    outcomes: list[Outcome]
    # KerasTuner's HyperParameters after a `fit` that may have asked for more of them.
    spaces: list[dict[str, Any]] | None = None


class Store:
    """The folder of a search.

    A group of trials that are trained together is one file: it is there as a whole or not
    at all, so that a group is never trained again in part, in other company.

    Args:
        folder: KerasTuner's project folder.
        identity: What decides the search, as plain data: space, data, seeds, settings, versions.

    Raises:
        ValueError: If the folder has another search; the message says how it differs.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        self._folder = Path(folder)
        self._found: dict[str, Outcome] = {}
        self._spaces: dict[str, dict[str, Any]] = {}
        self._read: set[str] = set()
        path = self._folder / "search.json"
        content = msgspec.json.encode(identity)
        if path.is_file():
            try:
                found = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
            except msgspec.DecodeError:
                raise ValueError(f"{path} is not a search of kerasdl's") from None
            # Through JSON, so that tuples and lists are alike.
            differences = recipe.differences(found, msgspec.json.decode(content))
            if differences:
                raise ValueError(
                    f"{self._folder} has another search: {'; '.join(differences)}. Name another "
                    "folder, or give overwrite=True"
                )
        elif (self._folder / "oracle.json").is_file():
            raise ValueError(
                f"{self._folder} has a search of KerasTuner's, not of kerasdl's. Name another "
                "folder, or give overwrite=True"
            )
        else:
            files.write_bytes(path, content)

    def get(self, asked: Asked) -> list[Outcome | None]:
        """Returns the outcome of each trial, None for those that are not finished."""
        # Those of other processes, too. One by one: a group may have had other company, where
        # fewer processes shared the search or one could tell the oracle only of a part.
        for path in sorted((self._folder / "groups").glob("[!.]*.json")):
            if path.name not in self._read:
                self._remember(path)
        return [self._found.get(_key(*one)) for one in asked]

    def space(self, trial_id: str, values: Mapping[str, Any]) -> dict[str, Any] | None:
        """Returns the hyper-parameters of a finished trial as KerasTuner's config, if kept."""
        return self._spaces.get(_key(trial_id, values))

    def put(
        self,
        asked: Asked,
        outcomes: Sequence[Outcome],
        spaces: Sequence[dict[str, Any]] | None = None,
    ) -> None:
        """Keeps the outcomes of a group.

        Args:
            asked: The trials.
            outcomes: What became of them.
            spaces: Their hyper-parameters as KerasTuner's configs, where a `fit` may have asked
                for more.
        """
        digest = hashlib.sha256("".join(_key(*one) for one in asked).encode()).hexdigest()
        path = self._folder / "groups" / f"{asked[0][0]}-{digest[:16]}.json"
        kept = None if spaces is None else list(spaces)
        group = _Group([(name, dict(values)) for name, values in asked], list(outcomes), kept)
        files.write_bytes(path, msgspec.json.encode(group))
        self._remember(path)

    def _remember(self, path: Path) -> None:
        self._read.add(path.name)
        try:
            group = msgspec.json.decode(path.read_bytes(), type=_Group)
        except (msgspec.DecodeError, FileNotFoundError):
            return  # not a whole file of ours: trained anew
        if len(group.asked) != len(group.outcomes):
            return
        if all(_answers(*pair) for pair in zip(group.asked, group.outcomes, strict=True)):
            for one, outcome in zip(group.asked, group.outcomes, strict=True):
                self._found[_key(*one)] = outcome
            for one, space in zip(group.asked, group.spaces or [], strict=False):
                self._spaces[_key(*one)] = space

    def get_state(self, trial_id: str, seed: int) -> State:
        """Returns the state in which the training of a trial ended.

        Raises:
            FileNotFoundError: If there is none.
            ValueError: If it is damaged.
        """
        path = self._state(trial_id, seed)
        if not path.is_file():
            raise FileNotFoundError(
                f"expected {path}, from which a trial goes on. A finished search has removed it; "
                "give overwrite=True to search again"
            )
        try:
            # Opened here: NumPy does not close a file that is no archive.
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return [arrays[name] for name in sorted(arrays.files)]
        except (zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError) as error:
            raise ValueError(
                f"{path}, from which a trial goes on, is damaged: {error}. Give overwrite=True to "
                "search again"
            ) from error

    def put_state(self, trial_id: str, seed: int, state: State) -> None:
        """Keeps the state in which the training of a trial ended."""
        with files.atomic_open(self._state(trial_id, seed), "wb") as file:
            named: dict[str, Any] = {f"{place:06d}": one for place, one in enumerate(state)}
            np.savez(file, **named)

    def drop_states(self, trial_id: str | None = None) -> None:
        """Removes the states of a trial that another has gone on from, or all."""
        if trial_id is None:
            shutil.rmtree(self._folder / "states", ignore_errors=True)
            return
        for path in (self._folder / "states").glob(f"{trial_id}-*.npz"):
            path.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Removes what killed processes left half-written; for when no other process writes."""
        for pattern in (".*", "groups/.*", "trial_*/.*"):
            for path in self._folder.glob(pattern):
                if _LEFTOVER.fullmatch(path.name) and path.is_file():
                    path.unlink(missing_ok=True)

    def _state(self, trial_id: str, seed: int) -> Path:
        return self._folder / "states" / f"{trial_id}-{seed}.npz"


def _answers(asked: tuple[str, Mapping[str, Any]], outcome: Outcome) -> bool:
    """Whether an outcome is that of a trial, and has what its status promises."""
    trial_id, values = asked
    same = outcome.trial_id == trial_id and outcome.values.items() >= values.items()
    return same and (outcome.status == "FAILED" or bool(outcome.executions))


def _key(trial_id: str, values: Mapping[str, Any]) -> str:
    """Returns a trial's id and values as text, the same before and after JSON."""
    return msgspec.json.encode([trial_id, dict(values)], order="sorted").decode()
