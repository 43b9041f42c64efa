"""Features of a frozen VGG16 in PyTorch: `inference_mode`, `channels_last`, batches of a case."""

import time

import torch
import torch._inductor.config
from peers_cases import Case, Job, Outcome, Stopwatch, data
from peers_torch_models import Features, load


def run_features(case: Case, job: Job) -> Outcome:
    """Passes all images through; the second pass is the rest."""
    model = Features()
    load([model], job.weights)
    model.to(memory_format=torch.channels_last).eval()
    if job.arm == "compile":
        # Frozen weights are constants that it may bring into oneDNN's order once.
        torch._inductor.config.freezing = True
        compute = torch.compile(model, dynamic=False)
    else:
        compute = model
    images = torch.from_numpy(data(job)[0])

    def features():
        with torch.inference_mode():
            return torch.cat([compute(batch) for batch in images.split(case.batch_size)])

    watch = Stopwatch()
    found = features()
    count = sum(parameter.numel() for parameter in model.parameters())
    outcome = watch.stop([float(found.abs().mean())], count)
    started = time.perf_counter()
    features()
    return outcome._replace(rest=time.perf_counter() - started)
