"""Operation of Fetcher on one machine: the embedded Redis and the process supervisor."""
