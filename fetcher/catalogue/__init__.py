"""The forms of a catalogue: documents, addresses, and files that are read."""
