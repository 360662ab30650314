from tinyaug import Tensor as ArrayBox  # noqa: F401
