"""One file for each role of each generation with its rows `RULES`; `model.roles` assembles them."""
