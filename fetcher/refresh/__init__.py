"""The conductor: reserve, send, read, record, settle; one module for each kind of question."""
