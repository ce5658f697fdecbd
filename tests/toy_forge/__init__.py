"""A third forge: one folder, and one line in the registry. ``forge`` is Fetcher's side, ``mount`` the simulator's."""
