"""One training loop for every model, and what it needs: seeds, devices, stored models."""
