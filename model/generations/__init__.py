"""One file for each role of each generation: `ROLE` and its rows `RULES`; assembled by `model.roles`."""
