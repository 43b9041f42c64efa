"""Plain sentences on what a search found."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from kerasdl.record import Spread
from kerasdl.reporting import text
from kerasdl.tuning.outcomes import own
from kerasdl.tuning.ranking import Ranking, Trial, size_of


@dataclasses.dataclass(frozen=True, kw_only=True)
class Words:
    """How a report speaks of the trials of a search.

    Args:
        noun: What a trial is: "width", "setting".
        plural: Several of them.
        key: The numeric hyper-parameter of which a trial is a value, and of which less is
            simpler; None where trials differ in more.
        labels: Names for people by hyper-parameter, for axes and columns: "Hidden width".
        describe: Returns a trial's name from its values; None for "width 480", or, without
            a key, for all its values: "regulariser l2, strength 0.001".
    """

    noun: str = "setting"
    plural: str = "settings"
    key: str | None = None
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    describe: Callable[[Mapping[str, Any]], str] | None = None

    def name(self, values: Mapping[str, Any]) -> str:
        """Returns the name of a trial with these values, as it stands within a sentence."""
        if self.describe is not None:
            return self.describe(values)
        if self.key is not None:
            return f"{self.noun} {value(values.get(self.key))}"
        parts = [f"{self.label(key).lower()} {value(one)}" for key, one in own(values).items()]
        return ", ".join(parts) or "the only setting"

    def label(self, key: str) -> str:
        """Returns the name of a hyper-parameter."""
        return self.labels.get(key, key)


def value(one: Any) -> str:
    """Returns a hyper-parameter's value for people: "480", "1e-5", "relu", "yes"."""
    if isinstance(one, bool):
        return "yes" if one else "no"
    if isinstance(one, float):
        return f"{one:.4g}".replace("e-0", "e-").replace("e+0", "e")
    return text.NOTHING if one is None else str(one)


def score(found: Spread, minimised: bool) -> str:
    """Returns an objective with its spread: "98.21 ± 0.08 %", or "0.0712 ± 0.0008" of a loss."""
    return text.number_spread(found, 4) if minimised else f"{text.percent_spread(found)} %"


def sentence(ranking: Ranking, words: Words) -> str:
    """Says which trial is best, how many are tied with it, and which of them is simplest.

    Args:
        ranking: The trials.
        words: What they are called.

    Returns:
        One to three sentences.
    """
    failed = counted(len(ranking.failed), "trial", "trials") + " failed."
    failed = failed if ranking.failed else ""
    if not ranking.trials:
        return f"No trial was completed. {failed}" if failed else "There was no trial."
    best, others = ranking.best, len(ranking.trials) - 1
    name = words.name(best.outcome.values)
    title = f"{name} has the {_superlative(ranking)}, {_scored(ranking, best)}"
    if not others:
        said = f"{title}; no other {words.noun} was completed, so there is nothing to compare."
    elif len(ranking.tied) == others:
        them = (
            f"none of the {others} other {words.plural} is"
            if others > 1
            else f"the other {words.noun} is not"
        )
        said = (
            f"The differences between {words.plural} are noise: {title}, but {them} worse "
            f"beyond noise{_simplest(ranking, words)}."
        )
    elif ranking.tied:
        count = len(ranking.tied)
        said = (
            f"{title}, but {count} of the {others} other {words.plural} {_is(count)} tied with "
            f"it within noise{_simplest(ranking, words)}."
        )
    else:
        them = (
            f"each of the {others} other {words.plural}"
            if others > 1
            else f"the other {words.noun}"
        )
        second = ranking.trials[1]
        said = (
            f"{title}, and {them} is worse beyond noise; the next is "
            f"{words.name(second.outcome.values)} ({_scored(ranking, second)})."
        )
    said = said[:1].upper() + said[1:]
    return " ".join(filter(None, [said, _seeds(ranking) if others else "", failed]))


def _superlative(ranking: Ranking) -> str:
    return "lowest validation loss" if ranking.minimised else "highest validation accuracy"


def _scored(ranking: Ranking, trial: Trial) -> str:
    return score(trial.spread, ranking.minimised)


def _simplest(ranking: Ranking, words: Words) -> str:
    """Returns the end of a sentence on the simplest of the tied; empty where all are alike."""
    among = [ranking.best, *ranking.tied]
    sizes = {size_of(trial.outcome, words.key) for trial in among}
    if len(sizes) == 1:
        return ""
    simplest = ranking.simplest(words.key)
    name = words.name(simplest.outcome.values)
    if words.key is None:
        if simplest is ranking.best:
            return "; it also has the fewest parameters of them"
        return f"; of these {name} has the fewest parameters ({_scored(ranking, simplest)})"
    if simplest is ranking.best:
        return "; it is also the smallest of them"
    if words.describe is None:
        name = value(simplest.outcome.values[words.key])
    return f"; the smallest of them is {name} ({_scored(ranking, simplest)})"


def _seeds(ranking: Ranking) -> str:
    """Says what so few seeds cannot tell."""
    seeds = len(ranking.seeds)
    if seeds >= 5 or (seeds >= 3 and not ranking.tied):
        return ""
    if seeds >= 3:
        return f"With {seeds} seeds only large differences can be told from noise."
    few = {0: "Without common seeds", 1: "With one seed"}.get(seeds, f"With {seeds} seeds")
    if ranking.minimised:
        return f"{few} the noise of training is unknown: no difference can be told from it."
    return f"{few} the noise of training is not tested: with other seeds another may lead."


def counted(count: int, noun: str, plural: str) -> str:
    """Returns e.g. "1 trial" or "3 trials"."""
    return f"{count} {noun if count == 1 else plural}"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"
