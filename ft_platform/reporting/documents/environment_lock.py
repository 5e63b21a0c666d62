"""Every Python package that was installed where the weights were computed, as pip reads it."""

from ft_platform.reporting.documents.facts import Facts, NotKnown

FILE = "environment_lock.txt"
RECORDED = "environment.json"


def make(facts: Facts) -> str:
    """Lines `name==version`, after the Python version as a comment.

    Raises:
        NotKnown: the checkpoint did not note its packages.
    """
    found = facts.read("adapter_checkpoint", RECORDED)
    if not found:
        raise NotKnown(
            f"{facts.manifest('adapter_checkpoint').id} did not note which packages were installed: train it again with"
            " this version"
        )
    head = (
        f"# {facts.id_of('adapter_checkpoint')}: Python {found['python']} on {found['machine']}, torch build"
        f" {found['torch']}"
    )
    return "\n".join([head, *(f"{name}=={version}" for name, version in found["packages"].items())]) + "\n"
