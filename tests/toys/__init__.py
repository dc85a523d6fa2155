"""Toy systems, which are not TLS: the checker must not depend on TLS."""
