"""torchrun that ends with the process that started it: `python -m ft_platform.programs.together --standalone --nproc-per-node=2 --module <program>`.

Its processes end with it in turn (`prepare_process`): a killed run worker leaves no trainer behind.
"""

from ft_platform.programs.reporting import prepare_process


def main() -> None:
    prepare_process()
    from torch.distributed.run import main as torchrun

    torchrun()


if __name__ == "__main__":
    main()
