"""Import of editors' entries: entries as columns, their matching with stored packages, and the writes."""
