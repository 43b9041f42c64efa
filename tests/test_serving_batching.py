"""Batches: whose answer is whose, caps, deadlines, cancelled and poisonous requests."""

import asyncio
import threading
import time

import numpy as np
import pytest
from patience import PATIENCE

from kerasdl.serving import dtypes
from kerasdl.serving.batching import Batcher
from kerasdl.serving.errors import Failure
from kerasdl.serving.signatures import Signature, Spec

FLOAT = dtypes.from_number(1)


class Doubling(Signature):
    """Doubles rows; refuses a batch with a negative one. Notes the sizes of its batches.

    Args:
        seconds: How long a call takes.
    """

    def __init__(self, seconds=0.0):
        self.name = "serving_default"
        self.inputs = {"x": Spec("x", FLOAT, (None, None))}
        self.outputs = {"y": Spec("y", FLOAT, (None, None))}
        self.batchable = True
        self.sizes = []
        self.calls = 0
        self.seconds = seconds
        self.together = 0
        self.most_together = 0
        self.gate = threading.Event()  # a test that holds the worker clears it
        self.gate.set()

    async def hold(self, asked):
        """Holds the worker with one request until the gate is set; returns the request."""
        self.gate.clear()
        first = asyncio.ensure_future(asked)
        while not self.together:
            await asyncio.sleep(0.001)
        return first

    def run(self, arrays):
        x = arrays["x"]
        self.together += 1
        self.most_together = max(self.most_together, self.together)
        assert self.gate.wait(PATIENCE)
        time.sleep(self.seconds)
        self.together -= 1
        self.calls += 1
        if (x < 0).any():
            raise ValueError("a negative row")
        self.sizes.append(len(x))
        return {"y": 2 * x}


class Model:
    """What a batcher needs of a servable."""

    model = "doubling"

    def __init__(self):
        self.leases = 0


def batcher(**changes):
    settings = {"workers": 1, "batch_size": 8, "max_pixels": 100, "pad": False}
    return Batcher(observe=lambda *_: None, **{**settings, **changes})


async def ask(queue, signature, value, *, rows=1, width=1, pixels=0, seconds=PATIENCE, model=None):
    x = np.full((rows, width), value, np.float32)
    deadline = time.monotonic() + seconds
    return await queue.run(model or Model(), signature, {"x": x}, rows, pixels, deadline)


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, PATIENCE))


def test_every_reply_belongs_to_its_request():
    async def main():
        queue, signature, model = batcher(workers=3), Doubling(0.0005), Model()
        generator = np.random.default_rng(0)

        async def one(number):
            await asyncio.sleep(generator.uniform(0, 0.2))
            rows, width = 1 + number % 3, 1 + number % 2
            answer = await ask(queue, signature, number, rows=rows, width=width, model=model)
            assert answer["y"].shape == (rows, width)
            assert (answer["y"] == 2 * number).all()

        await asyncio.gather(*map(one, range(2000)))
        await queue.close()
        assert model.leases == queue.waiting == 0
        assert sum(signature.sizes) == sum(1 + number % 3 for number in range(2000))
        assert max(signature.sizes) <= 8
        assert signature.most_together > 1

    run(main())


def test_a_batch_starts_as_soon_as_a_worker_is_free_and_takes_what_waits():
    async def main():
        queue, signature = batcher(), Doubling()
        first = await signature.hold(ask(queue, signature, 1))
        rest = [asyncio.ensure_future(ask(queue, signature, n)) for n in range(20)]
        while queue.waiting < 20:
            await asyncio.sleep(0.001)
        signature.gate.set()
        await asyncio.gather(first, *rest)
        await queue.close()
        assert signature.sizes == [1, 8, 8, 4]

    run(main())


def test_a_large_request_goes_in_parts():
    async def main():
        queue, signature = batcher(), Doubling()
        x = np.arange(20, dtype=np.float32).reshape(20, 1)
        answer = await queue.run(Model(), signature, {"x": x}, 20, 0, time.monotonic() + PATIENCE)
        np.testing.assert_array_equal(answer["y"], 2 * x)
        await queue.close()
        assert signature.sizes == [8, 8, 4]

    run(main())


