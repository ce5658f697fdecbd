"""Fault injection, crash points and the oracle of the invariants, shared by the tests and by ``make chaos``."""
