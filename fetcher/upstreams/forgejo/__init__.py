"""Forgejo and Gitea, Codeberg among them: one API, and the facts that git does not state."""
