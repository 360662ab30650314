"""PyTorch's own operator samples through PyTorch and through our ops: outputs and gradients, in float64."""

import inspect
import warnings

import numpy as np
import pytest

from tests.oracle.torch_calls import Skip
from tests.oracle.torch_table import ENTRIES, TABLE
from tinyaug import OPS, Tensor, using_dtype
from tinyaug.derivatives import gradients

pytestmark = pytest.mark.oracle
TOLERANCE = {"rtol": 1e-9, "atol": 1e-9}


@pytest.fixture(scope="module")
def torch():
    torch = pytest.importorskip("torch", reason="needs the extra `oracle`: torch")
    pytest.importorskip("expecttest", reason="needs the extra `oracle`: expecttest")
    torch.set_num_threads(1)
    return torch


@pytest.fixture(scope="module")
def infos(torch):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_methods_invocations import op_db
    return {
        info.name + ("/" + info.variant_test_name if info.variant_test_name else ""): info for info in op_db
    }


@pytest.mark.parametrize("entry", ENTRIES)
def test_samples(entry, infos, torch, tally):
    info, call = infos[entry], ENTRIES[entry]
    torch.manual_seed(0)
    failures = []
    for number, sample in enumerate(info.sample_inputs("cpu", torch.float64, requires_grad=True)):
        try:
            compare(torch, info, call, sample)
            tally.matched(entry)
        except Skip as reason:
            tally.skipped(str(reason))
        except Exception as error:
            tally.failed(entry)
            failures.append(f"sample {number}: {sample.summary()}\n{type(error).__name__}: {error}")
    assert not failures, "\n\n".join(failures[:5])


def compare(torch, info, call, sample):
    """raises: AssertionError where outputs or gradients differ, Skip where the sample has no counterpart here"""
    with using_dtype("float64"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, ours = [], []
        args, kwargs = translate(torch, ([sample.input, *sample.args], dict(sample.kwargs)), theirs, ours)
        ok(call, args, kwargs)
        expected = tensors(torch, info(sample.input, *sample.args, **sample.kwargs))
        with np.errstate(all="ignore"):
            got = call(*args, **kwargs)
        got = list(got) if isinstance(got, tuple) else [got]
        if len(got) == 1:
            expected = expected[:1]  # values without their indices
        assert len(got) == len(expected), f"{len(got)} outputs, expected {len(expected)}"
        for y, e in zip(got, expected, strict=False):
            assert y.shape == tuple(e.shape), f"shape {y.shape}, expected {tuple(e.shape)}"
            np.testing.assert_allclose(y.numpy(), e.detach().numpy(), err_msg="output", **TOLERANCE)
        compare_gradients(torch, got, expected, ours, theirs)


def compare_gradients(torch, got, expected, ours, theirs):
    rng = np.random.default_rng(0)
    mine = [np.zeros(x.shape) for x in ours]
    total = 0
    for y, e in zip(got, expected, strict=False):
        if e.dtype != torch.float64:
            assert not y.requires_grad
            continue
        cotangent = rng.normal(size=y.shape)
        total = total + (e * torch.from_numpy(np.asarray(cotangent))).sum()
        if y.requires_grad and ours:
            mine = [m + g.numpy() for m, g in zip(mine, gradients(y, ours, cotangent, retain_graph=True), strict=False)]
    if not theirs or not getattr(total, "requires_grad", False):
        assert all(not m.any() for m in mine)
        return
    found = torch.autograd.grad(total, theirs, allow_unused=True)
    for m, t in zip(mine, found, strict=False):
        np.testing.assert_allclose(
            m, np.zeros(m.shape) if t is None else t.numpy(force=True), err_msg="gradient", **TOLERANCE
        )


def translate(torch, value, theirs, ours):
    """PyTorch's tensors as ours, in whatever nest; leaves that want a gradient are listed in theirs and ours."""
    if isinstance(value, torch.Tensor):
        if value.dtype != torch.float64:
            return value.detach().numpy()
        tensor = Tensor(value.detach().numpy(), requires_grad=value.requires_grad)
        if value.requires_grad:
            theirs.append(value)
            ours.append(tensor)
        return tensor
    if isinstance(value, (list, tuple)):
        return type(value)(translate(torch, v, theirs, ours) for v in value)
    if isinstance(value, dict):
        return {k: translate(torch, v, theirs, ours) for k, v in value.items()}
    return value


def tensors(torch, result):
    return (
        [result] if isinstance(result, torch.Tensor) else [t for t in result if isinstance(t, torch.Tensor)]
    )


def ok(call, args, kwargs):
    try:
        inspect.signature(call, follow_wrapped=False).bind(*args, **kwargs)
    except TypeError as error:
        raise Skip(f"no counterpart of an argument: {error}") from None


def test_the_table_names_ops():
    unknown = set(TABLE) - set(OPS)
    assert not unknown
    missing = {n for n, f in OPS.items() if f.__module__.startswith("tinyaug.")} - set(TABLE)
    assert missing == {
        "argsort",
        "circular_convolution",
        "one_hot",
        "oneplus",
    }  # PyTorch has no samples of these


def test_at_least_a_thousand_samples_and_one_of_every_op(tally):
    matched = tally.counts["matched"]
    if len(matched) + len(tally.counts["failed"]) < len(ENTRIES) - 5:
        pytest.skip("only a part of the table was run")
    assert not [name for name, calls in TABLE.items() if not any(matched[entry] for entry in calls)]
    pools = {"nn.functional.max_pool2d", "nn.functional.max_pool1d"}      # hundreds of samples each, of one kind
    assert sum(n for entry, n in matched.items() if entry not in pools) >= 1000
