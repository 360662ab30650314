"""Long sequences in little memory: a function as one op that keeps its arguments, and not what happened inside."""

from __future__ import annotations

from tinyaug.autograd import as_tensor, is_tracking, no_grad, node_of, recorder, tracking
from tinyaug.backward import backpropagate
from tinyaug.record import record
from tinyaug.tensor import Tensor

__all__ = ["recomputed"]


def recomputed(function, parameters=()):
    """`function` as one op; the backward pass computes it a second time instead of remembering its inside.

    Cut T time steps into segments of s: what is kept are T / s states and the inside of one segment. That is least for
    s = sqrt(T), so memory grows with the square root of T, for the price of one more forward pass (Chen et al. 2016,
    "Training deep nets with sublinear memory cost", section 4.1; Gruslys et al. 2016 for recurrent networks). Both passes
    are recorded, and segments of one shape share their programs.

        segment = recomputed(lambda xs, state: unroll(core, xs, state), core.parameters())
        for xs in segments_of_the_inputs:
            ys, state = segment(xs, state)

    function:   Tensors and nests of them (tuples, lists, NamedTuples) in and out; what `record` asks of it holds here too
    parameters: the leaves to which gradients go from inside it
    raises:     RecordError as `record`; NotImplementedError where the gradient itself is to be differentiated
    """
    return Recomputed(function, tuple(parameters))


class Recomputed:
    """What `recomputed` returns. To the tape it is an op. programs: those of the forward pass, and of each backward pass"""

    __name__ = "recomputed"
    constant: frozenset = frozenset()      # none of its inputs is an index

    def __init__(self, function, parameters):
        self.function, self.parameters = function, parameters
        self.shape_of = {}                 # what went in, without the Tensors -> what came out, without the Tensors
        self.programs = {}

    def __call__(self, *arguments):
        if recorder() is not None:         # a part of a larger program
            return self.function(*arguments)
        leaves, nest = flatten(arguments)
        inputs = tuple([as_tensor(leaf) for leaf in leaves])
        tracked = is_tracking() and any(x.requires_grad for x in (*inputs, *self.parameters))
        results = self._program(nest, None)(*[x.detach() for x in inputs])
        vjp = (lambda *cotangents: self._gradients(nest, inputs, cotangents)) if tracked else None
        made = node_of(self, (*inputs, *self.parameters), tuple([x.data for x in results]), vjp)
        return rebuild(self.shape_of[nest], iter(made))

    def _program(self, nest, wanted):
        """Recorded: from inputs to outputs, or with `wanted`, a bool an input, from inputs and cotangents to gradients."""
        if (nest, wanted) not in self.programs:
            run = self._forward(nest) if wanted is None else self._backward(nest, wanted)
            self.programs[nest, wanted] = record(run)
        return self.programs[nest, wanted]

    def _forward(self, nest):
        def forward(*inputs):
            with no_grad():
                outputs, self.shape_of[nest] = flatten(self.function(*rebuild(nest, iter(inputs))))
                return outputs
        return forward

    def _backward(self, nest, wanted):
        def backward(*given):
            inputs, cotangents = given[:len(wanted)], given[len(wanted):]
            with tracking(True):           # a backward pass, in which this runs, leaves no Nodes
                outputs = flatten(self.function(*rebuild(nest, iter(inputs))))[0]
            pairs = [(y, g) for y, g in zip(outputs, cotangents) if y.requires_grad]
            leaves = [x for x, want in zip(inputs, wanted) if want] + [p for p in self.parameters if p.requires_grad]
            return backpropagate(*zip(*pairs), leaves, False, False)
        return backward

    def _gradients(self, nest, inputs, cotangents):
        wanted = tuple([x.requires_grad for x in inputs])
        leaves = [Tensor(x.data, want, x.dtype) for x, want in zip(inputs, wanted)]
        found = iter(self._program(nest, wanted)(*leaves, *cotangents))
        return tuple([next(found) if x.requires_grad else None for x in (*inputs, *self.parameters)])

    def body(self, *_, **__):
        raise NotImplementedError("recomputed: its gradient cannot be differentiated; call the function itself for that")


def flatten(nest):
    """(the Tensors of a nest, the nest with None in their places)"""
    if not isinstance(nest, (tuple, list)):
        return [nest], None
    parts = [flatten(part) for part in nest]
    return [leaf for leaves, _ in parts for leaf in leaves], (type(nest), *[rest for _, rest in parts])


def rebuild(rest, leaves):
    """The other way round: the nest with the next Tensors in it."""
    if rest is None:
        return next(leaves)
    kind, *parts = rest
    parts = [rebuild(part, leaves) for part in parts]
    return kind(*parts) if hasattr(kind, "_fields") else kind(parts)
