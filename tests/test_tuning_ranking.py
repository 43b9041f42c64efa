"""The ranking of trials whose conclusions are known beforehand."""

import dataclasses
import math

import numpy as np
import pytest
from tuning_fakes import IMAGES, execution, noisy, outcome, trial

from kerasdl.evaluation.significance import paired_t
from kerasdl.tuning.one_seed import one_seed
from kerasdl.tuning.one_seed import sentence as one_seed_sentence
from kerasdl.tuning.ranking import Ranking
from kerasdl.tuning.wording import Words, sentence, value

WIDTH = Words(noun="width", plural="widths", key="units")


def rank(outcomes, objective="val_accuracy"):
    return Ranking(outcomes, objective=objective, validation=IMAGES)


def ids(trials):
    return [int(one.outcome.trial_id) for one in trials]


def test_clear_winner_stands_alone():
    # The same images are wrong for every seed; the best has 30 wrong, the others 200 and 300.
    ranking = rank(
        [
            trial(0, {"units": 60}, [300, 302, 298, 301, 299]),
            trial(1, {"units": 120}, [200, 201, 199, 202, 198]),
            trial(2, {"units": 180}, [30, 31, 29, 30, 30]),
        ]
    )
    assert ids(ranking.trials) == [2, 1, 0]
    assert [one.place for one in ranking.trials] == [1, 2, 3]
    assert ranking.tied == []
    assert ranking.simplest("units") is ranking.best
    assert ranking.best.spread.mean == pytest.approx(1 - 30 / IMAGES, abs=1e-6)
    assert ranking.best.spread.std == pytest.approx(math.sqrt(0.5) / IMAGES, rel=1e-2)
    assert sentence(ranking, WIDTH) == (
        "Width 180 has the highest validation accuracy, 98.50 ± 0.04 %, and each of the 2 other "
        "widths is worse beyond noise; the next is width 120 (90.00 ± 0.08 %)."
    )


def test_lead_within_the_noise_of_the_seeds_is_a_tie_although_the_images_disagree():
    # 900 images more wrong in all, but the seeds are not of one mind.
    ranking = rank(
        [
            trial(0, {"units": 60}, [500, 500, 500, 500, 500]),
            trial(1, {"units": 120}, [100, 700, 90, 650, 60]),
        ]
    )
    assert ids(ranking.trials) == [1, 0]
    assert ids(ranking.tied) == [0]
    assert ids([ranking.simplest("units")]) == [0]


def test_lead_within_the_noise_of_the_images_is_a_tie_although_the_seeds_agree():
    # Every seed has one image more right: steady, but one image in 2000.
    ranking = rank([trial(0, {"units": 60}, [41] * 5), trial(1, {"units": 120}, [40] * 5)])
    assert ids(ranking.trials) == [1, 0]
    assert ids(ranking.tied) == [0]
    assert sentence(ranking, WIDTH) == (
        "The differences between widths are noise: width 120 has the highest validation "
        "accuracy, 98.00 ± 0.00 %, but the other width is not worse beyond noise; the smallest "
        "of them is 60 (97.95 ± 0.00 %)."
    )


def test_sentence_counts_the_tied_and_names_the_smallest():
    outcomes = [
        trial(0, {"units": 60}, [300, 301, 299, 300, 302]),
        trial(1, {"units": 120}, [42, 40, 41, 44, 39]),
        trial(2, {"units": 180}, [41, 43, 39, 40, 41]),
        trial(3, {"units": 240}, [40, 41, 42, 39, 40]),
    ]
    assert sentence(rank(outcomes), WIDTH) == (
        "Width 240 has the highest validation accuracy, 97.98 ± 0.06 %, but 2 of the 3 other "
        "widths are tied with it within noise; the smallest of them is 120 (97.94 ± 0.10 %)."
    )


