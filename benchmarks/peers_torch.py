"""The PyTorch side of `peers.py`: the usual loop at its best on a processor.

Images rest as one uint8 tensor, a batch is an `index_select` (no DataLoader), convolutions are
in `channels_last`, the optimizer is the fused one, gradients are set to None, and PyTorch gets
as many threads as there are cores, or one where the arm says so. As the engine does, the loop
adds up loss and accuracy; nothing is fetched before an epoch ends.
"""

import contextlib
import importlib

import torch
import torch.nn.functional as F
from peers_cases import CASES, Case, Job, Outcome, Stopwatch, data, orders
from peers_torch_models import NETWORKS, load, trained


def run(job: Job) -> Outcome:
    """Does a job of an arm of PyTorch's in this process."""
    torch.manual_seed(0)
    torch.set_num_threads(job.threads)
    # Imports are nobody's training time: an optimizer does the first, `torch.compile` both.
    for name in ("torch._dynamo", "torch._inductor.compile_fx"):
        importlib.import_module(name)
    # "eager-1" is "eager" with other threads.
    case, job = CASES[job.case], job._replace(arm=job.arm.removesuffix("-1"))
    if case.kind == "widths":
        from peers_torch_widths import run_widths

        return run_widths(case, job)
    if case.kind == "features":
        from peers_torch_features import run_features

        return run_features(case, job)
    model = NETWORKS[case.network]()
    load([model], job.weights)
    return train(model, case, job)


def train(model: torch.nn.Module, case: Case, job: Job) -> Outcome:
    """Trains a model, compiled where the arm says so."""
    model.to(memory_format=torch.channels_last).train()
    autocast = precision(job)

    def loss_of(x, y):
        with autocast():
            logits = model(x)
        logits = logits.float()
        return F.cross_entropy(logits, y), (logits.argmax(1) == y).sum()

    compiled = torch.compile(loss_of, dynamic=False) if job.arm == "compile" else loss_of
    images, labels = (torch.from_numpy(array) for array in data(job))
    permutations = [torch.from_numpy(order) for order in orders(job)]
    losses = []
    watch = Stopwatch()
    labels = labels.long()
    optimizer = make_optimizer(trained(model), case)
    for order in permutations:
        total, right = torch.zeros(()), torch.zeros((), dtype=torch.long)
        for batch in order.split(case.batch_size):
            x, y = images.index_select(0, batch), labels.index_select(0, batch)
            # An epoch's last, smaller batch goes through the plain model: to compile once more
            # for its size would take longer.
            step = compiled if len(batch) == case.batch_size else loss_of
            loss, hits = step(x, y)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(batch)
            right += hits
            watch.step()
        losses.append(float(total) / job.images)
        float(right)
    return watch.stop(losses, sum(parameter.numel() for parameter in trained(model)))


def make_optimizer(parameters, case: Case) -> torch.optim.Optimizer:
    """Returns the case's optimizer with Keras's settings, as one kernel for all parameters."""
    if case.optimizer == "adam":
        return torch.optim.Adam(parameters, case.learning_rate, eps=1e-7, fused=True)
    return torch.optim.SGD(parameters, case.learning_rate, momentum=0.9, nesterov=True, fused=True)


def precision(job: Job):
    """Returns a function that makes the context in which the model is called."""
    if job.precision == "bfloat16":
        return lambda: torch.autocast("cpu", torch.bfloat16)
    return contextlib.nullcontext