def test_a_poisonous_request_leaves_its_batch_mates_alone():
    async def main():
        queue, signature = batcher(), Doubling(0.01)
        asked = [ask(queue, signature, -1 if n in (3, 12) else n) for n in range(20)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        await queue.close()
        for number, answer in enumerate(answers):
            if number in (3, 12):
                assert isinstance(answer, Failure)
                assert "a negative row" in answer.message
            else:
                assert (answer["y"] == 2 * number).all()
        # Halving finds one among eight in at most seven further calls.
        assert signature.calls <= 3 + 2 * 6

    run(main())


def test_requests_whose_client_left_or_whose_time_is_up_do_not_run():
    async def main():
        queue, signature, model = batcher(), Doubling(), Model()
        running = await signature.hold(ask(queue, signature, 1, model=model))
        left = asyncio.ensure_future(ask(queue, signature, 2, model=model))
        late = asyncio.ensure_future(ask(queue, signature, 3, seconds=0.03, model=model))
        stays = asyncio.ensure_future(ask(queue, signature, 4, model=model))
        await asyncio.sleep(0.01)
        left.cancel()
        with pytest.raises(Failure) as caught:
            await late
        assert caught.value.http == 504
        assert not running.done()  # it did not wait for the batch
        signature.gate.set()
        await asyncio.gather(running, stays)
        await queue.close()
        assert signature.sizes == [1, 1]
        assert model.leases == queue.waiting == 0

    run(main())


def test_the_pixels_of_a_batch_are_capped():
    async def main():
        queue, signature = batcher(), Doubling(0.02)
        asked = [ask(queue, signature, n, pixels=40) for n in range(6)]
        await asyncio.gather(*asked)
        await queue.close()
        assert signature.sizes == [2, 2, 2]

    run(main())


def test_padding_goes_up_to_a_power_of_two_and_off_again():
    async def main():
        queue, signature = batcher(pad=True), Doubling(0.02)
        answers = await asyncio.gather(*(ask(queue, signature, n) for n in range(5)))
        await queue.close()
        assert signature.sizes == [8]
        assert [answer["y"].tolist() for answer in answers] == [[[2 * n]] for n in range(5)]

    run(main())


class Total(Doubling):
    """Its single row is no example's: requests must not be put together, nor in parts."""

    def run(self, arrays):
        return {"y": super().run(arrays)["y"].sum(0, keepdims=True)}


@pytest.mark.parametrize("pad", [False, True])
def test_rows_that_are_not_examples_are_not_batched(pad):
    async def main():
        queue, signature = batcher(pad=pad), Total(0.01)
        answers = await asyncio.gather(*(ask(queue, signature, n, rows=3) for n in range(4)))
        await queue.close()
        assert [answer["y"].tolist() for answer in answers] == [[[6 * n]] for n in range(4)]

    run(main())


def test_a_large_request_whose_rows_are_not_examples_stays_whole():
    async def main():
        queue = batcher()
        answer = await ask(queue, Total(), 1, rows=20)
        await queue.close()
        assert answer["y"].tolist() == [[40.0]]

    run(main())


def test_health_sees_a_stuck_and_a_dead_worker():
    async def main():
        queue, signature = batcher(), Doubling()
        assert queue.healthy(PATIENCE)
        running = await signature.hold(ask(queue, signature, 1))
        while queue.healthy(0.1):
            await asyncio.sleep(0.01)
        assert queue.healthy(PATIENCE)
        signature.gate.set()
        await running
        assert queue.healthy(0.1)
        await queue.close()
        assert not queue.healthy(PATIENCE)

    run(main())


def test_lanes_take_turns():
    async def main():
        queue, one, two = batcher(batch_size=2), Doubling(0.005), Doubling(0.005)
        order = []

        async def tell(name, signature):
            await ask(queue, signature, 1)
            order.append(name)

        many = [tell("one", one) for _ in range(10)]
        await asyncio.gather(*many, tell("two", two))
        await queue.close()
        assert order.index("two") <= 4

    run(main())


def test_no_thread_is_left():
    before = threading.active_count()
    run(main_close())
    assert threading.active_count() == before


async def main_close():
    queue = batcher(workers=4)
    await ask(queue, Doubling(), 1)
    await queue.close()