def test_the_p_values_are_adjusted_for_the_comparisons_made():
    best, near = trial(0, {"units": 1}, [50, 52, 51]), trial(1, {"units": 2}, [70, 75, 69])
    alone = rank([best, near]).trials[1].p
    more = [trial(i, {"units": i}, [70, 75, 69]) for i in range(2, 6)]
    among = rank([best, near, *more])
    # One-sided, and larger than the p of the images: 63 of them, all on one side.
    leads = [20 / IMAGES, 23 / IMAGES, 18 / IMAGES]
    assert alone == pytest.approx(paired_t(leads) / 2, rel=1e-3)
    assert [one.p for one in among.trials[1:]] == pytest.approx([5 * alone] * 5)
    # Among how many the best was chosen counts, not how near they came.
    far = [trial(i, {"units": i}, [900 + i, 910, 905]) for i in range(2, 6)]
    assert rank([best, near, *far]).trials[1].p == pytest.approx(5 * alone)
    assert among.trials[0].p == 1


def test_equal_trials_the_earlier_is_better_and_float32_decides_nothing():
    # The same total of wrong answers, in another order of seeds: the means differ by rounding.
    outcomes = [trial(i, {"units": 9 - i}, wrong) for i, wrong in enumerate(_orders())]
    ranking = rank(outcomes)
    assert ids(ranking.trials) == list(range(len(outcomes)))
    assert len(ranking.tied) == len(outcomes) - 1


def _orders():
    return [[41, 7, 333], [7, 333, 41], [381, 0, 0], [127, 127, 127], [1, 379, 1]]


@pytest.mark.parametrize("wrong", [[30], [30, 31]])
def test_with_few_seeds_the_sentence_says_what_is_not_tested(wrong):
    bad = [10 * count for count in wrong]
    ranking = rank([trial(0, {"units": 60}, bad), trial(1, {"units": 120}, wrong)])
    assert ranking.tied == []
    assert "the noise of training is not tested" in sentence(ranking, WIDTH)
    assert ranking.best.spread.std is None or len(wrong) == 2


def test_two_seeds_that_disagree_are_a_tie():
    ranking = rank([trial(0, {"units": 60}, [300, 300]), trial(1, {"units": 120}, [500, 20])])
    assert ids(ranking.trials) == [1, 0]
    assert ids(ranking.tied) == [0]


def test_loss_is_minimised_and_tested_over_the_seeds_alone():
    def with_losses(number, losses):
        runs = [execution(seed, 50, loss=loss) for seed, loss in enumerate(losses)]
        return outcome(number, {"units": 60 * (number + 1)}, runs)

    outcomes = [
        with_losses(0, [0.50, 0.51, 0.49]),
        with_losses(1, [0.101, 0.099, 0.102]),
        with_losses(2, [0.100, 0.102, 0.098]),
    ]
    ranking = rank(outcomes, "val_loss")
    assert ids(ranking.trials) == [2, 1, 0]
    assert ids(ranking.tied) == [1]
    assert sentence(ranking, WIDTH) == (
        "Width 180 has the lowest validation loss, 0.1000 ± 0.0020, but 1 of the 2 other widths "
        "is tied with it within noise; the smallest of them is 120 (0.1007 ± 0.0015). With 3 "
        "seeds only large differences can be told from noise."
    )
    two = [changed(one, executions=one.executions[:2]) for one in outcomes]
    assert ids(rank(two, "val_loss").tied) == [2, 0]
    assert "no difference can be told" in sentence(rank(two, "val_loss"), WIDTH)


def changed(one, **changes):
    import msgspec

    return msgspec.structs.replace(one, **changes)


def test_failed_trials_stand_apart():
    broken = execution(1, 3)
    broken = changed(broken, error="out of memory")
    unfinished = execution(1, 3)
    unfinished.scores["val_accuracy"] = math.nan
    outcomes = [
        trial(0, {"units": 60}, [40, 41, 42]),
        outcome(1, {"units": 120}, [], message="ValueError"),
        # Its other seed would have won.
        outcome(2, {"units": 180}, [execution(0, 1), broken]),
        outcome(3, {"units": 240}, [execution(0, 1), unfinished]),
        outcome(4, {"units": 300}, [execution(0, 1)], message="stopped"),
    ]
    ranking = rank(outcomes)
    assert ids(ranking.trials) == [0]
    assert [one.trial_id for one in ranking.failed] == ["0001", "0002", "0003", "0004"]
    said = sentence(ranking, WIDTH)
    assert "nothing to compare" in said
    assert said.endswith("4 trials failed.")


