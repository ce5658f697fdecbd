"""GitHub: REST, GraphQL, limits, credentials and statistics jobs."""
