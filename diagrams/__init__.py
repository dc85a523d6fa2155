"""Drawings: machines, product graphs, sequence charts, and the gallery of all pictures."""
