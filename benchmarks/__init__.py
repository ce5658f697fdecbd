"""The figures of Fetcher's engine, one command each: see README.md beside this file."""