def test_all_failed():
    ranking = rank([outcome(0, {"units": 60}, [], message="ValueError")])
    assert ranking.trials == []
    assert ranking.tied == []
    assert sentence(ranking, WIDTH) == "No trial was completed. 1 trial failed."
    assert one_seed(ranking) is None
    with pytest.raises(ValueError, match=r"a completed trial\. Received: 1 failed"):
        _ = ranking.best
    with pytest.raises(ValueError, match="a completed trial"):
        ranking.simplest("units")


def test_simplest_by_parameters_and_with_conditional_values():
    outcomes = [
        trial(0, {"kind": "a", "rate": 0.3}, [40, 41, 42], parameters=900),
        trial(1, {"kind": "b"}, [41, 40, 43], parameters=100),
        trial(2, {"kind": "c", "rate": 0.1}, [42, 43, 41], parameters=500),
        trial(3, {"kind": "d", "rate": 0.0}, [900, 901, 905], parameters=1),
    ]
    ranking = rank(outcomes)
    assert ids(ranking.tied) == [1, 2]
    assert ids([ranking.simplest()]) == [1]
    assert ids([ranking.simplest("rate")]) == [2]
    with pytest.raises(ValueError, match="'kind'"):
        ranking.simplest("kind")
    assert "of these kind b has the fewest parameters" in sentence(ranking, Words())


def test_what_single_seeds_would_have_chosen():
    outcomes = [
        trial(0, {"units": 60}, [40, 40, 60]),  # chosen by seed 1, as the earlier of equals
        trial(1, {"units": 120}, [30, 40, 50]),  # best of all, chosen by seed 0
        trial(2, {"units": 180}, [600, 900, 20]),  # chosen by seed 2, by luck
    ]
    ranking = rank(outcomes)
    found = one_seed(ranking)
    assert ids(ranking.trials) == [1, 0, 2]
    assert (found.seeds, found.best, found.chosen) == (3, 1, 3)
    wrong = [[30, 40, 50], [40, 40, 60], [600, 900, 20]]
    gains = [np.mean(one) - at for one, at in zip(wrong, [30, 40, 20], strict=True)]
    assert found.flattery == pytest.approx(np.mean(gains) / IMAGES, abs=1e-6)
    said = one_seed_sentence(ranking, WIDTH)
    assert said.startswith("3 searches with one seed each would have chosen 3 different widths")
    assert "in 1 of 3 the one that is best over all seeds" in said
    assert one_seed(rank([trial(0, {}, [3, 4])])) is None
    assert one_seed(rank([trial(0, {}, [3]), trial(1, {}, [4])])) is None


def test_truly_best_is_rarely_called_worse():
    """Twenty searches of eight equal trials: trial 0 is never left out, few others are."""
    left_out = 0
    for search in range(20):
        rng = np.random.default_rng(search)
        outcomes = [noisy(i, {"units": i}, 0.97, rng=rng, epochs=1) for i in range(8)]
        ranking = rank(outcomes)
        worse = [one for one in ranking.trials if not one.tied]
        assert 0 not in ids(worse)
        left_out += len(worse)
    assert left_out <= 8


def test_trials_without_a_common_seed_are_tied():
    outcomes = [
        outcome(0, {"units": 60}, [execution(5, 900)]),
        outcome(1, {"units": 120}, [execution(6, 1)]),
    ]
    ranking = rank(outcomes)
    assert ids(ranking.tied) == [0]
    assert "Without common seeds" in sentence(ranking, WIDTH)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="Received: 'f1'"):
        Ranking([], objective="f1", validation=3)
    with pytest.raises(ValueError, match="at least one validation image"):
        Ranking([], validation=0)
    assert sentence(rank([]), WIDTH) == "There was no trial."


def test_values_for_people():
    shown = [value(one) for one in (480, 1e-5, 0.30000000000000004, True, False, None, "relu")]
    assert shown == ["480", "1e-5", "0.3", "yes", "no", "–", "relu"]
    words = Words(describe=lambda values: f"L2 {values['s']:g}")
    assert words.name({"s": 0.5}) == "L2 0.5"
    assert Words().name({"units": 60, "tuner/bracket": 2}) == "units 60"
    assert dataclasses.replace(words, describe=None, key="s").name({"s": 0.5}) == "setting 0.5"
