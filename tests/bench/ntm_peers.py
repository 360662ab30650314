"""The same training step as in ntm.py by others, each in a process of its own with PyTorch and ours recorded.

A case is "NAME, batch B". pytorch-ntm runs as published, from a checkout that the user names (--pytorch-ntm PATH); its
equations are its own, so its gradients cannot be compared and only the sizes are the same.
"""

import sys

from tests.bench import numpy_ntm
from tests.bench.machine import Missing
from tests.bench.measure import Contender, compare
from tests.bench.ntm import RATE, build, data, recorded, sizes, theirs

SECONDS = 8.0        # a case: there are many of them


def run(case, options):
    name, batch = case.split(", batch ")
    config = sizes(options)
    inputs, targets = data(config, int(batch))
    peer = PEERS[name](name, options, config, inputs, targets)
    torch = theirs("TorchNTM", "PyTorch, heads merged", config, inputs, targets)
    return compare([torch, peer, Contender("tinyaug recorded", recorded(config, inputs, targets))],
                   options.quick, SECONDS)


def compiled(name, options, config, inputs, targets):
    if "compile" in options.skip:
        raise Missing("skipped")
    return theirs("CompiledNTM", name, config, inputs, targets)


def autograd(name, options, config, inputs, targets):
    return Contender(name, installed(numpy_ntm.with_autograd, config, inputs, targets))


def jax(name, options, config, inputs, targets):
    return Contender(name, installed(numpy_ntm.with_jax, config, inputs, targets))


def installed(make, config, inputs, targets):
    try:
        return make(build(config).state(), inputs, targets, RATE, config["clip_value"])
    except ModuleNotFoundError as error:
        raise Missing(f"{error.name} is not installed") from None


def published(name, options, config, inputs, targets):
    """Its model and its way to train: the input first, then as many steps without, as in its train.py."""
    if options.pytorch_ntm is None:
        raise Missing("give its checkout with --pytorch-ntm PATH")
    import torch
    sys.path.insert(0, str(options.pytorch_ntm))
    from ntm.aio import EncapsulatedNTM
    net = EncapsulatedNTM(config["bits"] + 1, config["bits"], config["hidden"], 1, 1, config["slots"], config["width"])
    optimiser = torch.optim.RMSprop(net.parameters(), lr=RATE, alpha=0.95, momentum=0.9)
    x, y = torch.tensor(inputs[:len(targets) + 1]), torch.tensor(targets)

    def step():
        optimiser.zero_grad()
        net.init_sequence(x.shape[1])
        for row in x:
            net(row)
        outputs = torch.zeros(y.shape)
        for i in range(len(y)):
            outputs[i], _ = net()
        torch.nn.functional.binary_cross_entropy(outputs, y).backward()
        torch.nn.utils.clip_grad_value_(net.parameters(), config["clip_value"])
        optimiser.step()

    return Contender(name, step, read=None)


PEERS = {"torch.compile": compiled, "HIPS autograd": autograd, "jax.jit": jax, "pytorch-ntm": published}
