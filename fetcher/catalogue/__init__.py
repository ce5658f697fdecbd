"""Formats of a catalogue: documents, addresses and input files."""
