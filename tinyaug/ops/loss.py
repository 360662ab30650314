"""Losses: how far from right. `reduction` is "mean" over all elements, "sum" or "none"."""

from tinyaug.autograd import op
from tinyaug.ops.limits import ceiling


def _reduce(xp, loss, reduction):
    """The reduced loss, and the function that spreads its cotangent back over the elements."""
    if reduction == "none":
        return loss, lambda g: g
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction: got {reduction!r}, expected mean, sum or none")
    scale = 1.0 if reduction == "sum" else 1 / loss.size if loss.size else float("nan")
    return xp.sum(loss) * scale, lambda g: g * scale


def likely(rng):
    """Examples of logits and probabilities, with every reduction."""
    return [(rng.normal(size=(3, 4)), rng.uniform(0, 1, (3, 4)), {"reduction": r}) for r in ("mean", "sum", "none")]


@op(examples=likely)
def binary_cross_entropy_with_logits(xp, logits, targets, *, reduction="mean"):
    """-t log(sigmoid(x)) - (1 - t) log(1 - sigmoid(x)) in nats, as max(x, 0) - x t + log(1 + exp(-|x|)).

    logits and targets have one shape; targets lie in 0 .. 1.
    """
    if logits.shape != targets.shape:
        raise ValueError(f"binary_cross_entropy_with_logits: logits {logits.shape}, targets {targets.shape}; "
                         "expected one shape")
    loss, spread = _reduce(xp, xp.maximum(logits, 0) - logits * targets + xp.log1p(xp.exp(-xp.absolute(logits))), reduction)
    return loss, lambda g: (spread(g) * (xp.tanh(logits * 0.5) * 0.5 + 0.5 - targets), lambda: -spread(g) * logits)


@op(examples=lambda rng: [(rng.normal(size=(5, 4)), rng.integers(0, 4, 5), {"reduction": r}) for r in ("mean", "none")]
    + [(rng.normal(size=(2, 3, 4)), rng.integers(0, 4, (2, 3)))], constant=("targets",))
def cross_entropy(xp, logits, targets, *, reduction="mean"):
    """-log(softmax(logits)[target]) in nats: logits (..., classes), targets (...) integers."""
    if logits.shape[:-1] != targets.shape:
        raise ValueError(f"cross_entropy: logits {logits.shape}, targets {targets.shape}; expected {logits.shape[:-1]}")
    if targets.dtype.kind not in "iu":
        raise TypeError(f"cross_entropy: targets are {targets.dtype}, expected integers, the index of the right class")
    classes = logits.shape[-1]
    left = logits - ceiling(xp, logits, -1)
    parts = xp.exp(left)
    total = xp.sum(parts, axis=-1, keepdims=True)
    right = (xp.expand_dims(targets, -1) == xp.arange(classes)).astype(logits.dtype)
    picked = xp.where(right > 0, left, 0)                  # not a product: 0 * -inf is NaN
    loss, spread = _reduce(xp, xp.log(total)[..., 0] - xp.sum(picked, axis=-1), reduction)

    def vjp(g):
        g = spread(g)
        return ((g if reduction != "none" else xp.expand_dims(g, -1)) * (parts / total - right), None)

    return loss, vjp


@op(examples=lambda rng: [(rng.normal(size=(3, 4)), rng.normal(size=(3, 4)), {"reduction": r}) for r in ("mean", "none")])
def mean_squared_error(xp, predictions, targets, *, reduction="mean"):
    """(prediction - target) ** 2."""
    _one_shape("mean_squared_error", predictions, targets)
    left = predictions - targets
    loss, spread = _reduce(xp, left * left, reduction)

    def vjp(g):
        g = 2 * spread(g) * left
        return g, -g

    return loss, vjp


@op(examples=lambda rng: [(rng.uniform(0, 0.8, (3, 4)), rng.uniform(-0.1, 0.1, (3, 4)), {"reduction": r})
                          for r in ("mean", "none")] + [(rng.uniform(2, 3, 4), rng.uniform(-1, 1, 4), {"delta": 0.5})])
def huber(xp, predictions, targets, *, delta=1.0, reduction="mean"):
    """Half the square of the error where it is at most delta, a straight line beyond: delta (|error| - delta / 2)."""
    _one_shape("huber", predictions, targets)
    left = predictions - targets
    inside = xp.clip(left, -delta, delta)
    loss, spread = _reduce(xp, inside * (left - 0.5 * inside), reduction)

    def vjp(g):
        g = spread(g) * inside
        return g, -g

    return loss, vjp


def _one_shape(name, predictions, targets):
    if predictions.shape != targets.shape:
        raise ValueError(f"{name}: predictions {predictions.shape}, targets {targets.shape}; expected one shape")
