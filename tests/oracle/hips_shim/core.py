"""The operators of HIPS autograd, from grad, value_and_grad, jacobian and gradients of tinyaug."""

import numpy as np
import pytest

import tinyaug.derivatives as ours
from tinyaug import Tensor, ops


def leaves(x):
    """All arrays and numbers in nested tuples, lists and dicts, in order."""
    if isinstance(x, (tuple, list)):
        return [leaf for part in x for leaf in leaves(part)]
    if isinstance(x, dict):
        return [leaf for key in sorted(x) for leaf in leaves(x[key])]
    return [x]


def rebuild(x, new):
    """x with its leaves replaced, one after the other, by those that `new` iterates over."""
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return type(x)(*[rebuild(part, new) for part in x])
    if isinstance(x, (tuple, list)):
        return type(x)([rebuild(part, new) for part in x])
    if isinstance(x, dict):
        values = {key: rebuild(x[key], new) for key in sorted(x)}
        return {key: values[key] for key in x}
    return next(new)


def no_complex(*values):
    for x in leaves(list(values)):
        kind = np.asarray(x.data if isinstance(x, Tensor) else x).dtype.kind
        if kind == "c":
            pytest.skip("complex numbers")
        if kind in "OUS":
            pytest.skip("an input that is no array of numbers")


def plain(x):
    """A result that nobody differentiates further, as NumPy has it."""
    if isinstance(x, Tensor):
        return x if x.requires_grad else x.numpy()[()]
    return rebuild(x, iter([plain(leaf) for leaf in leaves(x)])) if isinstance(x, (tuple, list, dict)) else x


def total(y, cotangent):
    """Sum of the products of all leaves with their cotangents."""
    parts = [
        ops.sum(ops.multiply(a, b))
        for a, b in zip(leaves(y), leaves(cotangent), strict=False)
        if isinstance(a, Tensor) and a.requires_grad
    ]
    return sum(parts[1:], parts[0]) if parts else Tensor(0.0)


def float_leaf(x):
    return ours._variable(
        x if isinstance(x, Tensor) else np.asarray(x, np.result_type(np.asarray(x).dtype, np.float16))
    )


def make_vjp(fun, x):
    no_complex(x)
    inputs = [float_leaf(leaf) for leaf in leaves(x)]
    with ours._inside():
        y = fun(rebuild(x, iter(inputs)))
    no_complex(y)

    def vjp(g):
        with ours._inside():
            loss = total(y, g)
        if not loss.requires_grad:
            return rebuild(x, iter([np.zeros(t.shape)[()] for t in inputs]))
        found = ours.gradients(loss, inputs, create_graph=True, retain_graph=True)
        outside = (
            any(isinstance(leaf, Tensor) and leaf.requires_grad for leaf in leaves([x, g])) or ours._depth
        )
        return rebuild(x, iter(found if outside else [t.numpy()[()] for t in found]))

    return vjp, plain_value(y)


def plain_value(y):
    return rebuild(
        y, iter([t.numpy()[()] if isinstance(t, Tensor) and not ours._depth else t for t in leaves(y)])
    )


def nary(operator):
    """An operator on functions of one argument, made to take the position or positions of its argument."""

    def take(fun, argnum=0, *more, **options):
        def call(*args, **keywords):
            positions = argnum if isinstance(argnum, (tuple, list)) else (argnum,)

            def unary(x):
                changed = list(args)
                for i, value in zip(positions, x if isinstance(argnum, (tuple, list)) else (x,), strict=False):
                    changed[i] = value
                return fun(*changed, **keywords)

            unary.__name__ = getattr(fun, "__name__", "function")
            return operator(
                unary,
                tuple(args[i] for i in argnum) if isinstance(argnum, (tuple, list)) else args[argnum],
                *more,
                **options,
            )

        call.__name__ = f"{operator.__name__}_of_{getattr(fun, '__name__', 'function')}_wrt_argnum_{argnum}"
        call.__doc__ = f"    {operator.__name__} of function {getattr(fun, '__name__', 'function')} with respect to {argnum}"
        return call

    take.__name__, take.__doc__ = operator.__name__, operator.__doc__
    return take


