"""Readers of GitHub's responses: bytes and headers in, outcomes out."""
