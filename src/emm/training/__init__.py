"""The training loop of all networks, with seeds, devices, checkpoints and stored models."""
