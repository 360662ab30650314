"""Elementwise arithmetic: two numbers in, one number out, at every position. All broadcast as NumPy does."""

from math import log as log_of_number

from tinyaug.autograd import op
from tinyaug.ops.limits import largest, nonzero, tiniest


def one(rng):
    """An example of one array."""
    return [(rng.normal(size=(3, 4)),)]


def pair(rng):
    """Examples of two arrays: of one shape, and of two that broadcast."""
    return [(rng.normal(size=(3, 4)), rng.normal(size=(3, 4))), (rng.normal(size=(2, 1, 3)), rng.normal(size=(4, 1)))]


def positive_pair(rng):
    """Examples of two arrays, the first positive."""
    return [(rng.uniform(0.5, 2, (3, 4)), rng.normal(size=(3, 4))), (rng.uniform(0.5, 2, (2, 3)), rng.normal(size=3))]


def apart(rng, *shape):
    """Numbers at least 0.1 from zero, where |x| and 1/x have no kink or pole."""
    x = rng.normal(size=shape)
    return x + 0.1 * (x > 0) - 0.1 * (x <= 0)


def separate_pair(rng):
    """Pairs whose elements differ by at least 0.1, so that no step of a gradient check crosses a tie."""
    x = rng.normal(size=(3, 4))
    return [(x, x + apart(rng, 3, 4)), (x, x[:1] * 0 + 5.0)]


@op(examples=pair)
def add(xp, x, y):
    """x + y."""
    return x + y, lambda g: (g, g)


@op(examples=pair)
def subtract(xp, x, y):
    """x - y."""
    return x - y, lambda g: (g, lambda: -g)


@op(examples=pair)
def multiply(xp, x, y):
    """x * y."""
    return x * y, lambda g: (g * y, g * x)


@op(examples=lambda rng: [(rng.normal(size=(3, 4)), apart(rng, 3, 4)), (rng.normal(size=3), apart(rng, 2, 1))])
def divide(xp, x, y):
    """x / y.

    Where y is 0 the gradient is taken at the smallest positive number: very large or infinite, but 0 times it is still 0.
    """
    def vjp(g):
        divisor = nonzero(xp, y, g)
        dx = g / divisor
        return dx, lambda: -(dx * x / divisor)

    return x / y, vjp


@op(examples=lambda rng: positive_pair(rng) + [(rng.uniform(0.5, 2, (2, 3)), 3.0)])
def power(xp, x, y):
    """x ** y.

    At x = 0 the gradient with respect to y is its limit 0, as log(x) never counts; with respect to x it is
    y * 0 ** (y - 1) for y >= 1, and very large but finite below.
    """
    z = x ** y

    def base(g):
        pole = (x == 0) & (y < 1)
        return g * y * xp.where(pole, tiniest(g), x) ** (y - 1 + (y == 0))

    def exponent(g):
        if isinstance(x, (int, float)):
            return g * z * (log_of_number(x) if x > 0 else 0.0)
        return g * z * xp.log(xp.where(x > 0, x, 1))

    return z, lambda g: (lambda: base(g), lambda: exponent(g))


@op(examples=separate_pair)
def maximum(xp, x, y):
    """The larger of x and y; at a tie each gets half of the gradient."""
    return xp.maximum(x, y), lambda g: (lambda: g * _share(x, y, g), lambda: g * _share(y, x, g))


@op(examples=separate_pair)
def minimum(xp, x, y):
    """The smaller of x and y; at a tie each gets half of the gradient."""
    return xp.minimum(x, y), lambda g: (lambda: g * _share(y, x, g), lambda: g * _share(x, y, g))


def _share(x, y, g):
    """1 where x > y, 1/2 where they tie, 0 elsewhere."""
    return ((x > y).astype(g.dtype) + (x >= y).astype(g.dtype)) * 0.5


@op(examples=one)
def negative(xp, x):
    """-x."""
    return -x, lambda g: (-g,)


@op(examples=one)
def positive(xp, x):
    """+x, a copy."""
    return +x, lambda g: (g,)


@op(examples=lambda rng: [(apart(rng, 3, 4),)])
def absolute(xp, x):
    """|x|; its gradient at 0 is 0."""
    return xp.absolute(x), lambda g: (g * xp.sign(x),)


