"""Who a probe says that it is: the password comes from a file or is asked for, for everybody sees a command line."""

import argparse
from getpass import getpass
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A user's name, and where the password is."""
    parser.add_argument("--user", default="", help="the name of a user; the password is asked for")
    parser.add_argument("--password-file", type=Path, help="a file that holds the password, instead of being asked")


def password_of(given: argparse.Namespace) -> str:
    """The password; "" where no user is named. Raises OSError where the file cannot be read, ValueError without one."""
    if not given.user:
        return ""
    if given.password_file is None:
        try:
            return getpass(f"password of {given.user}: ")
        except EOFError:
            msg = "there is nobody to ask for the password: --password-file says where it is"
            raise ValueError(msg) from None
    return str(given.password_file.read_text().rstrip("\n"))
