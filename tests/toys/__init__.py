"""Toy systems: the checker must check what it does not know."""
