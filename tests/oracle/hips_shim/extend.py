from autograd.core import primitive


def defvjp(*_, **__):
    primitive(None)()
