"""What a report says of bases from keras.applications besides the figures of any network."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kerasdl.sections import Section
from kerasdl.studies import explaining
from kerasdl.studies.conclude import Comparison
from kerasdl.studies.transfer import arms_section, classes_section, features_section
from kerasdl.studies.transfer.arms import Trained, best_base, trained

if TYPE_CHECKING:
    from kerasdl.studies.networks import Study


def sections(comparison: Comparison, study: "Study") -> list[Section]:
    """Returns the further sections of a comparison with `--transfer`; draws their figures.

    Args:
        comparison: The finished comparison.
        study: The study that made it.

    Returns:
        The arms against each other; accuracy by class, with what report E claims; the features
        of the best base in a plane; where its networks look. Without arms, nothing.
    """
    arms = trained(comparison.record)
    if not arms:
        return []
    best = best_base(arms)
    networks = _networks(comparison, best)
    found = [
        arms_section.section(comparison, arms),
        classes_section.section(comparison, arms),
        features_section.section(comparison, study, best, networks),
        _looking(comparison, best, networks),
    ]
    return [one for one in found if one is not None]


def _networks(comparison: Comparison, arms: Sequence[Trained]) -> dict[str, Any]:
    """Returns the trained networks by model: of each, the seed of median accuracy."""
    from kerasdl.models import saved

    paths = {one.model.name: explaining.saved(comparison, one.model.typical) for one in arms}
    return {name: saved.load(path) for name, path in paths.items() if path.is_file()}


def _looking(
    comparison: Comparison, arms: Sequence[Trained], networks: dict[str, Any]
) -> Section | None:
    drawn = [
        explaining.draw(comparison, one.model, networks[one.model.name])
        for one in arms
        if one.model.name in networks
    ]
    figures = [figure for figure in drawn if figure is not None]
    if not figures:
        return None
    return Section(
        title="Where the networks look", text=list(explaining.HOW_TO_READ), figures=figures
    )
