"""Mutants: every change of one row, and whether some property notices.

A mutant is a patch of `model/patch.py`, generated from a row of a system. Against the sound system
of a scenario it is *killed* (a property falls, with a trace that was replayed), *equivalent* there
(in no reachable state does a step that changes something differ) or it *survives*: no property
notices. `generate` makes the mutants, `family` judges those of one scenario, `run` judges those of
many and knows what is recorded.
"""
