import pytest


def const_graph(*_, **__):
    pytest.skip("a graph recorded once, misc.const_graph")


def flatten(*_, **__):
    pytest.skip("misc.flatten")
