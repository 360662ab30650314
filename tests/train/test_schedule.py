"""Schedules at their corners."""

import math

import pytest

from tinyaug.train.schedule import constant, cosine, inverse_square_root, step_decay, warm_up

pytestmark = pytest.mark.host            # plain numbers


@pytest.mark.parametrize("schedule, expected", [
    (constant(0.1), {1: 0.1, 9_999: 0.1}),
    (warm_up(10, constant(0.1)), {1: 0.01, 5: 0.05, 10: 0.1, 11: 0.1}),
    (cosine(0.1, 101), {1: 0.1, 26: 0.05 * (1 + math.sqrt(0.5)), 51: 0.05, 101: 0.0, 500: 0.0}),
    (cosine(0.1, 101, last=0.02), {1: 0.1, 51: 0.06, 101: 0.02, 500: 0.02}),
    (step_decay(0.1, 100), {1: 0.1, 100: 0.1, 101: 0.05, 200: 0.05, 201: 0.025}),
    (step_decay(0.1, 100, factor=0.1), {101: 0.01}),
    (inverse_square_root(0.1, 400), {1: 0.1 / 400, 200: 0.05, 400: 0.1, 1600: 0.05}),
    (warm_up(10, cosine(0.1, 101)), {1: 0.01, 101: 0.0}),
])
def test_a_schedule_at_its_corners(schedule, expected):
    assert {step: schedule(step) for step in expected} == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("make", [
    lambda: warm_up(0, constant(1)), lambda: cosine(1, 1), lambda: step_decay(1, 0),
    lambda: inverse_square_root(1, 0)])
def test_lengths_that_make_no_sense_are_refused(make):
    with pytest.raises(ValueError, match="got 0, expected at least 1"):
        make()
