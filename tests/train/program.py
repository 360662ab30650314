"""A small training program with everything that a run has: python -m tests.train.program FOLDER --steps 200

A curriculum that a validation moves, a shuffled deck of data with a position, three generators, an optimiser
with noise and a rate that follows a schedule. `build` gives its parts to tests that run them themselves.
"""

import argparse
import resource
import sys
import time

import numpy as np

from tinyaug.arrays import to_device
from tinyaug.autograd import Tensor
from tinyaug.train.loop import train
from tinyaug.train.optimise import Adam
from tinyaug.train.runs import Run
from tinyaug.train.schedule import cosine

TRUTH = np.array([1.0, -2.0, 0.5, 3.0], np.float32)


class Line:
    """A linear model of four inputs."""

    def __init__(self, width=4):
        self.weight = Tensor(np.zeros(width), True)

    def named_parameters(self):
        yield "weight", self.weight

    def state(self):
        return {"weight": self.weight.numpy().copy()}

    def load(self, state):
        if state["weight"].shape != self.weight.shape:
            raise ValueError(f"weight has shape {state['weight'].shape}, expected {self.weight.shape}")
        self.weight.data[...] = to_device(state["weight"], self.weight.device)


class Deck:
    """32 examples, dealt in an order that is shuffled anew each time round, and a level of difficulty."""

    def __init__(self, rng):
        self.rng, self.order, self.position, self.level = rng, rng.permutation(32), 0, 1

    def deal(self):
        if self.position == len(self.order):
            self.order, self.position = self.rng.permutation(32), 0
        self.position += 1
        return self.order[self.position - 1]

    def state(self):
        return {"order": self.order.copy(), "position": self.position, "level": self.level}

    def load(self, state):
        self.order, self.position, self.level = state["order"], state["position"], state["level"]


def build(width=4, slow=0.0, at=lambda i: None):
    """The parts of the run, as arguments of `train`. slow: seconds that a step sleeps; at: called in each"""
    rngs = {name: np.random.default_rng(seed) for seed, name in enumerate(("data", "noise", "test"))}
    model, deck = Line(width), Deck(rngs["data"])
    optimiser = Adam(model, clip_norm=1.0, noise=0.01, rng=rngs["noise"])
    examples = np.random.default_rng(7).normal(size=(32, width)).astype(np.float32)
    rate = cosine(0.1, 400)

    def step(i):
        x = examples[deck.deal()] + rngs["data"].normal(size=width).astype(np.float32) * 0.01 * deck.level
        error = (model.weight * x).sum() - float(x @ np.resize(TRUTH, width))
        loss = error * error
        optimiser.zero_grad()
        loss.backward()
        optimiser.set_rate(rate(i))
        optimiser.step()
        at(i)
        time.sleep(slow)
        return {"loss": loss.data, "norm": optimiser.norm, "level": deck.level}

    def validate(i):
        deck.level += 1  # a curriculum: what later steps draw depends on it
        x = rngs["test"].normal(size=(16, width)).astype(np.float32)
        return {"loss": float(((x @ (model.weight.numpy() - np.resize(TRUTH, width))) ** 2).mean())}

    return {"step": step, "validate": validate, "rngs": rngs, "best": "loss",
            "stateful": {"model": model, "optimiser": optimiser, "deck": deck},
            "validate_every": 20, "checkpoint_every": 30, "log_every": 7}


def main():
    """Train from the command line, with faults on demand."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--slow", type=float, default=0.0)
    parser.add_argument("--full-after", type=int, help="from this step on no file may exceed 600 bytes")
    asked = parser.parse_args()

    def at(i):
        if asked.slow:
            print(f"in step {i}", flush=True)
        if i == asked.full_after:
            resource.setrlimit(resource.RLIMIT_FSIZE, (600, resource.RLIM_INFINITY))

    with Run(asked.folder, {"seed": 1}, resume=asked.resume) as run:
        outcome = train(run, **build(slow=asked.slow, at=at), steps=asked.steps, quiet=asked.quiet,
                        resume_command=f"python -m tests.train.program {asked.folder} --resume")
    print(f"{outcome.steps} steps")
    sys.exit(outcome.exit_code)


if __name__ == "__main__":
    main()
