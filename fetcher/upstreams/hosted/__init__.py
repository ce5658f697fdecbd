"""Forges whose commits are read over git, and whose API states the rest."""
