"""The race for seeds: whom it asks for, whom it puts out, and how often wrongly."""

import math

import numpy as np
import pytest
from scipy import stats

from kerasdl.evaluation import racing

IMAGES = 5000


def accuracies(scores):
    """Returns accuracies (models, seeds) as a race takes them; the models are a, b, c, ..."""
    return {chr(ord("a") + i): dict(enumerate(row)) for i, row in enumerate(np.asarray(scores))}


def trained(scores, **options):
    """Trains what a race asks for, as `scores` (models, seeds) says; returns it and all asked."""
    known, asked = {model: {} for model in accuracies(scores)}, []
    while True:
        race = racing.run(known, most=np.shape(scores)[1], images=IMAGES, **options)
        if not race.missing:
            return race, asked
        asked += race.missing
        for model, seed in race.missing:
            known[model][seed] = float(scores[ord(model) - ord("a")][seed])


def equal_models(generator, models):
    """Returns accuracies of equally good models (models, 20), a seed's luck partly shared."""
    own, shared = generator.normal(0, 0.003, (models, 20)), generator.normal(0, 0.002, 20)
    return 0.95 + own + shared


def test_equal_models_are_told_apart_in_at_most_5_percent_of_races():
    generator = np.random.default_rng(0)
    wrong = {2: 0, 4: 0}
    races = 700
    for models in wrong:
        for _ in range(races):
            scores = equal_models(generator, models)
            wrong[models] += bool(
                racing.run(accuracies(scores), most=20, images=IMAGES).beaten  # all are known
            )
    # Without the looks in the level, two models come to 17 %; without the pairs, four to 19 %.
    assert all(0 < count <= 0.05 * races for count in wrong.values()), wrong


def test_small_validation_sets_do_not_make_equal_differences_a_proof():
    # Binomial counts of 50 images: three equal differences are common among equal models.
    generator = np.random.default_rng(1)
    wrong = 0
    for _ in range(700):
        scores = generator.binomial(50, 0.98, (3, 20)) / 50
        wrong += bool(racing.run(accuracies(scores), most=20, images=50).beaten)
    assert wrong <= 35
    three = [[0.92, 0.94, 0.90], [0.90, 0.92, 0.88]]
    assert racing.run(accuracies(three), most=3, images=50).status == "spent"


def test_a_clear_winner_takes_fewer_seeds_than_all_and_is_the_best():
    generator = np.random.default_rng(2)
    used = []
    for _ in range(100):
        scores = equal_models(generator, 4)
        scores[2] += 0.012  # four deviations
        race, asked = trained(scores)
        assert (race.competing, race.status) == (("c",), "decided")
        used.append(len(asked))
    assert np.mean(used) < 0.5 * 4 * 20


def test_the_test_is_students_shared_out_over_looks_and_pairs():
    scores = 0.9 + np.random.default_rng(3).normal(0, 0.003, (2, 4)) + [[0.06], [0.0]]
    race, asked = trained(scores)
    (one,) = race.beaten
    lead = scores[0, : one.seeds] - scores[1, : one.seeds]
    assert one.p_value == pytest.approx(2 * stats.ttest_1samp(lead, 0).pvalue)  # 2 looks, 1 pair
    assert (one.model, one.by) == ("b", ("a",))
    assert one.lead == pytest.approx(lead.mean())
    assert len(asked) == 2 * one.seeds


def test_every_model_gets_three_seeds_then_only_those_that_compete():
    scores = 0.9 + np.random.default_rng(4).normal(0, 0.002, (3, 20))
    scores[1] -= 0.5
    first = racing.run({model: {} for model in "abc"}, most=20, images=IMAGES, first_seed=7)
    assert first.missing == tuple((model, seed) for seed in (7, 8, 9) for model in "abc")
    assert first.status == "racing"
    race, asked = trained(scores)
    assert [seed for model, seed in asked if model == "b"] == [0, 1, 2]
    assert [seed for model, seed in asked if model == "a"] == list(range(20))
    assert (race.competing, race.status, race.seeds) == (("a", "c"), "spent", 20)
    assert len(asked) == len(set(asked))


def test_killed_after_any_training_a_race_asks_for_the_same():
    scores = equal_models(np.random.default_rng(5), 3)
    scores[0] += 0.006
    whole, asked = trained(scores)
    assert whole.beaten
    for stop in range(len(asked)):
        known = {model: {} for model in "abc"}
        for model, seed in asked[:stop]:
            known[model][seed] = scores[ord(model) - ord("a")][seed]
        missing = racing.run(known, most=20, images=IMAGES).missing
        assert missing
        assert list(missing) == asked[stop : stop + len(missing)]


def test_a_single_model_gets_the_first_seeds():
    race, asked = trained([[0.9] * 20])
    assert (len(asked), race.status) == (3, "decided")
    assert racing.reasons(race, 20) == {"a": "3 seeds: alone"}


@pytest.mark.parametrize("most", range(3, 61))
def test_looks_begin_at_three_and_end_at_the_most(most):
    looks = racing.looks(most)
    assert (looks[0], looks[-1]) == (3, most)
    assert looks == sorted(set(looks))
    assert len(looks) <= 2 + math.log(most / 3) / math.log(1.5)


def test_the_reasons_name_the_seeds_and_the_model_in_front():
    scores = 0.9 + np.random.default_rng(4).normal(0, 0.002, (3, 20))
    scores[1] -= 0.5
    spent, _ = trained(scores)
    told = racing.reasons(spent, 20)
    assert list(told) == ["a", "c", "b"]
    assert told["a"] == "20 seeds: all that were allowed, still tied with c"
    by = spent.beaten[0].by[0]
    assert told["b"].startswith(
        f"3 seeds: {by} leads it by {100 * spent.beaten[0].lead:.2f} points"
    )
    started = racing.run(accuracies(scores[:, :3]), most=20, images=IMAGES)
    assert racing.reasons(started, 20)["a"] == "3 seeds: so far, of at most 20; tied with c"


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        ({"a": {}}, {"most": 2, "images": 9}, r"at least 3 seeds\. Received: 2"),
        ({"a": {}}, {"most": 3, "images": 0}, r"validation images\. Received: 0"),
        ({}, {"most": 3, "images": 9}, r"at least one model\. Received: none"),
        ({"a": {0: math.nan}}, {"most": 3, "images": 9}, r"finite accuracies\. Received: .* of a"),
    ],
)
def test_what_cannot_race_is_refused(given, options, message):
    with pytest.raises(ValueError, match=message):
        racing.run(given, **options)
