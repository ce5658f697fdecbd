"""Running Fetcher: the embedded Redis, and every process on one machine."""
