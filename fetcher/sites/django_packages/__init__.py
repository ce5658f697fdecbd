"""Adapter of the database of Django Packages, and of sites that run the same code."""
