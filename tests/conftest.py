"""What every test may use: real servers, started once a session on free ports or sockets and stopped at its end."""

pytest_plugins = ["tests.postgres", "tests.redis_server", "tests.integration.prometheus"]
