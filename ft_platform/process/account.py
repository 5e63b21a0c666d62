"""The account of the operating system under which this process runs."""

import os
import pwd


def this_account() -> str:
    """Its name, or `uid <number>` where it has none, as in a container that may run as any user. Variables such as USER
    say nothing: anybody can set them."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
