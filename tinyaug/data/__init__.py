"""Readers of public formats and generators of synthetic data. All chance comes from a Generator that is passed in."""
