"""Exploring a scenario step by step, on its `transitions` machines."""
