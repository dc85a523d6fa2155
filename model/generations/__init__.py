"""One file for each role of each generation: its rows `RULES` and its name `GENERATION`, empty for
rows of all. `model.roles` assembles them."""
