"""What a change of the tables means: two trees compared, each read by its own code.

`side` is run as a script under either tree, and gives its tables and steps as data. `meaning`
compares these by the solver, and has each tree search for what it alone accepts.
"""
