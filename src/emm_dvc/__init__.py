"""Everything that knows DVC: parallel repro, accept, verify, merge drivers, checks of dvc.yaml."""
