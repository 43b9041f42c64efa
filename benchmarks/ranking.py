"""How often a search's ranking calls a trial worse that is as good as the others.

    python benchmarks/ranking.py [--reps 1000]

Equal trials are invented and ranked as `kerasdl.tuning.ranking` does: 5 % of the validation
images are hard, and each trial has a taste of its own for them, which its seeds share. Printed is
how often a given trial, and how often some trial, is called worse than the luckiest; 5 % is the
level of the tests. Numbers only: nothing is trained.
"""

import argparse

import numpy as np

from kerasdl.evaluation.significance import paired_t, sign_flip

IMAGES = 5000
HARD = 0.05
TASTE, LUCK = 0.15, 0.02  # deviations of a trial and of a seed, in chances to answer rightly
LEVEL = 0.05


def equal_trials(generator, trials, seeds):
    """Returns right answers of trials that are equally good, bool (trials, seeds, IMAGES)."""
    hard = generator.random(IMAGES) < HARD
    chance = np.where(hard, generator.random(IMAGES), 0.999)
    taste = np.clip(chance + hard * generator.normal(0, TASTE, (trials, 1, IMAGES)), 0, 1)
    luck = generator.normal(0, LUCK, (trials, seeds, 1))
    return generator.random((trials, seeds, IMAGES)) < np.clip(taste + hard * luck, 0, 1)


def adjusted(right):
    """Returns each trial's p-value against the best, as in `kerasdl.tuning.ranking`."""
    scores = right.mean(axis=2)
    best = int(scores.mean(axis=1).argmax())
    sums = right.sum(axis=1, dtype=np.int64)
    p_values = np.ones(len(right))
    for place in range(len(right)):
        leads = scores[best] - scores[place]
        if place != best and leads.sum() > 0:
            p = max(paired_t(leads.tolist()) / 2, sign_flip(sums[best] - sums[place]))
            p_values[place] = min(1.0, (len(right) - 1) * p)
    return p_values


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reps", type=int, default=1000, help="simulated searches of each kind")
    options = parser.parse_args()
    print(f"{options.reps} searches each of equal trials, {IMAGES} images; called worse:")
    print("trials  seeds  a given one  some one")
    for trials in (10, 40):
        for seeds in (3, 5):
            generator = np.random.default_rng([trials, seeds])
            worse = np.array(
                [
                    adjusted(equal_trials(generator, trials, seeds)) < LEVEL
                    for _ in range(options.reps)
                ]
            )
            # All are alike: the share over all of them is that of a given one.
            given, some = worse.mean(), worse.any(axis=1).mean()
            print(f"{trials:6}  {seeds:5}  {given:11.1%}  {some:8.1%}", flush=True)


if __name__ == "__main__":
    main()
