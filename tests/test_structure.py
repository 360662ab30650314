"""Who may import whom, read from the imports themselves, and what each file may be."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.host            # reads files

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(path for room in ("tinyaug", "tasks", "viz") for path in (ROOT / room).rglob("*.py"))

TAPE = {"tensor", "arguments", "autograd", "backward", "derivatives"}
SUBSTRATE = {"arrays", "strict", "ops"} | TAPE
MODEL_ROOMS = {"memory", "attention", "halting", "programmer"}
MAY_IMPORT = {
    "arrays": {"strict"},
    "strict": {"arrays"},
    **{file: {"arrays", "strict"} | TAPE for file in TAPE},
    "ops": SUBSTRATE,
    "check": SUBSTRATE,
    "record": SUBSTRATE,
    "nn": SUBSTRATE,
    # content addressing is attention: a memory may use these two files, which stand on ops and nn alone
    "memory": SUBSTRATE | {"nn", "attention.attend", "attention.scores"},
    "attention": SUBSTRATE | {"nn"},
    "halting": SUBSTRATE | {"nn", "memory", "attention"},
    "programmer": SUBSTRATE | {"nn", "memory", "attention"},
    "train": SUBSTRATE | {"nn.module"},
    "data": set(),
}
KNOWS_ARRAYS = SUBSTRATE | {"check", "record", "train", "data",
                "nn.initialise", "nn.module"}


def name_of(path):
    """tinyaug/nn/module.py is tinyaug.nn.module; a package is its folder."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path, source=None):
    """[(dotted name, is it at the top of the file?)] of all that a file imports, in full names."""
    tree = ast.parse(path.read_text() if source is None else source)
    top = set(map(id, tree.body))
    package = name_of(path).split(".")[: None if path.name == "__init__.py" else -1]
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            found += [(f"{base}.{alias.name}", id(node) in top) for alias in node.names]
    return found


def within(name, room):
    return name == room or name.startswith(room + ".")


def offences(path, source=None):
    """What is wrong with the imports of one file, a line each."""
    name = name_of(path)
    package, _, inner = name.partition(".")
    room = inner.split(".")[0]
    wrong = []
    for imported, at_top in imports_of(path, source):
        target, _, rest = imported.partition(".")
        if target in sys.stdlib_module_names:
            continue
        if package == "tinyaug":
            ok = {
                "numpy": any(within(inner, known) for known in KNOWS_ARRAYS),
                "cupy": inner == "arrays" and not at_top,
                "tqdm": room == "train" and not at_top,
                "tinyaug": not room or within(rest, room) or any(within(rest, r) for r in MAY_IMPORT[room]),
            }.get(target, False)
        elif package == "tasks":
            ok = target in {"tasks", "tinyaug", "viz", "numpy"}
        else:
            ok = target in {"viz", "numpy", "matplotlib"}
        if not ok:
            wrong.append(f"{name} imports {imported}")
    return wrong


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_go_one_way(path):
    assert not offences(path)


@pytest.mark.parametrize("file, source", [
    ("tinyaug/autograd.py", "from tinyaug.ops import add"),
    ("tinyaug/nn/cells.py", "from ..memory import ntm"),
    ("tinyaug/nn/cells.py", "import numpy as np"),
    ("tinyaug/memory/ntm.py", "def f():\n    import numpy"),
    ("tinyaug/memory/ntm.py", "from tinyaug import attention"),
    ("tinyaug/train/loop.py", "from tinyaug.nn.cells import LSTM"),
    ("tinyaug/train/loop.py", "import tqdm"),
    ("tinyaug/ops/arithmetic.py", "import cupy"),
    ("tinyaug/data/babi.py", "import tasks.copy"),
    ("tinyaug/check.py", "import torch"),
    ("viz/ntm.py", "import tinyaug"),
    ("tasks/copy.py", "import matplotlib.pyplot as plt"),
])
def test_the_rule_finds_an_offence(file, source):
    assert len(offences(ROOT / file, source)) == 1


def test_model_files_are_pure_tensor_code():
    for path in FILES:
        package, _, inner = name_of(path).partition(".")
        if package == "tinyaug" and (inner.split(".")[0] in MODEL_ROOMS or within(inner, "nn")
                                     and inner not in KNOWS_ARRAYS):
            touched = [node.lineno for node in ast.walk(ast.parse(path.read_text()))
                       if isinstance(node, ast.Attribute) and node.attr == "data"]
            assert not touched, f"{name_of(path)} touches .data in lines {touched}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_is_short(path):
    assert len(path.read_text().splitlines()) <= 320


def test_importing_tinyaug_imports_numpy_and_nothing_else():
    """Nor the parts of NumPy that NumPy loads only when they are used, some of which take 30 ms each."""
    code = "import sys, numpy; before = set(sys.modules); import tinyaug; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    new = {name.split(".")[0] if not within(name, "numpy") else ".".join(name.split(".")[:2])
           for name in done.stdout.split()}
    ours = {name for name in new if name not in sys.stdlib_module_names and not name.startswith("_")}
    assert ours - {"numpy.random", "cython_runtime"} == {"tinyaug"}


def test_what_is_declared_of_tensor_is_what_the_ops_attach():
    """A type checker reads the block under TYPE_CHECKING in tensor.py; Python runs the assignments of ops/__init__.py."""
    from tinyaug import Tensor
    body = next(node.body for node in ast.parse((ROOT / "tinyaug/tensor.py").read_text()).body
                if isinstance(node, ast.ClassDef))
    block = next(node for node in body if isinstance(node, ast.If))
    declared = {target.id for node in block.body if isinstance(node, ast.Assign) for target in node.targets}
    own = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    own |= {target.id for node in body if isinstance(node, ast.Assign) for target in node.targets}
    slots = set(Tensor.__slots__) | {"__module__", "__doc__", "__slots__"}
    assert ast.unparse(block.test) == "TYPE_CHECKING"
    assert declared == set(vars(Tensor)) - own - slots


def test_every_promise_names_tests_that_exist():
    """tests/README.md says which test keeps which promise."""
    text = (ROOT / "tests/README.md").read_text()
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", text)
    assert len(named) > 50 and text.count("::") == len(named)
    for file, test in named:
        assert f"\ndef {test}(" in (ROOT / "tests" / file).read_text(), f"{file}::{test}"
