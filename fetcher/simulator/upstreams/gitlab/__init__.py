"""GitLab: its GraphQL and REST APIs, on gitlab.com unless another host is named."""
