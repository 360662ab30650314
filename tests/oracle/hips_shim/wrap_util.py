from autograd.core import nary as unary_to_nary  # noqa: F401
