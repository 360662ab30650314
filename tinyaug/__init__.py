"""tinyaug: augmented recurrent networks from scratch, in NumPy, to be read.

    from tinyaug import Tensor, ops
    x = Tensor([1.0, 2.0], requires_grad=True)
    ops.sum(ops.tanh(x)).backward()
    x.grad
"""

from tinyaug import ops
from tinyaug.arrays import default_dtype, set_default_dtype, using_dtype
from tinyaug.autograd import OPS, Tensor, as_tensor, no_grad, observe, op, stop_gradient
from tinyaug.derivatives import grad, gradients, hvp, jacobian, value_and_grad
from tinyaug.record import record

__version__ = "0.1.0"
__all__ = ["OPS", "Tensor", "as_tensor", "default_dtype", "grad", "gradients", "hvp", "jacobian", "no_grad", "observe", "op",
           "ops", "record", "set_default_dtype", "stop_gradient", "using_dtype", "value_and_grad"]
