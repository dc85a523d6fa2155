"""The tests: a mirror of the packages, and the laws across them in `contracts`."""
