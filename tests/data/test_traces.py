"""Scratch pads, the programs on them, and the cases of the recursive form."""

import numpy as np
import pytest

from tinyaug.data import traces
from tinyaug.data.scratch_pads import BLANK, FIRST, LEFT, OUT, POINT, RIGHT, SECOND, SWAP, WRITE, AdditionPad, SortPad

FORMS = sorted(traces.FORMS)


@pytest.mark.parametrize("form", FORMS)
def test_the_programs_add_and_sort(form):
    rng = np.random.default_rng(0)
    for _ in range(100):
        first, second = (int(rng.integers(0, 10 ** rng.integers(1, 9))) for _ in range(2))
        pad = AdditionPad(first, second)
        traces.trace("ADD", pad, traces.FORMS[form])
        assert pad.result() == first + second
        array = rng.integers(0, 10, rng.integers(1, 12)).tolist()
        pad = SortPad(array)
        traces.trace("BUBBLESORT", pad, traces.FORMS[form])
        assert pad.result() == sorted(array)
        pad = SortPad(array)
        traces.trace("MAX", pad, traces.FORMS[form])
        assert pad.observe()[0] == max(array)


def test_a_thousand_digits_do_not_recurse_in_python():
    pad = AdditionPad(10 ** 1200 - 1, 1)
    traces.trace("ADD", pad, traces.FORMS["recursive"])
    assert pad.result() == 10 ** 1200


def test_the_trace_of_the_papers_example():
    """96 + 125: figure 3 of the paper."""
    frames = traces.trace("ADD", AdditionPad(96, 125), traces.FORMS["loop"])
    add = next(frame for frame in frames if frame.program == "ADD")
    assert [call[0] for call in add.calls[:-1]] == ["ADD1", "SHIFT"] * 3
    assert add.seen[0] == (6, 5, BLANK, BLANK) and add.seen[2] == (9, 2, 1, BLANK)
    add1 = [frame for frame in frames if frame.program == "ADD1"]
    assert add1[0].calls == (("ACT", (WRITE, OUT, 1)), ("CARRY", traces.NONE), None)
    assert add1[2].calls == (("ACT", (WRITE, OUT, 2)), None)


def test_every_case_covers_what_happens():
    """No frame of the recursive form, of numbers of up to 30 digits and arrays of up to 12, is missing from the cases."""
    programs = traces.FORMS["recursive"]
    cases = {traces.frame_of(name, seen, programs) for name, seen in traces.every_case()}
    rng, met = np.random.default_rng(1), set()
    for _ in range(120):
        numbers = [int("".join(map(str, rng.integers(0, 10, rng.integers(1, 31))))) for _ in range(2)]
        met.update(traces.trace("ADD", AdditionPad(*numbers), programs))
        met.update(traces.trace("BUBBLESORT", SortPad(rng.integers(0, 10, rng.integers(1, 13))), programs))
    assert len(met) > 3000 and met <= cases
    assert max(len(frame.calls) for frame in cases) == 5


def test_frame_of_refuses_the_wrong_number_of_looks():
    with pytest.raises(ValueError, match="frame_of: COMPSWAP looks 2 times, got 1 looks"):
        traces.frame_of("COMPSWAP", [(5, 3, 0, 0)], traces.FORMS["loop"])


def test_encoded_frames():
    frames = [traces.Frame("ADD1", ((1, 2, BLANK, BLANK), (1, 2, BLANK, 3)), (("ACT", (WRITE, OUT, 3)), None)),
              traces.Frame("COMPSWAP", ((1, 2, 0, 0),), (None,))]
    program, seen, called, arguments, real = traces.encode(frames)
    end = len(traces.NAMES)
    np.testing.assert_array_equal(program, [traces.NAMES.index("ADD1"), traces.NAMES.index("COMPSWAP")])
    np.testing.assert_array_equal(called, [[0, end], [end, end]])
    np.testing.assert_array_equal(real, [[1, 1], [1, 0]])
    np.testing.assert_array_equal(arguments[0], [[WRITE, OUT, 3], [BLANK] * 3])
    np.testing.assert_array_equal(seen[0, 1], [1, 2, BLANK, 3])
    assert traces.spoken((WRITE, OUT, 3)) == ("write", OUT, 3)
    assert traces.spoken((POINT, FIRST, LEFT)) == ("point", FIRST, "left")
    assert traces.spoken((SWAP, FIRST, BLANK)) == ("swap", FIRST)


def test_pads_ignore_what_cannot_be():
    pad = SortPad([3, 1])
    for order in [(POINT, FIRST, LEFT), (POINT, 9, RIGHT), (7, 0, 0), (SWAP, FIRST, SECOND)]:
        pad.act(order)
    assert pad.array == [3, 1] and pad.observe() == (3, 3, 1, 0)
    pad = AdditionPad(1, 2)
    for order in [(POINT, FIRST, RIGHT), (WRITE, 9, 1), (9, 9, 9)]:
        pad.act(order)
    assert pad.observe() == (1, 2, BLANK, BLANK) and pad.result() == 0
