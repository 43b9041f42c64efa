"""The model card that kerasdl's export puts into a version; other people's models have none."""

import json
from pathlib import Path
from typing import Any

NAME = "card.json"

_KIND = "kerasdl-model-card"
_MOST = 10_000


def read(folder: Path) -> dict[str, Any] | None:
    """Returns the card of a version's folder; None when it has none of kerasdl's.

    Raises:
        ValueError: If card.json is no JSON.
        OSError: If it cannot be read.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        card = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{NAME} is no JSON: {error}") from None
    return card if isinstance(card, dict) and card.get("kind") == _KIND else None


def class_names(card: dict[str, Any] | None) -> list[str]:
    """Returns the names of the classes in the order of the probabilities.

    Returns:
        At most 10 000 names; [] without a card, and when the card's are not that, because a
        model answers without names, too. Names that cannot be printed, halves of surrogate
        pairs among them, could not be sent as UTF-8.
    """
    names = card.get("class_names") if card is not None else None
    if not isinstance(names, list) or len(names) > _MOST:
        return []
    printable = all(isinstance(name, str) and name.isprintable() for name in names)
    return names if printable else []
