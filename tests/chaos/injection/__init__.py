"""Fault injection and the judge of its results, shared by the tests and by ``make chaos``."""