def _value_and_grad(fun, x):
    no_complex(x)
    if len(leaves(x)) == 1 and not isinstance(x, (tuple, list, dict)):

        def tensor_valued(t):
            y = fun(t)
            no_complex(y)
            return ours.as_tensor(y)

        if isinstance(x, Tensor) or np.asarray(x).dtype.kind == "f":
            value, g = ours.value_and_grad(tensor_valued)(
                x if isinstance(x, Tensor) else Tensor(x, dtype=np.asarray(x).dtype)
            )
            return plain(value), plain(g)
    vjp, value = make_vjp(fun, x)
    return value, vjp(1.0)


@nary
def value_and_grad(fun, x):
    return _value_and_grad(fun, x)


@nary
def grad(fun, x):
    """
    Returns a function which gives the gradient of fun."""
    return _value_and_grad(fun, x)[1]


@nary
def elementwise_grad(fun, x):
    vjp, y = make_vjp(fun, x)
    return vjp(np.ones(np.shape(y if not isinstance(y, Tensor) else y.data)))


@nary
def deriv(fun, x):
    return make_jvp(fun)(x)(1.0)[1]


def holomorphic_grad(*_):
    pytest.skip("complex numbers")


def multigrad_dict(*_):
    pytest.skip("keyword arguments as a dict of gradients")


@nary
def grad_and_aux(fun, x):
    kept = []

    def first(t):
        value, aux = fun(t)
        kept.append(aux)
        return value

    g = _value_and_grad(first, x)[1]
    return g, rebuild(kept[0], iter([t.numpy()[()] if isinstance(t, Tensor) else t for t in leaves(kept[0])]))


@nary
def jacobian(fun, x):
    no_complex(x)
    return plain(ours.jacobian(lambda t: ours.as_tensor(fun(t)))(x))


def hessian(fun, argnum=0):
    return jacobian(jacobian(fun, argnum), argnum)


@nary
def _jvp_maker(fun, x):
    """J v by differentiating the vjp, which is linear in its cotangent, with respect to that cotangent."""
    vjp, y = make_vjp(fun, x)

    def jvp(v):
        zero = rebuild(y, iter([np.zeros(np.shape(leaf)) for leaf in leaves(y)]))
        return y, make_vjp(vjp, zero)[0](v)

    return jvp


def make_jvp(fun, argnum=0):
    return _jvp_maker(fun, argnum)


@nary
def _hvp_maker(fun, x):
    return make_vjp(lambda t: grad(fun)(t), x)


def make_hvp(fun, argnum=0):
    return _hvp_maker(fun, argnum)


def make_ggnvp(f, g=lambda x: 1.0 / 2 * ops.sum(x * x), f_argnum=0):
    """v -> J^T H J v for the Jacobian of f and the Hessian of g at f."""

    @nary
    def maker(fun, x):
        vjp, y = make_vjp(fun, x)
        curved = make_vjp(lambda t: grad(g)(t), y)[0]
        along = make_jvp(fun)(x)
        return lambda v: vjp(curved(along(v)[1]))

    return maker(f, f_argnum)


def tensor_jacobian_product(fun, argnum=0):
    """args, vector -> vector times Jacobian."""

    def product(*args):
        *args, vector = args
        return plain(ops.tensordot(vector, jacobian(fun, argnum)(*args), axes=np.ndim(vector)))

    return product


def hessian_tensor_product(fun, argnum=0):
    gradient = grad(fun, argnum)

    def inner(*args):
        *args, vector = args
        return ops.sum(ops.multiply(gradient(*args), vector))

    return grad(inner, argnum)


hessian_vector_product = hessian_tensor_product


def checkpoint(fun):
    return fun


class _Primitives(dict):
    def pop(self, *_):
        pytest.skip("the internals of its primitives")


primitive_vjps = _Primitives()


def primitive(fun):
    def call(*_, **__):
        pytest.skip("the internals of its primitives")

    for name in ("defgrad", "defvjp", "defvjp_is_zero"):
        setattr(call, name, call)
    return call


def vspace(x):
    pytest.skip("its vector spaces of Python containers")
