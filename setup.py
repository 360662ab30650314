"""Packaging. The metadata and the settings of every tool are in pyproject.toml."""

from setuptools import setup

setup()
