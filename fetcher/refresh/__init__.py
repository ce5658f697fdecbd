"""The refresh: reserve, send, read, record, settle."""
