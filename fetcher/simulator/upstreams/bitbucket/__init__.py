"""Bitbucket Cloud: the REST API 2.0."""
