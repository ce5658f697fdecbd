"""Bitbucket Cloud: the facts that git does not state, within 60 requests an hour."""
