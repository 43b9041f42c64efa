"""The time of a run: predicted, said, and corrected on the way."""

import io

import pytest
from rich.console import Console

from kerasdl.training.forecast import Forecast, Rate, Work, about, is_short
from kerasdl.training.progress import RichProgress

RATES = {"lenet5": Rate(2.0, 0.01, 0.001), "smallnet": Rate(5.0, 0.1, 0.01)}


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def work(name, seed, images=1000, **changes):
    return Work(f"{name}, seed {seed}", name, name, images, **changes)


def works(seeds=1):
    return [work(name, seed) for seed in range(seeds) for name in RATES]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "1 s"),
        (40.4, "40 s"),
        (59.6, "1 min"),
        (251, "4 min 10 s"),
        (299, "5 min"),
        (1510, "25 min"),
        (3599, "1 h"),
        (4800, "1 h 20 min"),
        (100_000, "28 h"),
    ],
)
def test_times_are_said_as_people_say_them(seconds, text):
    assert about(seconds) == text


def test_the_time_of_the_run_is_said_by_model():
    found = Forecast(works(), RATES, rest=8.0)
    assert found.seconds == pytest.approx(2 + 10 + 5 + 100 + 8)
    expected = "About 2 min 05 s on this machine: lenet5 12 s, smallnet 1 min 45 s (1 seed each)"
    assert found.sentence("1 seed each") == expected


def test_a_long_run_says_how_it_is_made_shorter():
    said = Forecast(works(seeds=100), RATES).sentence()
    assert said.startswith("About 3 h 15 min")
    assert "--minutes M" in said
    assert "--minutes" not in Forecast(works(), RATES).sentence()


def test_many_names_are_summed_up():
    many = [work(f"net{number}", 0) for number in range(12)]
    said = Forecast(many, {one.kind: Rate(0, 0.001, 0) for one in many}).sentence()
    assert said.count("net") == 8
    assert said.endswith("4 others 4 s")


def test_what_validation_and_scoring_take_is_counted():
    one = work("smallnet", 0, validated=100, scored=50)
    assert Forecast([one], RATES).seconds == pytest.approx(5 + 100 + 1 + 0.5)


def test_what_is_left_follows_what_was_measured_meanwhile():
    clock = Clock()
    found = Forecast(works(seeds=2), RATES, clock=clock)
    found.begin("lenet5, seed 0")
    # Twice as slow as predicted: 0.02 s for an image, so the other seed's training, too; and all
    # else, since a slow machine is slow for everybody.
    clock.now = 10.0
    assert found.left(10.0, 0.02, 1000) == pytest.approx(10 + 2 * (105 + 12 + 105))
    clock.now = 24.0
    found.end()
    assert found.pending() == pytest.approx(2 * (105 + 12 + 105))
    found.begin("smallnet, seed 0")
    # This one keeps to what was predicted of it.
    assert found.left(50.0, 0.1, 1000) == pytest.approx(50 + 2 * 12 + 105)


def test_what_an_earlier_start_did_is_no_measure():
    clock = Clock()
    found = Forecast(works(seeds=2), RATES, clock=clock)
    found.begin("lenet5, seed 0")
    found.left(1.0, 0.01, 1000, continued=True)
    clock.now = 1.0  # only the end of it was trained here
    found.end()
    assert found.pending() == pytest.approx(105 + 12 + 105)
    found.skip("smallnet, seed 1")
    assert found.pending() == pytest.approx(105 + 12)


def test_a_key_may_end_otherwise_than_was_known():
    winners = [Work("winner", "the winner", "lenet5", 1000)] * 2
    found = Forecast(winners, RATES)
    found.begin("winner [('width', 5)], seed 0")
    assert found.pending() == pytest.approx(12)


def test_a_tiny_run_is_not_measured():
    assert is_short([work("lenet5", 0, images=5000, operations=4e5)])
    assert not is_short([work("smallnet", 0, images=20_000, operations=8e7)])


def lines(forecast, monkeypatch, seconds=1.0):
    """Returns what a log file gets of a training of two epochs of four steps."""
    monkeypatch.setattr("kerasdl.terminal.LINE_SECONDS", 0.0)
    clock = Clock()
    monkeypatch.setattr("kerasdl.training.progress.time.monotonic", clock)
    file = io.StringIO()
    progress = RichProgress(Console(file=file, width=200), "lenet5", 100, 25, forecast)
    progress.set_params({"epochs": 2})
    progress.on_train_begin()
    for epoch in range(2):
        progress.on_epoch_begin(epoch)
        for batch in range(4):
            progress.on_train_batch_begin(batch)
            # The first call traces.
            clock.now += 60.0 if (epoch, batch) == (0, 0) else seconds
            progress.on_train_batch_end(batch, {"loss": 1.5, "accuracy": 0.25})
    progress.on_train_end()
    return file.getvalue().splitlines()


def test_a_log_file_tells_the_time_left_without_what_tracing_took(monkeypatch):
    found = lines(None, monkeypatch)
    assert len(found) == 8
    assert found[1].endswith("25 images/s  loss 1.500  accuracy 25.0 %  6 s left")
    assert found[-2].endswith("1 s left")


def test_a_log_file_tells_the_time_left_of_the_run(monkeypatch):
    rates = {"lenet5": Rate(0.0, 0.04, 0.0), "smallnet": Rate(0.0, 0.4, 0.0)}
    forecast = Forecast([work(name, 0, images=200) for name in rates], rates)
    forecast.begin("lenet5, seed 0")
    found = lines(forecast, monkeypatch)
    assert found[1].endswith("6 s left (whole run 1 min 25 s)")
    forecast = Forecast([work(name, 0, images=200) for name in rates], rates)
    forecast.begin("lenet5, seed 0")
    # Twice as slow here: so will be what follows.
    assert lines(forecast, monkeypatch, 2.0)[1].endswith("12 s left (whole run 2 min 50 s)")
