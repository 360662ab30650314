"""A pytest plugin for their tests: skips what cannot apply, with a reason, and writes all outcomes to a file."""

import json
import os

import pytest
from autograd import test_util

import tinyaug

tinyaug.set_default_dtype("float64")
OUTCOMES = {}
OTHER = {
    "test_wrapped_name_and_docs": "names and docstrings of its wrappers",
    "test_checkpoint_correctness": "checkpointing",
    "test_ufunc_dispatch": "its dispatch to xarray",
    "test_dtypes": "float16 outputs and longdouble",
    "test_mod": "no op remainder",
    "test_op_mod": "no op remainder",
    "test_custom_where": "its own where on plain arrays",
    "diagonal": "its own make_diagonal",
    "test_plain_numpy_reductions_on_box": "NumPy's functions on a Tensor, which refuses them",
    "test_rfftn_odd_not_implemented": "no fft",
    "test_grad_complex_output": "complex numbers",
    "test_nograd": "an error for the gradient of a constant, which is zero here",
    "test_cast_to_int": "NumPy's types on a Tensor, which refuses them",
    "test_numpy.py::test_r_": "NumPy's r_ on a Tensor, which refuses it",
    "test_numpy.py::test_c_": "NumPy's c_ on a Tensor, which refuses it",
}


def pytest_collection_modifyitems(items):
    for item in items:
        for name, reason in OTHER.items():
            if name in item.nodeid:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """A Tensor without one of ndarray's methods, or a test in which everything was complex, is a skip."""
    test_util.count.update(checks=0, complex=0)
    try:
        result = yield
    except AttributeError as error:
        if "'Tensor' object has no attribute" in str(error):
            pytest.skip(f"Tensor has no method {error.name}")
        raise
    except NotImplementedError as error:
        pytest.skip(str(error).partition(";")[0])
    except TypeError as error:
        if "dtype complex" in str(error):
            pytest.skip("complex numbers")
        if "assignment in place" in str(error):
            pytest.skip("assignment in place")
        raise
    if test_util.count["complex"] and not test_util.count["checks"]:
        pytest.skip("complex numbers")
    OUTCOMES["checks"] = OUTCOMES.get("checks", 0) + test_util.count["checks"]
    return result


def pytest_runtest_logreport(report):
    if report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        OUTCOMES[report.nodeid] = ["skipped", reason.removeprefix("Skipped: ")]
    elif report.failed:
        OUTCOMES[report.nodeid] = ["failed", report.longreprtext[-1500:]]
    elif report.when == "call":
        OUTCOMES[report.nodeid] = ["matched", ""]


def pytest_sessionfinish():
    with open(os.environ["HIPS_OUTCOMES"], "w") as file:
        json.dump(OUTCOMES, file)
