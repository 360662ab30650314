"""Products of matrices."""

from tinyaug.autograd import op
from tinyaug.ops.reduce import several


@op(examples=lambda rng: [(rng.normal(size=(2, 3)), rng.normal(size=(3, 4))), (rng.normal(size=3), rng.normal(size=3)),
                          (rng.normal(size=(5, 2, 3)), rng.normal(size=(5, 3, 4))),
                          (rng.normal(size=(5, 2, 3)), rng.normal(size=(3, 4))),
                          (rng.normal(size=(2, 3)), rng.normal(size=3)), (rng.normal(size=3), rng.normal(size=(2, 3, 4)))])
def matmul(xp, x, y):
    """x @ y: matrices on the last two axes, the axes before them broadcast; vectors as NumPy has them.

        dx = g y^T,  dy = x^T g
    """
    if len(x.shape) == 2 and len(y.shape) == 2:
        return xp.dot(x, y), lambda g: (lambda: xp.dot(g, y.T), lambda: xp.products(x, g))
    return _matmul(xp, x, y)


def _matmul(xp, x, y):
    """matmul of stacks of matrices, or of vectors."""
    rows, columns = len(x.shape), len(y.shape)

    def product(x, y):
        """x @ y; a column times a row is a plain product, for which BLAS takes four times as long."""
        return x * y if len(x.shape) > 2 and x.shape[-1] == 1 and len(y.shape) > 1 and y.shape[-2] == 1 else x @ y

    def sides(g):
        if rows == 1:
            g = xp.expand_dims(g, -1 if columns == 1 else -2)
        return xp.expand_dims(g, -1) if columns == 1 else g

    def left(g):
        matrix = y.reshape((-1, 1)) if columns == 1 else y
        dx = product(sides(g), matrix.swapaxes(-1, -2))
        return dx[..., 0, :] if rows == 1 else dx

    def right(g):
        if rows > 2 and columns == 2 and x.size and g.size:     # one product over all leading axes
            return xp.products(x.reshape((-1, x.shape[-1])), g.reshape((-1, g.shape[-1])))
        matrix = x.reshape((1, -1)) if rows == 1 else x
        dy = product(matrix.swapaxes(-1, -2), sides(g))
        return dy[..., 0] if columns == 1 else dy

    return product(x, y), lambda g: (lambda: left(g), lambda: right(g))


def _explicit(subscripts, ranks):
    """Subscripts with every letter written out: (one string an operand, string of the output)."""
    free = [c for c in "ZYXWVUTSRQPONMLKJIHGFEDCBA" if c not in subscripts]
    inputs, _, output = subscripts.replace(" ", "").partition("->")
    inputs = inputs.split(",")
    if len(inputs) != len(ranks):
        raise ValueError(f"einsum: {subscripts!r} names {len(inputs)} operands, got {len(ranks)}")
    hidden = [rank - len(part.replace("...", "")) if "..." in part else 0 for part, rank in zip(inputs, ranks)]
    dots = "".join(free[:max(hidden)])
    inputs = [part.replace("...", dots[len(dots) - n:]) for part, n in zip(inputs, hidden)]
    if "->" not in subscripts:
        every = "".join(inputs)
        output = dots + "".join(sorted(c for c in set(every) if every.count(c) == 1 and c not in dots))
    return inputs, output.replace("...", dots)


def _einsum_call(args, keywords):
    """einsum("ij,jk->ik", x, y), as NumPy has it, or einsum(x, y, subscripts="ij,jk->ik")."""
    if args and isinstance(args[0], str):
        return tuple(args[1:]), {"subscripts": args[0], **keywords}
    return args, keywords


@op(examples=lambda rng: [(rng.normal(size=(2, 3)), rng.normal(size=(3, 4)), {"subscripts": "ij,jk->ik"}),
                          (rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 5, 4)), {"subscripts": "bnw,brw->brn"}),
                          (rng.normal(size=(2, 3, 4)), {"subscripts": "ijk->kj"}),
                          (rng.normal(size=(2, 3)), rng.normal(size=3), rng.normal(size=(4, 3)),
                           {"subscripts": "...j,j,kj->...k"})], adapt=_einsum_call)
def einsum(xp, *operands, subscripts):
    """Sum of products over the letters that the output does not name: einsum("bnw,brw->brn", memory, key).

    The gradient of one operand is again such a sum, of the cotangent with all the other operands.

    raises: NotImplementedError for a letter twice in one operand (a diagonal)
    """
    inputs, output = _explicit(subscripts, [len(x.shape) for x in operands])
    if any(len(set(part)) < len(part) for part in inputs):
        raise NotImplementedError(f"einsum: {subscripts!r} takes a diagonal; take it with getitem first")

    def gradient(i, g):
        others = [part for k, part in enumerate(inputs) if k != i]
        known = set(output).union(*others)
        kept = "".join(c for c in inputs[i] if c in known)
        arrays = [x for k, x in enumerate(operands) if k != i]
        dx = xp.einsum(",".join([output, *others]) + "->" + kept, g, *arrays)
        shape = tuple(operands[i].shape[inputs[i].index(c)] if c not in kept else dx.shape[kept.index(c)]
                      for c in inputs[i])
        return xp.broadcast_to(dx.reshape(tuple(1 if c not in kept else size for c, size in zip(inputs[i], shape))), shape)

    return (xp.einsum(",".join(inputs) + "->" + output, *operands),
            lambda g: tuple([lambda i=i: gradient(i, g) for i in range(len(operands))]))


@op(examples=lambda rng: [(rng.normal(size=3), rng.normal(size=4)), (rng.normal(size=(2, 2)), rng.normal(size=3))])
def outer(xp, x, y):
    """Every product of an element of x with one of y: (size of x, size of y)."""
    column, row = x.reshape((x.size, 1)), y.reshape((1, y.size))
    return (column * row,
            lambda g: (xp.sum(g * row, axis=1).reshape(x.shape), xp.sum(g * column, axis=0).reshape(y.shape)))


@op(examples=lambda rng: [(rng.normal(size=(2, 3, 4)), rng.normal(size=(3, 4, 2))),
                          (rng.normal(size=(2, 3, 4)), rng.normal(size=(4, 2)), {"axes": ((-1, 0), (0, 1))}),
                          (rng.normal(size=(2, 3)), rng.normal(size=(4,)), {"axes": 0})])
def tensordot(xp, x, y, *, axes=2):
    """Sum of products over pairs of axes: the last `axes` of x with the first of y, or two lists of axes."""
    rank = len(x.shape)
    if not hasattr(axes, "__iter__"):
        axes = (tuple(range(rank - axes, rank)), tuple(range(axes)))
    ours, theirs = map(several, axes)
    letters = "abcdefghijklmnopqrstuvwxyz"
    left = letters[:rank]
    right = list(letters[rank:rank + len(y.shape)])
    for a, b in zip(ours, theirs):
        if x.shape[a] != y.shape[b]:
            raise ValueError(f"tensordot: axis {a} of size {x.shape[a]} against axis {b} of size {y.shape[b]}")
        right[b] = left[a]
    summed = {left[a] for a in ours}
    right = "".join(right)
    out = "".join(c for c in left + right if c not in summed)
    return (xp.tensordot(x, y, axes=(ours, theirs)),
            lambda g: (lambda: xp.einsum(f"{out},{right}->{left}", g, y), lambda: xp.einsum(f"{out},{left}->{right}", g, x)))
