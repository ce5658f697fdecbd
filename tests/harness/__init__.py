"""Helpers of all tests and of the benchmarks: each module has one subject.

- ``clock``: the moment at which tests begin, and a stopped clock.
- ``fakes``, ``stores``, ``policies``: fakes of the ports; stores on both databases and builders of values; the quota
  policies of the built-in upstreams; ``seeds``: five real documents.
- ``one_host``: a host of repositories at its own pace, over a stopped clock.
- ``processes``, ``stack``: processes that are started, logged and ended; Fetcher's own commands as such processes.
- ``postgres``, ``redis_server``, ``tls``: real servers, which can be stopped and killed; a proxy that adds TLS.
- ``directory``: the tables of a directory's own site, on PostgreSQL, and the document of its API.
- ``loopback``: the skeleton of small web servers; ``pages``: one with given responses, ``receiver``: one of webhooks.
- ``web``, ``browser``: Fetcher's web process, and a real browser; ``parts``: a process's parts, in the process of the
  test; ``patient``: httpx with a limit that a busy machine keeps.
- ``prometheus``, ``debian``: a real Prometheus, and Debian's packages that only tests need.
- ``documents``: the commands in the documentation, as a script that a test runs.
- ``sockets``: the fixture that blocks sockets; ``examples``: how many examples a property gets; ``selection``: the
  number of tests that a run leaves out.
"""
