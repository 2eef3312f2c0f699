"""What knows DVC: parallel repro, verification, merge drivers and checks of the graph."""
