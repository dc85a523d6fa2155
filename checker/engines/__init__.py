"""Engines: what searches and proves a system."""

import os

# numpy's linear algebra is not used, and each of its threads would take memory.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
