"""Forgejo: the REST API, on Codeberg's host unless another is named."""
