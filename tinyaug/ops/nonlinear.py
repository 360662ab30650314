"""The nonlinear functions of neural networks."""

from math import pi, sqrt

from tinyaug.autograd import op
from tinyaug.ops.arithmetic import apart, one
from tinyaug.ops.limits import alone, ceiling, tiniest


def kinked(rng):
    """An example of one array that stays away from 0, where a function has a corner."""
    return [(apart(rng, 3, 4),)]


@op(examples=one)
def sigmoid(xp, x):
    """1 / (1 + exp(-x)), computed as (1 + tanh(x / 2)) / 2, which cannot overflow."""
    y = xp.tanh(x * 0.5) * 0.5 + 0.5
    return y, lambda g: (g * (y - y * y),)


@op(examples=one)
def tanh(xp, x):
    """Hyperbolic tangent."""
    y = xp.tanh(x)
    return y, lambda g: (g - g * (y * y),)


@op(examples=kinked)
def relu(xp, x):
    """max(x, 0); its gradient at 0 is 0."""
    return xp.maximum(x, 0), lambda g: (g * (x > 0),)


@op(examples=one)
def softplus(xp, x):
    """log(1 + exp(x)), a smooth relu. Its derivative is sigmoid(x) = 1 - exp(-softplus(x))."""
    y = xp.logaddexp(x, 0)
    return y, lambda g: (-g * xp.expm1(-y),)


@op(examples=one)
def oneplus(xp, x):
    """1 + log(1 + exp(x)): a strength of at least 1 (DNC, Methods)."""
    y = xp.logaddexp(x, 0)
    return 1 + y, lambda g: (-g * xp.expm1(-y),)


@op(examples=lambda rng: kinked(rng) + [(apart(rng, 3), {"alpha": 0.5})])
def elu(xp, x, *, alpha=1.0):
    """x above 0, alpha * (exp(x) - 1) below."""
    below = xp.expm1(xp.minimum(x, 0)) * alpha
    return xp.where(x > 0, x, below), lambda g: (g * xp.where(x > 0, 1, below + alpha),)


@op(examples=one)
def gelu(xp, x):
    """x * Phi(x), in the tanh form: x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))).

    Deviation: Hendrycks and Gimpel's eq. for Phi is approximated as in their section 2, as NumPy has no erf.
    """
    scale, cubic = sqrt(2 / pi), 0.044715
    t = xp.tanh(scale * x * (1 + cubic * x * x))
    return (0.5 * x * (1 + t),
            lambda g: (0.5 * g * (1 + t + x * (1 - t * t) * scale * (1 + 3 * cubic * x * x)),))


@op(examples=lambda rng: [(rng.normal(size=(3, 4)),), (rng.normal(size=(2, 3, 4)), {"axis": 1}), (rng.normal(size=(1, 4)),)])
def softmax(xp, x, *, axis=-1):
    """exp(x) / sum(exp(x)) along an axis. A row of -inf, nothing to choose from, gives zeros.

        dx = y * (g - sum(g * y))
    """
    parts = xp.exp(x - alone(ceiling(xp, x, axis)))
    # the largest part is exp(0) = 1, next to which the smallest number is nothing; in a row of -inf all parts are 0
    y = parts / alone(xp.sum_from(parts, axis, tiniest(x)))
    return y, lambda g: (y * (g - alone(xp.sum_of_products(g, y, axis))),)


@op(examples=lambda rng: [(rng.normal(size=(3, 4)),), (rng.normal(size=(2, 3, 4)), {"axis": 1})])
def log_softmax(xp, x, *, axis=-1):
    """log(softmax(x)), without leaving the range of the dtype."""
    left = x - ceiling(xp, x, axis)
    parts = xp.exp(left)
    total = xp.sum(parts, axis=axis, keepdims=True)
    return (left - xp.log(total),
            lambda g: (g - parts / xp.maximum(total, 0.5) * xp.sum(g, axis=axis, keepdims=True),))
