"""GitHub: request builders and response readers, without client, clock or environment."""