@op(examples=lambda rng: [(apart(rng, 3, 4),)])
def sign(xp, x):
    """-1, 0 or 1: a step, so no gradient."""
    return xp.sign(x), None


@op(examples=one)
def square(xp, x):
    """x ** 2."""
    return x * x, lambda g: (2 * g * x,)


@op(examples=lambda rng: [(rng.uniform(0.5, 2, (3, 4)),)])
def sqrt(xp, x):
    """Square root. Its gradient at 0 is very large but finite, so that 0 times it is 0."""
    y = xp.sqrt(x)
    return y, lambda g: (0.5 * g / xp.maximum(y, tiniest(g)),)


@op(examples=lambda rng: [(apart(rng, 3, 4),)])
def reciprocal(xp, x):
    """1 / x. Its gradient at 0 overflows to -inf, but 0 times it is 0."""
    def vjp(g):
        safe = nonzero(xp, x, g)
        return (-g / safe / safe,)

    return 1 / x, vjp


@op(examples=one)
def exp(xp, x):
    """e ** x."""
    y = xp.exp(x)
    return y, lambda g: (g * xp.minimum(y, largest(g)),)


@op(examples=one)
def expm1(xp, x):
    """e ** x - 1, exact for small x."""
    y = xp.expm1(x)
    return y, lambda g: (g * xp.minimum(y + 1, largest(g)),)


@op(examples=lambda rng: [(rng.uniform(0.5, 2, (3, 4)),)])
def log(xp, x):
    """Natural logarithm. Its gradient at 0 is very large but finite, so that 0 times it is 0."""
    return xp.log(x), lambda g: (g / xp.maximum(x, tiniest(g)),)


@op(examples=lambda rng: [(rng.uniform(-0.5, 2, (3, 4)),)])
def log1p(xp, x):
    """log(1 + x), exact for small x."""
    return xp.log1p(x), lambda g: (g / xp.maximum(1 + x, tiniest(g)),)


@op(examples=pair)
def logaddexp(xp, x, y):
    """log(exp(x) + exp(y)) without overflow. Where both are -inf, nothing to add up, the gradients are 0."""
    z = xp.logaddexp(x, y)

    def vjp(g):
        top = largest(g)
        total = xp.clip(z, -top, top)               # inf - inf would be NaN
        return lambda: g * xp.exp(xp.minimum(x, top) - total), lambda: g * xp.exp(xp.minimum(y, top) - total)

    return z, vjp


@op(examples=one)
def sin(xp, x):
    """Sine."""
    return xp.sin(x), lambda g: (g * xp.cos(x),)


@op(examples=one)
def cos(xp, x):
    """Cosine."""
    return xp.cos(x), lambda g: (-g * xp.sin(x),)


@op(examples=lambda rng: [(rng.normal(size=(3, 4)) > 0, rng.normal(size=(3, 4)), rng.normal(size=4))],
    constant=("condition",))
def where(xp, condition, x, y):
    """x where the condition holds, else y. The branch that is not taken gets a gradient of exactly 0."""
    return xp.where(condition, x, y), lambda g: (None, lambda: xp.where(condition, g, 0), lambda: xp.where(condition, 0, g))


@op(examples=lambda rng: [(apart(rng, 3, 4), {"a_min": 0.0, "a_max": 2.5}), (apart(rng, 3), {"a_min": None, "a_max": 0.0})])
def clip(xp, x, *, a_min=None, a_max=None):
    """x held between a_min and a_max, either of which may be None. The bounds themselves count as inside."""
    def vjp(g):
        inside = x == x
        if a_min is not None:
            inside = inside & (x >= a_min)
        if a_max is not None:
            inside = inside & (x <= a_max)
        return (xp.where(inside, g, 0),)

    return xp.clip(x, a_min, a_max), vjp


@op(examples=lambda rng: [(rng.normal(size=(3, 4)), {"dtype": "float64"})])
def astype(xp, x, *, dtype):
    """x with another dtype; the gradient comes back in x's own."""
    before = x.dtype
    return x.astype(dtype), lambda g: (g.astype(before),) if before.kind == "f" else (None,)
