"""A training step of the Neural Turing Machine on the copy task: forward, backward and RMSProp's update.

T = 20 vectors, so 41 time steps; memory 128 x 20, an LSTM of 100, one read and one write head: the model, the loss and
the recipe of tasks/copy.py as they stand there, run eagerly and recorded.
"""

import numpy as np

from tasks import copy as task
from tests.bench.measure import Contender, compare
from tinyaug import Tensor, ops
from tinyaug.nn import unroll
from tinyaug.record import record
from tinyaug.record.recomputed import recomputed

RATE = 1e-4
SEGMENT = 8        # time steps; fewer than sqrt(241), as the program of a segment takes memory, too


def sizes(options, **changed):
    """The task's own configuration; a smaller one to see that everything runs."""
    small = {"slots": 8, "width": 4, "hidden": 6, "max_length": 3} if options.quick else {}
    return task.NTM | {"model": "ntm", "rate": RATE} | small | changed


def data(config, batch):
    return task.copy(np.random.default_rng(0), batch, config["max_length"], config["bits"])


def build(config):
    """The model with its weights, the same ones every time."""
    return task.build(config, np.random.default_rng(1))


def eager(config, inputs, targets):
    """The plain definition, run op by op."""
    model = build(config)
    optimiser = task.optimiser(config, model)

    def step():
        optimiser.zero_grad()
        task.loss(model, Tensor(inputs), Tensor(targets))[0].backward()
        optimiser.step()
        return {name: p.grad for name, p in model.named_parameters()}

    return step


def recorded(config, inputs, targets, passes=None, reuse=True):
    """The same definition, recorded: forward, backward and update are one program."""
    model = build(config)
    optimiser = task.optimiser(config, model)

    def train(inputs, targets):
        optimiser.zero_grad()
        loss = task.loss(model, inputs, targets)[0]
        loss.backward()
        optimiser.measure()
        optimiser.advance()
        return loss

    train = record(train, passes, reuse)
    gradients, start = {}, 0
    for name, p in model.named_parameters():           # the vector that `measure` fills, cut into its parameters
        gradients[name] = optimiser.gradient[start:start + p.size].reshape(p.shape)
        start += p.size
    inputs, targets = Tensor(inputs), Tensor(targets)

    def step():
        train(inputs, targets)
        return gradients

    step.recorded = train
    return step


def in_segments(config, inputs, targets):
    """The plain definition in segments of time steps, whose inside the backward pass computes again."""
    model = build(config)
    optimiser = task.optimiser(config, model)
    segment = recomputed(lambda xs, state: unroll(model, xs, state), model.parameters())
    inputs, targets = Tensor(inputs), Tensor(targets)

    def step():
        optimiser.zero_grad()
        state, outputs = model.initial_state(inputs.shape[1]), []
        for start in range(0, len(inputs), SEGMENT):
            y, state = segment(inputs[start:start + SEGMENT], state)
            outputs.append(y)
        outputs = ops.concatenate(outputs, axis=0)[-len(targets):]
        ops.binary_cross_entropy_with_logits(outputs, targets).backward()
        optimiser.step()
        return {name: p.grad for name, p in model.named_parameters()}

    return step


def ours(config, inputs, targets):
    return [Contender("tinyaug eager", eager(config, inputs, targets)),
            Contender("tinyaug recorded", recorded(config, inputs, targets)),
            Contender("tinyaug in segments", in_segments(config, inputs, targets))]


def theirs(kind, name, config, inputs, targets):
    """One of the models of torch_ntm.py, with our weights."""
    from tests.bench import torch_ntm
    model = getattr(torch_ntm, kind)(build(config).state(), config["read_heads"])
    return Contender(name, torch_ntm.training_step(model, inputs, targets, RATE, config["clip_value"]),
                     lambda model: model.gradients())


def run(case, options):
    config = sizes(options)
    inputs, targets = data(config, int(case.removeprefix("batch ")))
    torch = [theirs("SeparateHeads", "PyTorch, a head at a time", config, inputs, targets),
             theirs("TorchNTM", "PyTorch, heads merged", config, inputs, targets),
             theirs("TunedNTM", "PyTorch tuned", config, inputs, targets)]
    return compare(torch + ours(config, inputs, targets), options.quick)
