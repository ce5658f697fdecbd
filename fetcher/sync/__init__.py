"""Synchronization with a catalogue's source: new and changed entries are imported, vanished ones are retired."""
