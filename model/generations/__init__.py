"""One file for each role of each generation: `RULES`, its rows, and `GENERATION`, its name (empty
for rows of all). `model.roles` assembles them."""
