from autograd.core import primitive  # noqa: F401

from tinyaug import Tensor


def isbox(x):
    return isinstance(x, Tensor)
