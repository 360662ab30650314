"""A plain definition in tinyaug as two contenders: run op by op, and recorded."""

from tests.bench.measure import Contender
from tinyaug import Tensor
from tinyaug.record import record


def eager_and_recorded(loss, inputs, model=None, constants=()):
    """Forward and backward of `loss(*inputs, *constants)`, a Tensor of one number.

    inputs: {name: array} whose gradients are wanted, as those of all parameters of `model` are
    """
    named = dict(model.named_parameters()) if model is not None else {}
    tensors = [Tensor(x, requires_grad=True) for x in inputs.values()] + [Tensor(x) for x in constants]

    def step(*tensors):
        wanted = named | dict(zip(inputs, tensors))
        for x in wanted.values():
            x.grad = None
        loss(*tensors).backward()
        return {name: x.grad for name, x in wanted.items() if x.grad is not None}

    recorded = record(step)
    return [Contender("tinyaug eager", lambda: step(*tensors)),
            Contender("tinyaug recorded", lambda: recorded(*tensors))]


def torch_step(loss, wanted):
    """The same in PyTorch: loss() -> a tensor; wanted: {name: leaf}. returns: a step that returns {name: gradient}"""
    def step():
        for x in wanted.values():
            x.grad = None
        loss().backward()
        return {name: x.grad for name, x in wanted.items()}

    return step
