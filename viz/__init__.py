"""Figures from traces and metrics: named arrays in, pictures out. Knows no model."""
