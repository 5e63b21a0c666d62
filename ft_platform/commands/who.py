"""Who sits at the terminal, for commands that put it on record."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ft_platform.people.audit_log.log import AuditLog
    from ft_platform.people.person import Person
    from ft_platform.use_case.settings.environment import Environment

THIS_MACHINE = "127.0.0.1"


def person_of(environment: "Environment", log: "AuditLog", by: str, proven: bool | None) -> "Person":
    """Who sits there: whom `--by` names, or the account.

    Args:
        proven: by the password of `ft users`, where there are users. Others sign in in `ft ui` alone.

    Raises:
        FtError: name, password or code are not right, or there are no passwords here.
    """
    from ft_platform.errors import FtError
    from ft_platform.people.person import at_this_machine, named

    if not by.strip():
        return at_this_machine()
    if proven and not environment.has_users:
        raise FtError(
            f"only persons who signed in count here, and --by {by.strip()} proves nothing",
            "Sign in on the web pages and do it there (ft ui), or get a password: ft users add <e-mail address>",
        )
    return _signed_in(environment, log, by) if proven else named(by)


def _signed_in(environment: "Environment", log: "AuditLog", by: str) -> "Person":
    import importlib.util
    from getpass import getpass

    from ft_platform.errors import FtError, MissingExtra

    if importlib.util.find_spec("argon2") is None:
        raise MissingExtra("argon2-cffi", "ui")
    from ft_platform.people.identity.desk import Desk
    from ft_platform.people.identity.refused import Refused

    desk = Desk(environment, log)
    try:
        password = getpass("Password: ")
        session_id = desk.sign_in(by, password, getpass("Code of the second factor, if you have one: "), THIS_MACHINE)
    except Refused as refused:
        desk.note_refusal(refused, THIS_MACHINE)
        raise FtError(refused.words, "Users of this installation: ft users list") from None
    session, changes = desk.session(session_id), desk.must_change(session_id)
    desk.sign_out(session_id)
    if session is None or changes:
        raise FtError("this password was only for the first sign-in", "Choose one of your own on the web pages: ft ui")
    return session.person
