"""Initial values of parameters, drawn on the host from a NumPy Generator: one seed, one model, on every device."""

import numpy as np

__all__ = ["uniform", "normal", "glorot", "orthogonal", "zeros", "constant"]


def uniform(rng, shape, limit):
    """Uniform in -limit .. limit."""
    return rng.uniform(-limit, limit, shape)


def normal(rng, shape, deviation):
    """Normal with mean 0."""
    return rng.normal(0.0, deviation, shape)


def glorot(rng, shape, gain=1.0):
    """Uniform in +-gain * sqrt(6 / (inputs + outputs)), which keeps variances level both ways (Glorot 2010, eq. 16).

    shape: (inputs, outputs)
    """
    return uniform(rng, shape, gain * np.sqrt(6 / (shape[0] + shape[1])))


def orthogonal(rng, shape, gain=1.0):
    """A random matrix with orthonormal rows or columns, whichever are fewer (Saxe 2013)."""
    q, r = np.linalg.qr(rng.normal(size=(max(shape), min(shape))))
    q = q * np.sign(np.diag(r))          # without the signs the draw is not uniform over rotations
    return gain * (q if shape[0] >= shape[1] else q.T)


def zeros(shape):
    """Zeros."""
    return np.zeros(shape)


def constant(shape, value):
    """One value everywhere."""
    return np.full(shape, float(value))
