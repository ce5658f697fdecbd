"""The user of the operating system, for the audit log."""

from __future__ import annotations

import os
import pwd


def system_user() -> str:
    """Return the name of the user that runs this process, or its number if it has no name.

    The name is not read from the environment, which every user can change.
    """
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
