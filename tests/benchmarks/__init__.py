"""Measurements against other tools; nothing here is a test."""
