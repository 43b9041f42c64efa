"""How often a race for seeds calls equal models worse, what it finds, and the seeds it saves.

    python benchmarks/racing.py [--reps 2000]

Trainings are invented, and `kerasdl.evaluation.racing` decides which of them it asks for. First,
equal models: how often a race puts any of them out, beside the same race without its correction
(5 % at each look and for each pair); 5 % is the level. Then models equal over all images, but
each with a taste of its own, so that one is truly ahead on the validation images: a race may put
it out, and no verdict on the test images may follow from that. Last, one model ahead of equal
others: how often it is found alone, and the seeds used, beside all seeds for each. Numbers only:
nothing is trained.
"""

import argparse

import numpy as np

from kerasdl.evaluation import racing
from kerasdl.evaluation.significance import holm
from kerasdl.evaluation.statistics import compare_answers

MOST = 20
IMAGES = 5000
NOISE = 0.003  # the deviation of an accuracy over the seeds
HARD = 0.2  # share of the images that are not answered rightly at once
TASTE = 0.3


def normal(generator, models, shared=0.0, spread=1.0):
    """Returns validation accuracies of equal models (models, MOST).

    Args:
        generator: Draws the noise.
        models: How many.
        shared: What part of the variance a seed has in common for all models, 0..1.
        spread: How much noisier the last model is than the first.
    """
    own = generator.normal(0, 1, (models, MOST)) * np.geomspace(1, spread, models)[:, None]
    common = generator.normal(0, 1, MOST)
    return 0.95 + NOISE * (np.sqrt(1 - shared) * own + np.sqrt(shared) * common)


def counted(generator, models, images):
    """Returns accuracies that are counted on few images, hard ones hard for all models."""
    chance = np.where(generator.random(images) < HARD, generator.random(images), 0.999)
    return (generator.random((models, MOST, images)) < chance).mean(axis=2)


def failing(generator, models):
    """Returns accuracies of which one in twenty falls ten deviations short."""
    return normal(generator, models) - 10 * NOISE * (generator.random((models, MOST)) < 0.05)


NULLS = {
    "normal": normal,
    "normal, half the variance shared": lambda g, m: normal(g, m, shared=0.5),
    "normal, the last 5 times noisier": lambda g, m: normal(g, m, spread=5.0),
    "counted on 1000 images": lambda g, m: counted(g, m, 1000),
    "counted on 50 images": lambda g, m: counted(g, m, 50),
    "1 in 20 fails": failing,
}


def race(scores, images=IMAGES):
    """Returns how the race over accuracies (models, MOST) ends."""
    known = {f"m{place}": dict(enumerate(row.tolist())) for place, row in enumerate(scores)}
    return racing.run(known, most=MOST, images=images)


def uncorrected(scores):
    """Returns whether any pair is told apart at any look, at 5 % each."""
    for count in racing.looks(MOST):
        _, p_values = racing.paired_t(scores[:, :count], IMAGES)
        if (p_values < racing.LEVEL).any():
            return True
    return False


def false_beats(draw, models, reps, images=IMAGES, seed=0):
    """Returns the share of races that put an equal model out, and the same uncorrected."""
    generator = np.random.default_rng([seed, models])
    drawn = [draw(generator, models) for _ in range(reps)]
    wrong = np.mean([bool(race(scores, images).beaten) for scores in drawn])
    return float(wrong), float(np.mean([uncorrected(scores) for scores in drawn]))


def to_the_end(models, reps, images=2000):
    """Returns shares of races with a loser, with a verdict on the test, and with both alike."""
    generator = np.random.default_rng([1, models])
    found = np.zeros((reps, 3), dtype=bool)
    for row in found:
        hard = generator.random((2, 1, images)) < HARD  # validation, test
        taste = generator.normal(0, TASTE, (2, models, images))
        chance = np.where(hard, np.clip(generator.random((2, 1, images)) + taste, 0, 1), 0.999)
        # The luck of a seed is the same on both kinds of images.
        luck = hard[:, :, None] * generator.normal(0, 0.02, (models, MOST, 1))
        right = generator.random((2, models, MOST, images)) < chance[:, :, None] + luck
        ended = race(right[0].mean(axis=2), images)
        seeds = dict.fromkeys(ended.competing, ended.seeds)
        seeds |= {one.model: one.seeds for one in ended.beaten}
        answers = {
            name: dict(enumerate(right[1, int(name[1:]), : seeds[name]])) for name in sorted(seeds)
        }
        better = [(one.better, set(one.models)) for one in compare_answers(answers) if one.better]
        out = {one.model for one in ended.beaten}
        alike = any(pair - {winner} <= out for winner, pair in better)
        row[:] = bool(ended.beaten), bool(better), alike
    return found.mean(axis=0)


def power(models, gap, reps):
    """Returns for a race and for all seeds how often the best is found alone; and the seeds."""
    generator = np.random.default_rng([2, models])
    alone, seeds, alone_fixed = [], [], []
    for _ in range(reps):
        scores = normal(generator, models, shared=0.3)
        scores[0] += gap * NOISE
        ended = race(scores)
        alone.append(ended.competing == ("m0",))
        used = len(ended.competing) * ended.seeds + sum(one.seeds for one in ended.beaten)
        seeds.append(used / models)
        lead, p_values = racing.paired_t(scores, IMAGES)
        pairs = np.triu_indices(models, 1)
        adjusted = np.array(holm(p_values[pairs].tolist()))[pairs[0] == 0]
        alone_fixed.append((adjusted <= racing.LEVEL).all() and (lead[0, 1:] > 0).all())
    return np.mean(alone), np.mean(seeds), np.mean(alone_fixed)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reps", type=int, default=2000, help="simulated races of each kind")
    reps = parser.parse_args().reps
    print(f"{reps} races each of equal models, looks at {racing.looks(MOST)} seeds; put one out:")
    print(f"{'noise':33} models    race  uncorrected")
    for name, draw in NULLS.items():
        images = int(name.split()[2]) if name.startswith("counted") else IMAGES
        for models in (2, 4, 6):
            wrong, plain = false_beats(draw, models, reps, images)
            print(f"{name:33} {models:6}  {wrong:6.1%}  {plain:11.1%}", flush=True)
    fewer = max(1, reps // 4)
    print(f"\n{fewer} races each, tastes of the models for the images, then the test images:")
    print("models  a loser of the race  a verdict on the test  of a loser")
    for models in (2, 4, 6):
        loser, verdict, alike = to_the_end(models, fewer)
        print(f"{models:6}  {loser:19.1%}  {verdict:21.1%}  {alike:10.1%}", flush=True)
    print(f"\n{reps} races each, one model ahead of equal others (in deviations over the seeds):")
    print(f"models  ahead  found alone  seeds a model  found alone with {MOST} each  seeds saved")
    for models in (2, 4, 6):
        for gap in (1, 2, 4, 8):
            alone, seeds, fixed = power(models, gap, reps)
            print(
                f"{models:6}  {gap:5}  {alone:11.0%}  {seeds:13.1f}  {fixed:24.0%}  "
                f"{1 - seeds / MOST:11.0%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
