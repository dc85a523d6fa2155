"""The rows of each generation, one file a role; `model.roles` assembles the roles.

A file defines the rows `RULES` and the name `GENERATION`, empty for rows of all generations.
"""
