"""Optimisers: each is its equation, on one flat vector that holds every parameter.

At construction an optimiser lays the parameters out one after the other in `flat`, and makes each
`parameter.data` a view into it. So a rule is a line or two on whole vectors, however many parameters there
are. From then on a parameter is only written in place (`parameter.data[...] =`), as `Module.load` does.

Whatever changes from step to step, step count and rate included, is an array that is written in place, and no
line looks at an array's value: each step is the same sequence of array calls.

    optimiser = RMSProp(model, rate=1e-4, clip_value=10)
    optimiser.zero_grad(); loss.backward(); optimiser.step()
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinyaug.arrays import array_module, device_of, to_device, to_host
from tinyaug.autograd import recorder
from tinyaug.tensor import Tensor


class Optimiser:
    """What all rules share: the flat layout, the gradient's norm, clipping, noise, and state to save.

    model:      has named_parameters(), or is a mapping from names to Tensors; of one dtype, on one device
    rate:       the learning rate; see `set_rate`
    clip_value: the largest magnitude of a gradient's component, as in Graves 2013
    clip_norm:  the largest norm of the gradient as a whole, after clip_value (Pascanu et al. 2013)
    noise:      eta of Gaussian noise of variance eta / (1 + t)^0.55 at step t = 0, 1, ..., added to the
                clipped gradient, drawn from `rng` (Neelakantan et al. 2015, "Adding gradient noise", eq. 1)
    raises:     ValueError for no parameters, mixed dtypes or devices, or noise without rng

    flat:       all parameters, one after the other; gradient: theirs, in that order, as `measure` gathered them
    norm:       the gradient's, before clipping; count: steps taken. Both are 0-d arrays
    measured:   True between `measure` and the step that uses it
    """

    slots: tuple[str, ...] = ()  # the vectors that a rule remembers, zeros at first

    def __init__(self, model: Any, rate: float, *, clip_value: float | None = None,
                 clip_norm: float | None = None, noise: float | None = None,
                 rng: np.random.Generator | None = None):
        named = model if isinstance(model, Mapping) else dict(model.named_parameters())
        self.parameters: list[Tensor] = list(named.values())
        kinds = sorted({f"{parameter.dtype} on {parameter.device}" for parameter in self.parameters})
        if len(kinds) != 1:
            raise ValueError(f"optimiser: got parameters of {' and '.join(kinds) or 'no kind'}, expected one "
                             "dtype on one device")
        if noise is not None and rng is None:
            raise ValueError("optimiser: noise needs rng, a NumPy Generator that the checkpoint holds too")
        self.clip_value, self.clip_norm, self.noise, self.rng = clip_value, clip_norm, noise, rng
        self.xp = xp = array_module(self.parameters[0].data)
        self.flat = xp.concatenate([parameter.data.reshape(-1) for parameter in self.parameters])
        start = 0
        for parameter in self.parameters:
            parameter.data = self.flat[start:start + parameter.size].reshape(parameter.shape)
            start += parameter.size
        self.count = self._zeros(())  # of steps taken; exact up to 2^24 in float32
        self.rate = self._zeros(())
        self.set_rate(rate)
        for name in self.slots:
            setattr(self, name, self._zeros(self.flat.shape))
        self.gradient = self._zeros(self.flat.shape)
        self.norm = self._zeros(())
        self.nothing = self._zeros(self.flat.shape)     # the gradient of parameters that the loss does not reach
        self.measured = False

    def set_rate(self, rate: float) -> None:
        """The learning rate from here on."""
        self.rate[...] = rate

    def zero_grad(self) -> None:
        """Forget the gradients, so that the next backward starts from none."""
        self.measured = False
        for parameter in self.parameters:
            parameter.grad = None

    def measure(self) -> Any:
        """Gather the gradients into the vector `gradient`. returns: its norm before any clipping, a 0-d array"""
        with self._recorded():
            g = self.xp.concatenate([self.nothing[:p.size] if p.grad is None else p.grad.data.reshape(-1)
                                     for p in self.parameters])
            self.xp.copyto(self.gradient, g)
            self.xp.copyto(self.norm, self._norm(g))
        self.measured = True
        return self.norm

    def step(self) -> None:
        """One update of all parameters from their gradients (gathered anew, unless `measure` just did)."""
        if not self.measured:
            self.measure()
        self.measured = False
        self.advance()

    def advance(self) -> None:
        """The update from the vector `gradient`: array calls alone, so it can be recorded."""
        with self._recorded():
            g = self._clip(self.gradient)
            if self.noise is not None:
                # power, not **: on a 0-d array NumPy's ** takes another path, whose last bit differs
                variance = self.noise / self.xp.power(1.0 + self.count, 0.55)
                g = g + self.xp.sqrt(variance) * self._draw()
            self.xp.copyto(self.count, self.count + 1.0)
            self.update(g)

    @contextmanager
    def _recorded(self) -> Iterator[None]:
        """While a recorder is at work, the optimiser's arrays are arrays of its program."""
        at_work = recorder()
        names = ("flat", "gradient", "norm", "nothing", "count", "rate", *self.slots) if at_work is not None else ()
        own = {name: getattr(self, name) for name in names}
        for name, array in own.items():
            setattr(self, name, at_work.capture(array))
        try:
            yield
        finally:
            for name, array in own.items():
                setattr(self, name, array)

    def update(self, g: Any) -> None:
        """The rule. g: the gradient as it shall be used, of the shape of `flat`"""
        raise NotImplementedError

    def state(self) -> dict[str, np.ndarray]:
        """All but the parameters, which are the model's to save: step count, rate, and the rule's vectors."""
        return {name: np.array(to_host(getattr(self, name))) for name in ("count", "rate", *self.slots)}

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Take back what `state` gave. raises: ValueError for other names or shapes; then nothing changed"""
        own = {name: getattr(self, name) for name in ("count", "rate", *self.slots)}
        got = {name: np.shape(array) for name, array in state.items()}
        expected = {name: array.shape for name, array in own.items()}
        if got != expected:
            raise ValueError(f"{type(self).__name__}: got state {got}, expected {expected}")
        for name, array in own.items():
            array[...] = self._to_device(state[name])

    def _clip(self, g: Any) -> Any:
        """The gradient within clip_value, element by element, then within clip_norm as a whole."""
        if self.clip_value is not None:
            g = self.xp.clip(g, -self.clip_value, self.clip_value)
        if self.clip_norm is not None:  # times 1 up to the bound and bound / norm above it, without a branch
            g = g * (self.clip_norm / self.xp.maximum(self._norm(g), self.clip_norm))
        return g

    def _norm(self, g: Any) -> Any:
        return self.xp.sqrt(g.reshape((1, -1)) @ g).reshape(())

    def _draw(self) -> Any:
        assert self.rng is not None
        return self._to_device(self.rng.standard_normal(self.flat.shape))

    def _zeros(self, shape: tuple[int, ...]) -> Any:
        return self.xp.zeros(shape, dtype=self.flat.dtype)

    def _to_device(self, array: np.ndarray) -> Any:
        return to_device(np.asarray(array, self.flat.dtype), device_of(self.flat))


class SGD(Optimiser):
    """Gradient descent: w <- w - rate g."""

    def update(self, g: Any) -> None:
        self.xp.copyto(self.flat, self.flat - self.rate * g)


class Momentum(Optimiser):
    """Gradient descent with a velocity (Polyak 1964).

        v <- momentum v - rate g
        w <- w + v
    """

    slots = ("velocity",)
    velocity: Any

    def __init__(self, model: Any, rate: float, *, momentum: float = 0.9, **options: Any):
        super().__init__(model, rate, **options)
        self.momentum = momentum

    def update(self, g: Any) -> None:
        self.xp.copyto(self.velocity, self.momentum * self.velocity - self.rate * g)
        self.xp.copyto(self.flat, self.flat + self.velocity)


class RMSProp(Optimiser):
    """RMSProp in Graves's form: steps are divided by the gradient's standard deviation, not its magnitude.

        n <- decay n + (1 - decay) g^2                                       Graves 2013 eqs. (38)-(45)
        m <- decay m + (1 - decay) g
        d <- momentum d - rate g / sqrt(n - m^2 + epsilon)
        w <- w + d

    epsilon: 1e-4 in the paper, inside the root; the step is at most rate / sqrt(epsilon) g
    centred: with False m stays 0: the plain form of Tieleman and Hinton 2012, whose steps stay small where the gradient
             keeps one direction
    """

    slots = ("squares", "means", "delta")
    squares: Any
    means: Any
    delta: Any

    def __init__(self, model: Any, rate: float = 1e-4, *, decay: float = 0.95, momentum: float = 0.9,
                 epsilon: float = 1e-4, centred: bool = True, **options: Any):
        super().__init__(model, rate, **options)
        self.decay, self.momentum, self.epsilon, self.centred = decay, momentum, epsilon, centred

    def update(self, g: Any) -> None:
        xp = self.xp
        xp.copyto(self.squares, self.decay * self.squares + (1 - self.decay) * (g * g))
        variance = self.squares
        if self.centred:
            xp.copyto(self.means, self.decay * self.means + (1 - self.decay) * g)
            # a variance is never negative, its rounding error may be: without the bound, large steady g give NaN
            variance = xp.maximum(self.squares - self.means * self.means, 0.0)
        xp.copyto(self.delta, self.momentum * self.delta - self.rate * g / xp.sqrt(variance + self.epsilon))
        xp.copyto(self.flat, self.flat + self.delta)


class Adam(Optimiser):
    """Adam, Kingma & Ba 2015, algorithm 1.

        m <- beta1 m + (1 - beta1) g;  v <- beta2 v + (1 - beta2) g^2
        w <- w - rate (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)
    """

    slots = ("means", "squares")
    means: Any
    squares: Any

    def __init__(self, model: Any, rate: float = 1e-3, *, beta1: float = 0.9, beta2: float = 0.999,
                 epsilon: float = 1e-8, **options: Any):
        super().__init__(model, rate, **options)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon

    def update(self, g: Any) -> None:
        self.xp.copyto(self.means, self.beta1 * self.means + (1 - self.beta1) * g)
        self.xp.copyto(self.squares, self.beta2 * self.squares + (1 - self.beta2) * (g * g))
        mean = self.means / self._weight(self.beta1)
        square = self.squares / self._weight(self.beta2)
        self.xp.copyto(self.flat, self.flat - self.rate * mean / (self.xp.sqrt(square) + self.epsilon))

    def _weight(self, beta: float) -> Any:
        """1 - beta^t, by expm1: in float32 the plain form loses four digits at t = 1."""
        return -self.xp.expm1(self.count * math.log(beta))
