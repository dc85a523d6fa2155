"""One file for each role of each generation: `RULES`, its rows, and `GENERATION`, its name.

A row of every generation has an empty name there. `model.roles` assembles them.
"""
