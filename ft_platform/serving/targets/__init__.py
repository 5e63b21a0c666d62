"""Where releases are deployed: one file for each kind of target, all with the contract of `contract.Target`."""
