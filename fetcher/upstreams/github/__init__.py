"""GitHub: build a request, read a response. No client, no clock, no environment."""
