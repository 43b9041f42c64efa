"""What a search with a single seed would have chosen: how far its winner can be trusted."""

import dataclasses
import math

from kerasdl.reporting import text
from kerasdl.tuning.ranking import Ranking
from kerasdl.tuning.wording import Words, counted


@dataclasses.dataclass(frozen=True)
class OneSeed:
    """What searches with a single seed would have chosen.

    Args:
        seeds: How many such searches there are.
        best: How many choose the best of all seeds.
        tied: How many choose the best or a trial tied with it.
        chosen: How many different trials they choose.
        flattery: By how much, on average, the chosen one's score on that seed is better
            than its mean over all seeds; in the unit of the objective.
    """

    seeds: int
    best: int
    tied: int
    chosen: int
    flattery: float


def one_seed(ranking: Ranking) -> OneSeed | None:
    """Returns what single seeds would have chosen; None below two trials or two seeds.

    Of trials with equal scores a search chooses the earliest.

    Args:
        ranking: The trials.
    """
    if len(ranking.trials) < 2 or len(ranking.seeds) < 2:
        return None
    sign = -1 if ranking.minimised else 1
    order = {id(outcome): place for place, outcome in enumerate(ranking.outcomes)}
    earliest = sorted(ranking.trials, key=lambda trial: order[id(trial.outcome)])
    winners, gains = [], []
    for seed in ranking.seeds:
        scores = [round(sign * trial.scores[seed], 7) for trial in earliest]
        winner = earliest[scores.index(max(scores))]
        winners.append(winner)
        gains.append(sign * (winner.scores[seed] - winner.spread.mean))
    return OneSeed(
        seeds=len(winners),
        best=sum(winner is ranking.best for winner in winners),
        tied=sum(winner.tied for winner in winners),
        chosen=len({winner.place for winner in winners}),
        flattery=math.fsum(gains) / len(gains),
    )


def sentence(ranking: Ranking, words: Words) -> str | None:
    """Says what single seeds would have chosen, in two sentences; None as for `one_seed`."""
    found = one_seed(ranking)
    if found is None:
        return None
    if found.chosen == 1:
        chosen = f"would all have chosen the same {words.noun}"
        if found.best:
            return f"{found.seeds} searches with one seed each {chosen}, this one."
    else:
        different = counted(found.chosen, f"different {words.noun}", f"different {words.plural}")
        chosen = f"would have chosen {different}"
    number = f"{found.flattery:.4f}" if ranking.minimised else text.percent(found.flattery)
    flattery = number if ranking.minimised else f"{number} points"
    return (
        f"{found.seeds} searches with one seed each {chosen}: in {found.best} of {found.seeds} "
        f"the one that is best over all seeds, in {found.tied} of {found.seeds} that one or "
        f"one tied with it. The score of the chosen {words.noun} would have been better than "
        f"its mean over all seeds by {flattery} on average."
    )
