"""Values and decisions, without input or output."""
