"""Git's own protocol: requests, responses, packs and commits, as bytes in and values out. No I/O.

Smart HTTP, protocol version 2 (gitprotocol-v2, gitprotocol-http), stateless: there is no repository on disk and no git
program. dulwich parses packet lines, packs and commits. Every response is hostile input: sizes are bounded before
memory is taken. The modules here import dulwich, which takes time, so only a live upstream imports them.
"""
