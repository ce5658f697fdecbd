"""The package index: the JSON API and the Simple API."""
