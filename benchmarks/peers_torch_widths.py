"""Ten perceptrons of several widths in PyTorch: a loop over them, or stacked under `vmap`.

Stacked modules must be alike, so all are padded with zeros to the largest width, which is 1.8
times the work of the widths themselves. A padded unit gives relu(0) = 0 and its weights get
gradients of 0, so that they stay 0 under Adam: no mask is needed, which is one product less.
"""

import torch
import torch.nn.functional as F
from peers_cases import WIDTHS, Case, Job, Outcome, Stopwatch, data, orders
from peers_torch import make_optimizer, train
from peers_torch_models import Perceptron, load, trained
from torch.func import functional_call, grad_and_value, stack_module_state, vmap


def run_widths(case: Case, job: Job) -> Outcome:
    """Trains the ten; the losses are their means."""
    networks = [Perceptron(width) for width in WIDTHS]
    load(networks, job.weights)
    if job.arm == "loop":
        found = [train(network, case, job) for network in networks]
        # Seconds and parameters add up; the losses, an epoch's of each network, are averaged.
        seconds, rest, processor, losses, parameters = zip(*found, strict=True)
        means = [sum(of_epoch) / len(found) for of_epoch in zip(*losses, strict=True)]
        return Outcome(sum(seconds), sum(rest), sum(processor), means, sum(parameters))
    return train_stacked(networks, case, job)


def train_stacked(networks: list[Perceptron], case: Case, job: Job) -> Outcome:
    """Trains all in one call a step: forward and backward pass under `vmap`, one fused Adam."""
    count = sum(parameter.numel() for network in networks for parameter in trained(network))
    padded_networks = [padded(network, max(WIDTHS)) for network in networks]
    images, labels = (torch.from_numpy(array) for array in data(job))
    permutations = [torch.from_numpy(order) for order in orders(job)]
    losses = []
    watch = Stopwatch()
    labels = labels.long()
    stacked, buffers = stack_module_state(padded_networks)
    # The optimizer's own tensors without their graph: `grad` does what is needed of it.
    parameters = {name: value.detach() for name, value in stacked.items()}
    template = padded_networks[0]

    def loss_of(parameters, buffers, x, y):
        logits = functional_call(template, (parameters, buffers), (x,))
        return F.cross_entropy(logits, y), (logits.argmax(1) == y).sum()

    plain = vmap(grad_and_value(loss_of, has_aux=True), in_dims=(0, 0, None, None))
    compiled = torch.compile(plain, dynamic=False) if job.arm == "func-compile" else plain
    optimizer = make_optimizer(list(stacked.values()), case)
    for order in permutations:
        total, right = torch.zeros(len(networks)), torch.zeros(len(networks), dtype=torch.long)
        for batch in order.split(case.batch_size):
            x, y = images.index_select(0, batch), labels.index_select(0, batch)
            step = compiled if len(batch) == case.batch_size else plain
            gradients, (loss, hits) = step(parameters, buffers, x, y)
            for name, gradient in gradients.items():
                stacked[name].grad = gradient
            optimizer.step()
            total += loss * len(batch)
            right += hits
            watch.step()
        losses.append(float(total.mean()) / job.images)
    return watch.stop(losses, count)


def padded(network: Perceptron, width: int) -> Perceptron:
    """Returns a perceptron of `width` units with the same function."""
    wide, units = Perceptron(width), network.hidden.out_features
    with torch.no_grad():
        for parameter in wide.parameters():
            parameter.zero_()
        wide.hidden.weight[:units] = network.hidden.weight
        wide.hidden.bias[:units] = network.hidden.bias
        wide.logits.weight[:, :units] = network.logits.weight
        wide.logits.bias[:] = network.logits.bias
    return wide
